"""How outcomes stand, from the ledger alone: a fixed number of queries for any number of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from opsintel_dagster.cli.wording import counted, moment
from opsintel_dagster.ledger import case_listing, law, standing
from opsintel_dagster.ledger.batches import BatchKind, BatchState
from opsintel_dagster.ledger.tables import arrival, batch, batch_arrival, case_rows

REASONS_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One outcome now.

    `autonomy` is the share of the records of closed batches that never were in quarantine; None
    while no record has come through. `troubles` are reasons why batches do not go on.
    """

    outcome: str
    owner: str
    promise: str
    location: str
    cost_per_hour: float
    within_seconds: float
    outstanding_batches: int
    oldest_seconds: float | None
    is_late: bool
    has_arrivals: bool
    open_cases: int
    open_records: int
    late_arrivals: int
    last_closed_at: datetime | None
    autonomy: float | None
    troubles: tuple[str, ...]
    unaccounted: str | None = None
    """What the last drain that counted the places did not find; None: everything was there."""

    @property
    def is_broken(self) -> bool:
        """Whether the promise is: something is late, or a record is not where it should be."""
        return self.is_late or self.unaccounted is not None

    @property
    def costs_per_hour(self) -> float:
        """What it costs now: the declared cost while the promise is broken."""
        return self.cost_per_hour if self.is_broken else 0.0

    @property
    def urgency(self) -> tuple[bool, bool, float, str]:
        """What it is ordered by: the most urgent first."""
        is_asking = bool(self.open_cases or self.troubles)
        return (not self.is_broken, not is_asking, -self.cost_per_hour, self.outcome)


def standings(
    connection: Connection, outcomes: Sequence[Row[Any]], now: datetime
) -> list[Standing]:
    """The outcomes, the one whose broken promise costs most per hour first.

    After those that are broken come those with open questions, then the others, each ordered by
    what an hour would cost.
    """
    waiting = _by_outcome(connection, _outstanding())
    opened = case_listing.open_by_outcome(connection)
    arrived = _by_outcome(connection, _arrived())
    closed = _by_outcome(connection, _closed())
    touched = _by_outcome(connection, _quarantined())
    troubles = _troubles(connection, outcomes)
    unaccounted = law.broken(connection, [row.name for row in outcomes])
    found = []
    for row in outcomes:
        facts, name = row.facts, row.name
        mine, came = waiting.get(name), arrived.get(name)
        oldest = None if mine is None else max(0.0, (now - mine.oldest).total_seconds())
        found.append(
            Standing(
                outcome=name,
                owner=facts["owner"],
                promise=facts["promise"],
                location=row.location,
                cost_per_hour=float(facts["cost_per_hour"]),
                within_seconds=float(facts["within_seconds"]),
                outstanding_batches=0 if mine is None else mine.batches,
                oldest_seconds=oldest,
                is_late=oldest is not None and oldest > float(facts["within_seconds"]),
                has_arrivals=came is not None,
                open_cases=opened[name].cases if name in opened else 0,
                open_records=opened[name].rows if name in opened else 0,
                late_arrivals=0 if came is None else int(came.late),
                last_closed_at=closed[name].last if name in closed else None,
                autonomy=_autonomy(closed.get(name), touched.get(name)),
                troubles=tuple(troubles.get(name, ())),
                unaccounted=unaccounted.get(name),
            )
        )
    return sorted(found, key=lambda one: one.urgency)


def _by_outcome(connection: Connection, query: Select[Any]) -> dict[str, Row[Any]]:
    return {row.outcome: row for row in connection.execute(query)}


def _outstanding() -> Select[Any]:
    return (
        select(
            batch.c.outcome,
            func.count().label("batches"),
            func.min(batch.c.available_at).label("oldest"),
        )
        .where(batch.c.state != BatchState.CLOSED)
        .group_by(batch.c.outcome)
    )


def _arrived() -> Select[Any]:
    late = func.count().filter(arrival.c.is_late.is_(True))
    return select(arrival.c.outcome, late.label("late")).group_by(arrival.c.outcome)


def _closed() -> Select[Any]:
    """When the last batch closed, and how many records came through at their first try."""
    records = func.sum(batch_arrival.c.records).filter(batch.c.kind == BatchKind.ARRIVALS)
    return (
        select(
            batch.c.outcome,
            func.max(batch.c.closed_at).label("last"),
            func.coalesce(records, 0).label("records"),
        )
        .join(batch_arrival, batch_arrival.c.batch_id == batch.c.id)
        .where(batch.c.state == BatchState.CLOSED)
        .group_by(batch.c.outcome)
    )


def _quarantined() -> Select[Any]:
    """Records of closed batches that were in quarantine, whether or not they still are."""
    return (
        select(batch.c.outcome, func.sum(case_rows.c.rows).label("records"))
        .join(case_rows, case_rows.c.batch_id == batch.c.id)
        .where(batch.c.state == BatchState.CLOSED, batch.c.kind == BatchKind.ARRIVALS)
        .group_by(batch.c.outcome)
    )


def _autonomy(closed: Row[Any] | None, touched: Row[Any] | None) -> float | None:
    received = 0 if closed is None else int(closed.records)
    if not received:
        return None
    return 1 - (int(touched.records) if touched is not None else 0) / received


def _troubles(connection: Connection, outcomes: Sequence[Row[Any]]) -> Mapping[str, Sequence[str]]:
    """Why outcomes do not go on: what waits for a decision first, then what is down, then why."""
    names = [row.name for row in outcomes]
    places = {row.name: standing.source_breaker(row.facts.get("source")) for row in outcomes}
    held = standing.held_back(connection, places)
    reasons = standing.reasons(connection, names)
    found = {}
    for name in names:
        stop = held.stops.get(name)
        told = [_stopped(name, stop)] if stop is not None else []
        told += [
            _down(held.opened[key], blocked) for key, blocked in held.behind.get(name, {}).items()
        ]
        ranked = sorted(reasons.get(name, ()), key=lambda row: not row.is_given_up)
        found[name] = [*told, *_capped(_trouble(row) for row in ranked)]
    return found


def _stopped(name: str, row: Row[Any]) -> str:
    if row.retry_at is not None:
        return f"it failed as a whole and is tried again {moment(row.retry_at)}: {row.reason}"
    since = moment(row.opened_at)
    return f"it has stopped since {since}: {row.reason}; when mended: opsintel heal {name}"


def _down(row: Row[Any], blocked: int) -> str:
    held = f", {counted(blocked, 'batch')} held back" if blocked else ""
    probe = f", the next probe is due {moment(row.retry_at)}" if row.retry_at else ""
    return f"{row.name} is down since {moment(row.opened_at)}{held}{probe}: {row.reason}"


def _trouble(row: Row[Any]) -> str:
    batches = f"{counted(row.batches, 'batch')} given up" if row.is_given_up else ""
    if batches:
        return f"{batches}: {row.reason}"
    return row.reason if row.batches == 1 else f"{row.reason} ({row.batches} batches)"


def _capped(reasons: Iterable[str]) -> list[str]:
    reasons = list(reasons)
    rest = len(reasons) - REASONS_SHOWN
    return reasons[:REASONS_SHOWN] + ([f"… and {rest} more reasons"] if rest > 0 else [])
