"""How often people had to act, from the ledger: four queries for any number of outcomes.

Records are counted where they arrived, so that a replay counts none of them again. Each query is
answered from an index by what came in within the time that is asked about, or by what is open.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Row,
    Select,
    func,
    select,
)
from sqlalchemy import (
    case as choose,
)

from opsintel_dagster.ledger.batches import BatchKind, BatchState
from opsintel_dagster.ledger.cases import CaseState
from opsintel_dagster.ledger.tables import arrival, batch, batch_arrival, case, case_rows, touch
from opsintel_dagster.ledger.tables import outcome as bound


def received(
    connection: Connection, names: Collection[str], begins: Sequence[datetime]
) -> list[Row[Any]]:
    """Records per `outcome` and `period`: all that were `received`, and those that came `through`.

    `begins` are the beginnings of the periods, oldest first; the last one has no end. A record has
    come through when the batch it arrived in is closed.
    """
    through = func.sum(batch_arrival.c.records).filter(batch.c.state == BatchState.CLOSED)
    return _by_period(
        connection,
        _arrived(_first(names, begins[0]), begins)
        .add_columns(
            func.sum(batch_arrival.c.records).label("received"),
            func.coalesce(through, 0).label("through"),
        )
        .join(batch_arrival, batch_arrival.c.arrival_id == arrival.c.id)
        .join(batch, batch.c.id == batch_arrival.c.batch_id)
        .where(batch.c.kind == BatchKind.ARRIVALS),
    )


def quarantined(
    connection: Connection, names: Collection[str], begins: Sequence[datetime]
) -> list[Row[Any]]:
    """Records that were ever in quarantine, per `outcome`, `period` they came in, `failure_mode`.

    `records` are all of them, `through` those whose batch is closed.
    """
    through = func.sum(case_rows.c.rows).filter(batch.c.state == BatchState.CLOSED)
    return _by_period(
        connection,
        _arrived(_first(names, begins[0]), begins)
        .add_columns(
            case.c.failure_mode,
            func.sum(case_rows.c.rows).label("records"),
            func.coalesce(through, 0).label("through"),
        )
        .join(case_rows, case_rows.c.arrival_id == arrival.c.id)
        .join(batch, batch.c.id == case_rows.c.batch_id)
        .join(case, case.c.id == case_rows.c.case_id)
        .where(batch.c.kind == BatchKind.ARRIVALS)
        .group_by(case.c.failure_mode),
    )


def lying(connection: Connection, names: Collection[str]) -> list[Row[Any]]:
    """Records in quarantine now, per `outcome` and `failure_mode`, whenever they came in."""
    query = (
        select(
            case.c.outcome,
            case.c.failure_mode,
            func.sum(case_rows.c.rows - case_rows.c.resolved).label("records"),
        )
        .join(case_rows, case_rows.c.case_id == case.c.id)
        .where(case.c.outcome.in_(names), case.c.state == CaseState.OPEN)
        .group_by(case.c.outcome, case.c.failure_mode)
    )
    return list(connection.execute(query))


def touches(
    connection: Connection, names: Collection[str], begins: Sequence[datetime]
) -> list[Row[Any]]:
    """Times a person acted, per `outcome`, `kind` and `period`.

    `minutes` is what they said it took, `estimated` what the human step says; `untimed` counts the
    touches of which nobody knows.
    """
    known = func.sum(touch.c.minutes).filter(touch.c.is_estimate.is_(False))
    estimated = func.sum(touch.c.minutes).filter(touch.c.is_estimate.is_(True))
    return _by_period(
        connection,
        select(
            touch.c.outcome.label("outcome"),
            _period(touch.c.at, begins).label("period"),
            touch.c.kind,
            func.count().label("touches"),
            func.coalesce(known, 0.0).label("minutes"),
            func.coalesce(estimated, 0.0).label("estimated"),
            func.count().filter(touch.c.minutes.is_(None)).label("untimed"),
        )
        .where(touch.c.outcome.in_(names), touch.c.at >= begins[0])
        .group_by(touch.c.outcome, touch.c.kind),
    )


def _first(names: Collection[str], begin: datetime) -> CTE:
    """The last sequence of each outcome that was claimed before all this.

    Sequences grow with time and have an index, which times have not: walked backwards it costs as
    much as there are arrivals to count. Worked out once, or a planner might ask for each of them.
    """
    before = (
        select(arrival.c.seq)
        .where(arrival.c.outcome == bound.c.name, arrival.c.claimed_at < begin)
        .order_by(arrival.c.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(bound.c.name.label("name"), func.coalesce(before, 0).label("seq"))
    first: CTE = query.where(bound.c.name.in_(names)).cte("first").prefix_with("MATERIALIZED")
    return first


def _arrived(first: CTE, begins: Sequence[datetime]) -> Select[Any]:
    return (
        select(arrival.c.outcome.label("outcome"), _period(arrival.c.claimed_at, begins))
        .select_from(first)
        .join(arrival, (arrival.c.outcome == first.c.name) & (arrival.c.seq > first.c.seq))
        .group_by(arrival.c.outcome)
    )


def _period(at: ColumnElement[datetime], begins: Sequence[datetime]) -> ColumnElement[int]:
    """Which of the periods a time lies in, from 0: the same in every database."""
    later = [(at >= begin, place) for place, begin in reversed(list(enumerate(begins)))]
    return choose(*later, else_=0).label("period")


def _by_period(connection: Connection, query: Select[Any]) -> list[Row[Any]]:
    """Grouped by the name `period`: bound values make another expression of it where it recurs."""
    return list(connection.execute(query.group_by("period")))
