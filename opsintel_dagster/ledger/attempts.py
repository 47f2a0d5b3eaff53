"""Failed attempts in the ledger: what failed, of which class, and what came of it.

A good record leaves no row here, and the budget of an outcome bounds how many a bad hour leaves.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from opsintel_dagster.ledger.tables import UtcDateTime, attempt, batch


def note(
    connection: Connection,
    outcome: str,
    *,
    at: datetime,
    batch_id: str | None,
    stage: str,
    failure_class: str,
    reason: str,
    dependency: str | None,
    run_id: str | None,
    next_attempt_at: datetime | None,
) -> None:
    """Keep one failed attempt of a batch, or of the whole stage where `batch_id` is None."""
    connection.execute(
        insert(attempt).values(
            at=at,
            outcome=outcome,
            batch_id=batch_id,
            stage=stage,
            failure_class=failure_class,
            reason=reason[:2000],
            dependency=dependency,
            run_id=run_id,
            next_attempt_at=next_attempt_at,
        )
    )


def count_since(connection: Connection, outcome: str, since: datetime) -> int:
    """How many attempts of the outcome have failed since then."""
    query = select(func.count()).where(attempt.c.outcome == outcome, attempt.c.at > since)
    return int(connection.execute(query).scalar_one())


def settle_batch(connection: Connection, batch_id: str, at: datetime, by: str) -> None:
    """What a batch has failed of is over: it went on, and `by` says whose doing that is."""
    connection.execute(
        update(attempt)
        .where(attempt.c.batch_id == batch_id, attempt.c.settled_at.is_(None))
        .values(settled_at=at, settled_by=by)
    )


def settle_stages(
    connection: Connection, outcome: str, stages: Collection[str], at: datetime, by: str
) -> bool:
    """These stages as a whole have come through; true if one of them had failed before."""
    result = connection.execute(
        update(attempt)
        .where(
            attempt.c.outcome == outcome,
            attempt.c.batch_id.is_(None),
            attempt.c.stage.in_(stages),
            attempt.c.settled_at.is_(None),
        )
        .values(settled_at=at, settled_by=by)
    )
    return result.rowcount > 0


def of_run(connection: Connection, run_id: str) -> bool:
    """Whether the drain itself has already noted that a stage of this run failed."""
    query = select(attempt.c.id).where(attempt.c.run_id == run_id, attempt.c.batch_id.is_(None))
    return connection.execute(query.limit(1)).first() is not None


def unsettled(connection: Connection, outcomes: Sequence[str] | None = None) -> list[Row[Any]]:
    """Failed attempts that nothing has made good yet, oldest first."""
    query = select(attempt).where(attempt.c.settled_at.is_(None)).order_by(attempt.c.id)
    if outcomes is not None:
        query = query.where(attempt.c.outcome.in_(outcomes))
    return list(connection.execute(query))


def troubles_since(
    connection: Connection, outcomes: Sequence[str], begin: datetime
) -> list[Row[Any]]:
    """Failed attempts that belong together, one row each, the newest first.

    Of the same batch, or stage, and settled at the same moment, or not yet. `available_at` is when
    the oldest record of the batch was made available, None for a stage.
    """
    together = (
        attempt.c.outcome,
        attempt.c.batch_id,
        attempt.c.stage,
        attempt.c.failure_class,
        attempt.c.dependency,
        attempt.c.settled_at,
        attempt.c.settled_by,
    )
    query = (
        select(
            *together,
            func.min(attempt.c.at, type_=UtcDateTime).label("began_at"),
            func.count().label("attempts"),
            func.max(attempt.c.reason).label("reason"),
            func.min(batch.c.available_at, type_=UtcDateTime).label("available_at"),
        )
        .outerjoin(batch, batch.c.id == attempt.c.batch_id)
        .where(attempt.c.outcome.in_(outcomes), attempt.c.at > begin)
        .group_by(
            *together,
        )
        .order_by(func.min(attempt.c.at).desc())
    )
    return list(connection.execute(query))
