"""What holds an outcome back now, from the ledger: failures, breakers, budget, stops."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from opsintel_dagster.errors import OpsintelError
from opsintel_dagster.ledger import attempts, batches, breakers, entries
from opsintel_dagster.ledger.breakers import BreakerKind, outcome_breaker
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.dependencies import Dependency
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.receivers import open_route

TRIED_AGAIN: Final = "tried again"
"""The kind of entry that says somebody wants everything that failed to be tried once more."""

HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class FailingBatch:
    """A batch that did not come through; without a next attempt it waits for a decision."""

    batch: str
    state: str
    failure_class: str
    attempts: int
    next_attempt_at: datetime | None
    is_given_up: bool
    reason: str


@dataclass(frozen=True)
class Troubles:
    """What holds an outcome back.

    `breakers` are those open among what it depends on, by name, each with what it waits for;
    `spent` of `budget` failed attempts were made within the hour.
    """

    stopped: str | None = None
    failing: tuple[FailingBatch, ...] = ()
    breakers: Mapping[str, str] = field(default_factory=dict)
    spent: int = 0
    budget: int = 0

    @property
    def given_up(self) -> dict[str, str]:
        """Batches that wait for a decision, with the reason."""
        return {one.batch: one.reason for one in self.failing if one.is_given_up}


def troubles_of(
    installation: Installation, compiled: Compiled, connection: Connection, now: datetime
) -> Troubles:
    """Read them in one snapshot."""
    opened = breakers.all_open(connection)
    stop = opened.get(outcome_breaker(compiled.name))
    names = dependencies_of(installation, compiled) if opened else []
    failing = tuple(
        FailingBatch(
            row.id,
            row.state,
            row.failure_class or "",
            row.attempts,
            row.next_attempt_at,
            row.is_given_up,
            row.failure or "",
        )
        for row in batches.outstanding(connection, compiled.name)
        if row.failure is not None
    )
    return Troubles(
        stopped=stop.reason if stop is not None and stop.retry_at is None else None,
        failing=failing,
        breakers={name: _told(opened[name]) for name in names if name in opened},
        spent=attempts.count_since(
            connection, compiled.name, budget_since(connection, compiled, now)
        ),
        budget=compiled.outcome.healing.attempts_per_hour,
    )


def budget_since(connection: Connection, compiled: Compiled, now: datetime) -> datetime:
    """From when on failed attempts count: an hour ago, or when somebody last decided."""
    decided = entries.last(connection, compiled.name, compiled.name, TRIED_AGAIN)
    return max(now - HOUR, decided) if decided is not None else now - HOUR


def dependencies_of(installation: Installation, compiled: Compiled) -> list[str]:
    """The names of the breakers an outcome may be held back by: source, receivers, store.

    A receiver whose address comes from a variable that is not set has none yet.
    """
    found = [
        Dependency(BreakerKind.SOURCE, compiled.outcome.source.place),
        Dependency(BreakerKind.STORE, installation.store.address),
    ]
    for route in compiled.outcome.handoff:
        try:
            address = open_route(installation, compiled, route).dependency
        except OpsintelError:
            continue
        found.append(Dependency(BreakerKind.RECEIVER, address))
    return list(dict.fromkeys(one.name for one in found))


def _told(row: Row[Any]) -> str:
    if row.state == breakers.BreakerState.HALF_OPEN:
        return f"{row.probed_by} looks whether it is back; {row.reason}"
    then = f"the next probe is due at {row.retry_at:%H:%M:%S} UTC" if row.retry_at else "stopped"
    times = "once" if row.failures == 1 else f"{row.failures} times"
    since = f"{row.opened_at:%Y-%m-%d %H:%M} UTC"
    return f"open since {since}, failed {times}, {then}: {row.reason}"
