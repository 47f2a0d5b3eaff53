"""What every stage of one drain works with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from opsintel_dagster.ingestion import UpstreamFeed
from opsintel_dagster.ledger import Lease, batches
from opsintel_dagster.ledger.batches import Role
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.references import Reference, References
from opsintel_dagster.outcome import ReferencePolicy, UpstreamSource
from opsintel_dagster.store import StoredFile

FeedOpener = Callable[[UpstreamSource], UpstreamFeed]
"""Gives the materializations of an asset that is no outcome; Dagster's side of the bridge."""


def utc_now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)


@dataclass
class Work:
    """One drain of one outcome, under one lease.

    `actor` is who started it, for the entries; `clock` tells the time, so that tests may move it.
    """

    compiled: Compiled
    installation: Installation
    lease: Lease
    run_id: str | None = None
    actor: str = "drain"
    clock: Callable[[], datetime] = utc_now
    open_feed: FeedOpener | None = None
    references: References = field(init=False)

    def __post_init__(self) -> None:
        self.references = References(self.installation)

    @property
    def name(self) -> str:
        """The outcome's name."""
        return self.compiled.name

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
        policies = self.compiled.outcome.references
        names = dict.fromkeys(use.outcome for use in self.compiled.contract.references)
        return {
            name: self.references.load(
                name, judged=self.name, shrink=policies.get(name, ReferencePolicy()).shrink
            )
            for name in names
        }

    def failed(self, batch: Row[Any], error: Exception) -> str:
        """Note that a batch could not go on; the others do. Returns the reason."""
        reason = f"{type(error).__name__}: {error}"
        with self.lease.write() as connection:
            due_at = batches.fail(connection, batch, reason, self.clock())
        return f"{reason} (attempt {batch.attempts + 1}; next one at {due_at:%H:%M:%S} UTC)"
