"""Looking back: batches of the past, the versions they made, and who decided about them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from opsintel_dagster.ledger.batches import BatchKind, version_made_by
from opsintel_dagster.ledger.tables import batch


def closed_seq(connection: Connection, outcome: str, version: str) -> int | None:
    """The `closed_seq` of the batch that made this version; None: the outcome never had it."""
    query = (
        select(batch.c.id, batch.c.closed_seq)
        .where(batch.c.outcome == outcome, batch.c.closed_seq.is_not(None))
        .order_by(batch.c.closed_seq.desc())
    )
    found = (
        row
        for row in connection.execute(query)
        if version_made_by(outcome, row.closed_seq, row.id) == version
    )
    row = next(found, None)
    return None if row is None else int(row.closed_seq)


def history(connection: Connection, outcome: str, since: datetime | None) -> list[Row[Any]]:
    """Batches of arrivals claimed since then, whatever their state, oldest first."""
    query = select(batch).where(batch.c.outcome == outcome, batch.c.kind == BatchKind.ARRIVALS)
    if since is not None:
        query = query.where(batch.c.claimed_at >= since)
    return list(connection.execute(query.order_by(batch.c.seq)))


def decided_by(connection: Connection, decision_id: str) -> list[Row[Any]]:
    """The batches whose rows a decision has moved, oldest first."""
    query = select(batch).where(batch.c.decision_id == decision_id).order_by(batch.c.seq)
    return list(connection.execute(query))
