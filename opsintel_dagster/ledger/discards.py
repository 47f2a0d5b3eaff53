"""Rows that leave quarantine for good: a mark with a reason, while the rows themselves stay."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, update

from opsintel_dagster.ledger import batches
from opsintel_dagster.ledger.batches import BatchKind, BatchState, Role
from opsintel_dagster.ledger.tables import batch

if TYPE_CHECKING:  # the ledger alone answers most commands, and needs no Polars for it
    from opsintel_dagster.store import StoredFile


def create(
    connection: Connection,
    outcome: str,
    batch_id: str,
    *,
    declaration_id: str,
    arrivals: Mapping[str, int],
    files: "Sequence[StoredFile]",
    case_id: str,
    decision_id: str,
    now: datetime,
) -> None:
    """Register which rows they are; the batch is closed at once, since it delivers nothing."""
    batches.create(
        connection,
        outcome,
        batch_id,
        kind=BatchKind.DISCARD,
        declaration_id=declaration_id,
        arrivals=arrivals,
        available_at=now,
        files=(),
        case_id=case_id,
        decision_id=decision_id,
    )
    batches.add_files(connection, batch_id, Role.DISCARDED, files)
    values = {"state": BatchState.CLOSED, "closed_at": now}
    connection.execute(update(batch).where(batch.c.id == batch_id).values(**values))
