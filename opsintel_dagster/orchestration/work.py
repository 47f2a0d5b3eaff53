"""What every stage of one drain works with."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row

from opsintel_dagster.healing import Failure, classify
from opsintel_dagster.ingestion import UpstreamFeed
from opsintel_dagster.ledger import Lease, attempts, batches
from opsintel_dagster.ledger.batches import Role
from opsintel_dagster.ledger.breakers import outcome_breaker
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.dependencies import Breakers
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.references import Reference, References
from opsintel_dagster.orchestration.troubles import budget_since
from opsintel_dagster.outcome import UpstreamSource
from opsintel_dagster.store import StoredFile
from opsintel_dagster.verification.masking import MASK

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")

FeedOpener = Callable[[UpstreamSource], UpstreamFeed]
"""Gives the materializations of an asset that is no outcome; Dagster's side of the bridge."""


def utc_now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)


@dataclass
class Work:
    """One drain of one outcome, under one lease.

    `actor` is who started it, for the entries; `clock` tells the time and `sleep` passes it, so
    that tests may move it. `patience_seconds` is what is left for trying again in place.
    """

    compiled: Compiled
    installation: Installation
    lease: Lease
    run_id: str | None = None
    actor: str = "drain"
    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    open_feed: FeedOpener | None = None
    references: References = field(init=False)
    breakers: Breakers = field(init=False)
    patience_seconds: float = field(init=False)
    _spent: int | None = None

    def __post_init__(self) -> None:
        self.references = References(self.installation)
        self.breakers = Breakers(self.lease, self.name, self.clock)
        self.patience_seconds = self.compiled.outcome.healing.retry_within.total_seconds()

    @property
    def name(self) -> str:
        """The outcome's name."""
        return self.compiled.name

    def classify(self, error: BaseException) -> Failure:
        """What the error is, by the outcome's own rules and the shipped ones.

        Libraries quote the values they stumble over. Where some are personal data, none is kept.
        """
        failure = classify(error, self.compiled.outcome.healing.failures)
        if not self.compiled.contract.pii:
            return failure
        return replace(failure, reason=_QUOTED.sub(MASK, failure.reason))

    @property
    def is_careful(self) -> bool:
        """Whether a drain before this one died, so that each batch is marked before it is tried."""
        return self.lease.crashes > 0

    @property
    def stopped(self) -> str | None:
        """Why the outcome attempts nothing until somebody decides; None: it does.

        A pause after a run that failed keeps sensors from waking it, not a drain that was started.
        """
        row = self.breakers.opened.get(outcome_breaker(self.name))
        return None if row is None or row.retry_at is not None else str(row.reason)

    def spend_attempt(self) -> int:
        """Count an attempt that was just noted; returns how many there were within the hour.

        What somebody has decided about since does not count any more.
        """
        if self._spent is not None:
            self._spent += 1
        else:
            with self.installation.ledger.read() as connection:
                since = budget_since(connection, self.compiled, self.clock())
                self._spent = attempts.count_since(connection, self.name, since)
        return self._spent

    def due(self, state: batches.BatchState) -> list[Row[Any]]:
        """Batches the stage after `state` has to do now, oldest first."""
        with self.installation.ledger.read() as connection:
            return batches.due(connection, self.name, state, self.clock())

    def paths(self, batch_id: str, role: Role) -> list[str]:
        """The paths of a batch's files in one role."""
        with self.installation.ledger.read() as connection:
            return [file.path for file in batches.files_of(connection, batch_id, role)]

    def write(self, batch_id: str, role: Role, frame: Any) -> StoredFile:
        """Write a frame of a batch; it becomes real when a transaction names it."""
        return self.installation.store.write(self.name, batch_id, role.value, frame)

    def load_references(self) -> dict[str, Reference]:
        """Every reference of the contract, trusted.

        Raises:
            ReferenceDown: one of them is not to be trusted now.
        """
        return self.references.of_contract(self.compiled)
