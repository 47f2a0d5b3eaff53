"""What is open is found beside any number of closed cases: every list comes from an index."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Select, insert, text

from opsintel_dagster.ledger import Ledger, case_listing, cases
from opsintel_dagster.ledger.cases import CaseState
from opsintel_dagster.ledger.tables import case

CLOSED = 3_000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def row(number: int, state: CaseState, outcome: str = "parcels") -> dict[str, Any]:
    at = BEGAN + timedelta(seconds=number)
    return {
        "id": cases.case_id(outcome, "depot", f"{state} {number}"),
        "outcome": outcome,
        "failure_mode": "depot",
        "cause": f"{state} {number}",
        "episode": 1,
        "revision": 1,
        "state": state,
        "owner": "team:parcels",
        "facts": {"values": {}},
        "opened_at": at,
        "last_seen_at": at,
        "closed_at": at if state is CaseState.CLOSED else None,
        "tried_version": {},
    }


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with Ledger(database_url) as ledger:
        ledger.migrate()
        with ledger.write() as connection:
            for outcome in ("parcels", "depots"):
                closed = [row(number, CaseState.CLOSED, outcome) for number in range(CLOSED)]
                connection.execute(insert(case), closed)
                opened = [row(number, CaseState.OPEN, outcome) for number in range(3)]
                connection.execute(insert(case), opened)
        if not ledger.is_sqlite:  # which nobody analyzes; PostgreSQL does so by itself
            with ledger.write() as connection:
                connection.execute(text("ANALYZE"))
        with ledger.read() as connection:
            yield connection


def plan(connection: Connection, query: Select[Any]) -> str:
    options = {"compile_kwargs": {"literal_binds": True}}
    sql = str(query.compile(connection, **options))
    how = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    return "\n".join(str(line[-1]) for line in connection.execute(text(f"{how} {sql}")))


def searches(told: str, *, of: str = "opsintel_case") -> bool:
    """Whether the table is read by an index, and not from one end to the other."""
    return not any(
        line.strip().lstrip("-> ").startswith((f"SCAN {of}", f"Seq Scan on {of} "))
        and "INDEX" not in line
        for line in told.splitlines()
    )


@pytest.mark.parametrize("outcomes", [None, ["parcels"], ["parcels", "depots"]])
def test_open_cases_are_listed_from_an_index(
    connection: Connection, outcomes: list[str] | None
) -> None:
    told = plan(connection, case_listing.open_query(outcomes))
    assert searches(told), told
    assert searches(plan(connection, case_listing.open_sums()))
    assert any(name in told for name in ("ix_opsintel_case_open", "ix_opsintel_case_state")), told
    assert "ix_opsintel_case_closed" not in told
    assert case_listing.open_by_outcome(connection)["parcels"].cases == 3
    found = case_listing.listing(connection, outcomes)
    assert {one.state for one in found} == {"open"}
    assert len(found) == case_listing.count_open(connection, outcomes)


@pytest.mark.parametrize("outcomes", [None, ["parcels"], ["depots", "parcels"]])
def test_closed_cases_are_listed_in_the_order_of_an_index(
    connection: Connection, outcomes: list[str] | None
) -> None:
    for query in case_listing.closed_queries(outcomes):
        told = plan(connection, query.limit(10))
        assert searches(told), told
        assert "ix_opsintel_case_closed" in told, told
        assert "TEMP B-TREE" not in told, told
        assert "Sort" not in told, told
    found = case_listing.closed(connection, outcomes, limit=10)
    times = [one.closed_at for one in found]
    assert times == sorted(times, reverse=True)
    assert len(found) == 10
    assert times[0] == BEGAN + timedelta(seconds=CLOSED - 1)
    assert case_listing.count_closed(connection, outcomes) == CLOSED * len(outcomes or "ab")


def test_open_causes_are_found_without_looking_at_closed_ones(connection: Connection) -> None:
    assert case_listing.causes_of_open(connection, "parcels") == {
        "depot": {f"open {number}" for number in range(3)}
    }


def test_the_tail_says_how_many_causes_it_is_about_and_when_nobody_has_counted_them_all(
    database_url: str,
) -> None:
    def told() -> str:
        with ledger.read() as connection:
            found = cases.find(connection, cases.case_id("o", "depot", cases.OTHER_CAUSES))
        assert found is not None
        return cases.told_more(found.facts)

    def add(more_causes: int) -> None:
        with ledger.write() as connection:
            cases.raise_case(
                connection, "o", "depot", cause=cases.OTHER_CAUSES, owner="team:o",
                values={}, judged_by={}, more_causes=more_causes,
            )  # fmt: skip

    with Ledger(database_url) as ledger:
        ledger.migrate()
        add(9_900)
        assert told() == "and 9,900 more causes"
        add(20)
        assert told() == "and at least 9,900 more causes"
