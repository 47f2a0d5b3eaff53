"""What keeps outcomes from going on, from the ledger: a fixed number of queries for any number.

Each is answered from what is not over, never from what was.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from opsintel_dagster.ledger.batches import BatchState
from opsintel_dagster.ledger.breakers import BreakerKind, outcome_breaker
from opsintel_dagster.ledger.tables import arrival, attempt, batch, breaker, lease, outcome


@dataclass(frozen=True)
class HeldBack:
    """The open breakers: of each outcome its own (`stops`), and those it waits behind.

    `behind` counts the batches that each of them holds back: a source that is down holds none.
    """

    stops: Mapping[str, Row[Any]]
    behind: Mapping[str, Mapping[str, int]]
    opened: Mapping[str, Row[Any]]


def outstanding(connection: Connection, names: Collection[str]) -> dict[str, Row[Any]]:
    """How many batches of each outcome are not closed (`batches`), and the `oldest` of them."""
    query = (
        select(
            batch.c.outcome,
            func.count().label("batches"),
            func.min(batch.c.available_at).label("oldest"),
        )
        .where(batch.c.state != BatchState.CLOSED, batch.c.outcome.in_(names))
        .group_by(batch.c.outcome)
    )
    return {row.outcome: row for row in connection.execute(query)}


def reasons(connection: Connection, names: Collection[str]) -> dict[str, list[Row[Any]]]:
    """Why batches do not go on, by outcome; what most of them share first.

    A row has `batches`, `reason`, `failure_class`, `attempts`, `next_at` and `is_given_up`.
    """
    reason = func.coalesce(batch.c.failure, batch.c.waits_for)
    is_given_up = batch.c.is_given_up
    query = (
        select(
            batch.c.outcome,
            reason.label("reason"),
            batch.c.failure_class,
            is_given_up.label("is_given_up"),
            func.count().label("batches"),
            func.max(batch.c.attempts).label("attempts"),
            func.min(batch.c.next_attempt_at).label("next_at"),
        )
        .where(batch.c.state != BatchState.CLOSED, batch.c.outcome.in_(names), reason.is_not(None))
        .group_by(batch.c.outcome, reason, batch.c.failure_class, is_given_up)
        .order_by(func.count().desc(), reason)
    )
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.outcome, []).append(row)
    return found


def source_breaker(place: str | None) -> str:
    """The name of the breaker of a source, by its place in words; empty: it has none."""
    return f"{BreakerKind.SOURCE} {place}"[:300] if place else ""


def held_back(connection: Connection, sources: Mapping[str, str]) -> HeldBack:
    """Which breakers are open, and whom they hold back.

    Args:
        connection: A transaction.
        sources: The outcomes, each with the name of the breaker of its source. A source that is
            down holds back no batch; whatever else is down holds some, or has failed an attempt.
    """
    opened = {row.name: row for row in connection.execute(select(breaker))}
    stops = {name: opened[key] for name in sources if (key := outcome_breaker(name)) in opened}
    if len(opened) == len(stops):
        return HeldBack(stops, {}, opened)
    behind: dict[str, dict[str, int]] = {
        name: {source: 0} for name, source in sources.items() if source in opened
    }
    blocked = (
        select(batch.c.outcome, batch.c.blocked_by, func.count().label("batches"))
        .where(batch.c.blocked_by.is_not(None), batch.c.state != BatchState.CLOSED)
        .group_by(batch.c.outcome, batch.c.blocked_by)
    )
    for row in connection.execute(blocked):
        if row.blocked_by in opened:
            behind.setdefault(row.outcome, {})[row.blocked_by] = row.batches
    failed = (
        select(attempt.c.outcome, attempt.c.dependency)
        .where(attempt.c.settled_at.is_(None), attempt.c.dependency.is_not(None))
        .distinct()
    )
    for row in connection.execute(failed):
        if row.dependency in opened:
            behind.setdefault(row.outcome, {}).setdefault(row.dependency, 0)
    return HeldBack(stops, {name: behind[name] for name in sources if name in behind}, opened)


def last_arrivals(connection: Connection, names: Collection[str]) -> dict[str, datetime]:
    """When the source of each outcome last made something available, as far as it was claimed."""
    last = (
        select(arrival.c.available_at)
        .where(arrival.c.outcome == outcome.c.name)
        .order_by(arrival.c.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(outcome.c.name, last.label("at")).where(outcome.c.name.in_(names))
    return {row.name: row.at for row in connection.execute(query) if row.at is not None}


def leases(connection: Connection, names: Collection[str]) -> dict[str, Row[Any]]:
    """The lease of each outcome that was ever drained."""
    query = select(lease).where(lease.c.outcome.in_(names))
    return {row.outcome: row for row in connection.execute(query)}
