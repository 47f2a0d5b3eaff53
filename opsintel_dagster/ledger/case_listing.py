"""Lists of cases: what is open, what was closed last, what a name means; all from an index.

Cases that are closed stay for ever, so that one which comes back is the same; what is open is few.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    func,
    literal_column,
    select,
)

from opsintel_dagster.ledger.cases import OTHER_CAUSES, CaseState
from opsintel_dagster.ledger.tables import case, case_rows

MOST_OPEN = 10_000
"""More open cases than that nobody looks through."""


def _is(state: CaseState) -> ColumnElement[bool]:
    """The state written into the statement: a partial index is not used for a parameter."""
    return case.c.state == literal_column(f"'{state}'")


def listing(
    connection: Connection, outcomes: Sequence[str] | None = None, *, limit: int = MOST_OPEN
) -> list[Row[Any]]:
    """Open cases with their open rows (`open_rows`), the one with the most first."""
    return list(connection.execute(open_query(outcomes).limit(limit)))


def open_query(outcomes: Sequence[str] | None) -> Select[Any]:
    """What `listing` asks.

    Rows are summed up case by case: to group a join, SQLite would walk all cases there ever were.
    """
    lying = _lying_rows().label("open_rows")
    query = (
        select(case, lying)
        .where(_is(CaseState.OPEN))
        .order_by(lying.desc(), case.c.opened_at, case.c.id)
    )
    return query if outcomes is None else query.where(case.c.outcome.in_(outcomes))


@dataclass
class Open:
    """How many cases of an outcome are open, and how many rows lie in quarantine for them."""

    cases: int = 0
    rows: int = 0


def open_by_outcome(connection: Connection) -> dict[str, Open]:
    """What is open in each outcome that has an open case."""
    found: dict[str, Open] = defaultdict(Open)
    for row in connection.execute(open_sums()):
        found[row.outcome].cases += 1
        found[row.outcome].rows += int(row.lying)
    return dict(found)


def open_sums() -> Select[Any]:
    """What `open_by_outcome` asks."""
    return select(case.c.outcome, _lying_rows().label("lying")).where(_is(CaseState.OPEN))


def _lying_rows() -> ScalarSelect[int]:
    """How many rows of a case in the statement around it lie in quarantine."""
    lying = func.coalesce(func.sum(case_rows.c.rows - case_rows.c.resolved), 0)
    is_of_case = (case_rows.c.case_id == case.c.id) & (case_rows.c.rows > case_rows.c.resolved)
    return select(lying).where(is_of_case).correlate(case).scalar_subquery()


def count_open(connection: Connection, outcomes: Sequence[str] | None = None) -> int:
    """How many cases are open."""
    return _count(connection, CaseState.OPEN, outcomes)


def closed(
    connection: Connection, outcomes: Sequence[str] | None = None, *, limit: int
) -> list[Row[Any]]:
    """Cases that are closed, the last one first; none of their rows is open."""
    found = (connection.execute(query.limit(limit)) for query in closed_queries(outcomes))
    together = merge(*found, key=lambda row: row.closed_at, reverse=True)
    return list(islice(together, limit))


def closed_queries(outcomes: Sequence[str] | None) -> Iterator[Select[Any]]:
    """What `closed` asks; one outcome after the other, since an index has each in order."""
    nothing: ColumnElement[int] = literal_column("0").label("open_rows")
    query = select(case, nothing).where(_is(CaseState.CLOSED)).order_by(case.c.closed_at.desc())
    if outcomes is None:
        yield query
    for name in outcomes or ():
        yield query.where(case.c.outcome == name)


def count_closed(connection: Connection, outcomes: Sequence[str] | None = None) -> int:
    """How many cases are closed."""
    return _count(connection, CaseState.CLOSED, outcomes)


def _count(connection: Connection, state: CaseState, outcomes: Sequence[str] | None) -> int:
    query = select(func.count()).where(_is(state))
    if outcomes is not None:
        query = query.where(case.c.outcome.in_(outcomes))
    return int(connection.execute(query).scalar_one())


def of_failure_mode(
    connection: Connection, outcome: str, failure_mode: str, state: CaseState, *, limit: int
) -> list[Row[Any]]:
    """Cases about a failure mode, whatever their cause."""
    query = select(case).where(
        case.c.outcome == outcome, case.c.failure_mode == failure_mode, case.c.state == state
    )
    return list(connection.execute(query.order_by(case.c.cause).limit(limit)))


def causes_of_open(connection: Connection, outcome: str) -> dict[str, set[str]]:
    """The causes that have an open case of their own, by failure mode."""
    query = select(case.c.failure_mode, case.c.cause).where(
        case.c.outcome == outcome,
        case.c.state == CaseState.OPEN,
        case.c.cause.not_in(["", OTHER_CAUSES]),
    )
    found: dict[str, set[str]] = defaultdict(set)
    for row in connection.execute(query):
        found[row.failure_mode].add(row.cause)
    return dict(found)
