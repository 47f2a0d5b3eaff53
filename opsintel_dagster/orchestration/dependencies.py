"""What an outcome depends on, and the breakers that keep it from asking what is down."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row

from opsintel_dagster.healing.failure import Failure
from opsintel_dagster.healing.retry_plan import pause_after
from opsintel_dagster.ledger import Lease, breakers, entries
from opsintel_dagster.ledger.breakers import BreakerKind

LONGEST_PAUSE: Final = timedelta(minutes=10)
"""A probe is one attempt for all who wait, so it may come more often than a batch is tried."""


@dataclass(frozen=True)
class Dependency:
    """A source, a receiver or the store, as all outcomes that use it call it."""

    kind: BreakerKind
    address: str

    @property
    def name(self) -> str:
        """The name of its breaker."""
        return f"{self.kind} {self.address}"[:300]


def probe_due_at(before: Row[Any] | None, failure: Failure, now: datetime) -> datetime:
    """When to look next whether it is back; `before` is its breaker, if that was open already."""
    pause = min(pause_after((before.failures if before is not None else 0) + 1), LONGEST_PAUSE)
    return now + max(pause, failure.retry_after or pause)


@dataclass
class Breakers:
    """The breakers as one drain meets them; `by` is who probes and who is named in the entries."""

    lease: Lease
    by: str
    clock: Callable[[], datetime]
    _opened: dict[str, Row[Any]] | None = None
    _probing: set[str] = field(default_factory=set)

    @property
    def opened(self) -> dict[str, Row[Any]]:
        """What was open when the drain began or has opened since, by name."""
        if self._opened is None:
            with self.lease.ledger.read() as connection:
                self._opened = breakers.all_open(connection)
        return self._opened

    def forget(self) -> None:
        """Look at the ledger again: another room has opened or closed one."""
        self._opened = None

    def passes(self, dependency: Dependency) -> bool:
        """Whether it may be asked now; if that is the probe, this drain is the one that probes."""
        row = self.opened.get(dependency.name)
        if row is None or dependency.name in self._probing:
            return True
        if not breakers.lets_probe(row, self.clock()):
            return False
        with self.lease.write() as connection:
            is_mine = breakers.take_probe(connection, dependency.name, self.by, self.clock())
        if is_mine:
            self._probing.add(dependency.name)
        return is_mine

    def is_down(self, dependency: Dependency, failure: Failure) -> datetime:
        """Open its breaker, or leave it open for longer; returns when the next probe is due."""
        now = self.clock()
        row = self.opened.get(dependency.name)
        retry_at = probe_due_at(row, failure, now)
        with self.lease.write() as connection:
            breakers.open_(
                connection,
                dependency.name,
                dependency.kind,
                failure_class=failure.failure_class,
                reason=failure.reason,
                retry_at=retry_at,
                now=now,
            )
            if row is None:
                entries.append(
                    connection,
                    self.lease.outcome,
                    self.by,
                    "breaker opened",
                    dependency.name[:200],
                    failure.reason,
                )
            self._opened = breakers.all_open(connection)
        self._probing.discard(dependency.name)
        return retry_at

    def is_back(self, dependency: Dependency) -> None:
        """It has served somebody: whatever its breaker held back may go on."""
        if dependency.name not in self.opened:
            return
        with self.lease.write() as connection:
            if breakers.close(connection, dependency.name):
                reason = f"it served {self.lease.outcome}"
                entries.append(
                    connection,
                    self.lease.outcome,
                    self.by,
                    "breaker closed",
                    dependency.name[:200],
                    reason,
                )
        self.opened.pop(dependency.name, None)
        self._probing.discard(dependency.name)
