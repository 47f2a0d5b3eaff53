"""Deliveries in the ledger: what was going to be sent, what was, and what is there."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from opsintel_dagster.ledger.tables import batch, delivery


class DeliveryState(StrEnum):
    """How far a delivery is known to have come."""

    INTENT = "intent"
    RECEIPT = "receipt"
    CONFIRMED = "confirmed"
    SPLIT = "split"
    """Refused, and sent again in halves."""
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"


def intend(
    connection: Connection,
    delivery_id: str,
    *,
    outcome: str,
    batch_id: str,
    route: str,
    part: str,
    guarantee: str,
    records: int,
    epoch: int,
    run_id: str | None,
) -> None:
    """Say what is going to be sent, before it is; from now on the routed file is frozen."""
    connection.execute(
        insert(delivery).values(
            id=delivery_id,
            outcome=outcome,
            batch_id=batch_id,
            route=route,
            part=part,
            guarantee=guarantee,
            state=DeliveryState.INTENT,
            records=records,
            epoch=epoch,
            attempts=0,
            run_id=run_id,
            intent_at=datetime.now(UTC),
        )
    )


def attempt(connection: Connection, delivery_id: str, epoch: int, run_id: str | None) -> None:
    """Count an attempt before it is made: after a crash, what was tried is known."""
    connection.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id)
        .values(attempts=delivery.c.attempts + 1, epoch=epoch, run_id=run_id)
    )


def not_taken(connection: Connection, delivery_id: str) -> None:
    """The receiver answered that it took nothing: the attempt leaves nothing to be asked about."""
    connection.execute(update(delivery).where(delivery.c.id == delivery_id).values(attempts=0))


def received(connection: Connection, delivery_id: str, receipt: Mapping[str, Any]) -> None:
    """Keep the receipt: proof that it was sent."""
    connection.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id)
        .values(state=DeliveryState.RECEIPT, receipt=dict(receipt), receipt_at=datetime.now(UTC))
    )


def confirmed(connection: Connection, delivery_id: str, reason: str) -> None:
    """Note that the receiver was asked and has it."""
    connection.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id)
        .values(state=DeliveryState.CONFIRMED, confirmed_at=datetime.now(UTC), reason=reason)
    )


def doubt(connection: Connection, delivery_id: str, reason: str) -> None:
    """Note that nobody can say whether it arrived; it is never sent again by itself."""
    connection.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id)
        .values(state=DeliveryState.IN_DOUBT, reason=reason)
    )


def refused(connection: Connection, delivery_id: str, reason: str, *, is_split: bool) -> None:
    """Keep the receiver's own words; a delivery that is split goes on in its halves."""
    state = DeliveryState.SPLIT if is_split else DeliveryState.REFUSED
    connection.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id)
        .values(state=state, reason=reason[:2000])
    )


def of_batch(connection: Connection, batch_id: str) -> dict[tuple[str, str], Row[Any]]:
    """The batch's deliveries by route and part; the whole of a route is its part `""`."""
    query = select(delivery).where(delivery.c.batch_id == batch_id).order_by(delivery.c.part)
    return {(row.route, row.part): row for row in connection.execute(query)}


def of_closed_batches(connection: Connection, outcome: str) -> list[Row[Any]]:
    """Confirmed deliveries of closed batches: what must be found at the receivers."""
    query = (
        select(delivery)
        .join(batch, batch.c.id == delivery.c.batch_id)
        .where(
            batch.c.outcome == outcome,
            batch.c.closed_seq.is_not(None),
            delivery.c.state == DeliveryState.CONFIRMED,
        )
        .order_by(batch.c.seq)
    )
    return list(connection.execute(query))
