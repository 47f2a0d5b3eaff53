"""What other outcomes deliver, as a source: every batch they close is an arrival here."""

from dataclasses import dataclass

import polars as pl
from sqlalchemy import select

from opsintel_dagster.errors import SourceVanished
from opsintel_dagster.ingestion import Reading, Sighting, UpstreamReading
from opsintel_dagster.ledger import batches
from opsintel_dagster.ledger.batches import Role
from opsintel_dagster.ledger.tables import batch
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.taken import scan_taken
from opsintel_dagster.outcome import NOWHERE
from opsintel_dagster.store import together


@dataclass(frozen=True)
class OutcomeFeed:
    """Follows the closed batches of an outcome of the same ledger; no event can be missed."""

    installation: Installation
    outcome: str

    def sightings(self) -> list[Sighting]:
        """The batches the outcome has closed; what a batch holds never changes afterwards."""
        query = select(batch.c.id, batch.c.records, batch.c.closed_at, batch.c.closed_seq).where(
            batch.c.outcome == self.outcome, batch.c.closed_seq.is_not(None)
        )
        with self.installation.ledger.read() as connection:
            return [
                Sighting(
                    name=f"{self.outcome}/{row.id}",
                    size=row.records,
                    mark=str(row.closed_seq),
                    available_at=row.closed_at,
                )
                for row in connection.execute(query)
            ]

    def open(self, sighting: Sighting) -> Reading:
        """The records of one batch that were delivered to somebody.

        Raises:
            SourceVanished: the ledger no longer knows the batch.
        """
        batch_id = sighting.name.rpartition("/")[2]
        with self.installation.ledger.read() as connection:
            files = batches.files_of(connection, batch_id, Role.ROUTED, Role.REFUSED)
        if not files:
            raise SourceVanished(sighting.name, "the ledger no longer knows this batch")
        rows = together(scan_taken(self.installation.store, files))
        delivered = rows.filter(pl.col("_route") != NOWHERE)
        version = ":".join(file.sha256 for file in files)
        return UpstreamReading(delivered, sighting, version=version)
