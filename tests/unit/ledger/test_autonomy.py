"""How often people had to act is read in four queries, the same from both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select

from opsintel_dagster.ledger import Ledger
from opsintel_dagster.ledger.batches import BatchKind, BatchState
from opsintel_dagster.ledger.cases import CaseState
from opsintel_dagster.ledger.tables import (
    arrival,
    batch,
    batch_arrival,
    case,
    case_rows,
    outcome,
    touch,
)
from opsintel_dagster.orchestration.autonomy import Autonomy, Period, causes, periods, read

NOW = datetime(2026, 6, 29, 10, tzinfo=UTC)
STEP = {"rules": [], "human_step": "looks it up", "minutes": 6.0, "replay_when": None}


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    with Ledger(database_url) as opened:
        opened.migrate()
        yield opened


def bind(connection: Connection, name: str) -> None:
    facts = {"failure_modes": {"unknown_depot": STEP}}
    connection.execute(
        insert(outcome).values(
            name=name, location="tests", declaration="x", facts=facts, bound_at=NOW
        )
    )


def arrive(
    connection: Connection,
    name: str,
    seq: int,
    *,
    days_ago: float,
    records: int,
    state: BatchState = BatchState.CLOSED,
    kind: BatchKind = BatchKind.ARRIVALS,
) -> None:
    at = NOW - timedelta(days=days_ago)
    common: dict[str, Any] = {"outcome": name, "seq": seq, "claimed_at": at, "available_at": at}
    identity = f"{name}{seq}"
    connection.execute(
        insert(arrival).values(
            id=identity,
            name=identity,
            identity=identity,
            state="batched",
            content="",
            size=0,
            records=records,
            columns=[],
            is_late=False,
            **common,
        )
    )
    connection.execute(
        insert(batch).values(
            id=identity,
            kind=kind,
            state=state,
            declaration="x",
            records=records,
            reference_versions={},
            attempts=0,
            **common,
        )
    )
    connection.execute(
        insert(batch_arrival).values(batch_id=identity, arrival_id=identity, records=records)
    )


def open_case(connection: Connection, name: str, mode: str, state: CaseState) -> None:
    connection.execute(
        insert(case).values(
            id=f"{name}.{mode}",
            outcome=name,
            failure_mode=mode,
            episode=1,
            revision=1,
            state=state,
            owner="team:x",
            facts={},
            opened_at=NOW,
            last_seen_at=NOW,
            tried_version={},
        )
    )


def lie(connection: Connection, name: str, seq: int, mode: str, rows: int, resolved: int) -> None:
    connection.execute(
        insert(case_rows).values(
            case_id=f"{name}.{mode}",
            batch_id=f"{name}{seq}",
            arrival_id=f"{name}{seq}",
            rules_id="r",
            rules="r",
            rows=rows,
            resolved=resolved,
        )
    )


def act(
    connection: Connection,
    name: str,
    kind: str,
    days_ago: float,
    minutes: float | None = None,
    *,
    is_estimate: bool = False,
) -> None:
    connection.execute(
        insert(touch).values(
            at=NOW - timedelta(days=days_ago),
            outcome=name,
            actor="ada",
            kind=kind,
            subject="x",
            minutes=minutes,
            is_estimate=is_estimate,
        )
    )


def measured(ledger: Ledger, days: int = 28) -> dict[str, Autonomy]:
    with ledger.read() as connection:
        bound = list(connection.execute(select(outcome).order_by(outcome.c.name)))
        return {one.outcome: one for one in read(connection, bound, NOW, days)}


@pytest.fixture
def month(ledger: Ledger) -> Ledger:
    """Two outcomes: one with a month behind it, one that never had anything."""
    with ledger.write() as connection:
        for name in ("parcels", "letters"):
            bind(connection, name)
        arrive(connection, "parcels", 1, days_ago=40, records=9_000)
        arrive(connection, "parcels", 2, days_ago=27, records=100)
        arrive(connection, "parcels", 3, days_ago=2, records=300)
        arrive(connection, "parcels", 4, days_ago=1, records=600, state=BatchState.CLAIMED)
        arrive(connection, "parcels", 5, days_ago=1, records=50, kind=BatchKind.REPLAY)
        open_case(connection, "parcels", "unknown_depot", CaseState.OPEN)
        open_case(connection, "parcels", "bad_weight", CaseState.CLOSED)
        lie(connection, "parcels", 1, "unknown_depot", 70, 40)
        lie(connection, "parcels", 2, "unknown_depot", 10, 10)
        lie(connection, "parcels", 2, "bad_weight", 15, 15)
        lie(connection, "parcels", 3, "unknown_depot", 30, 0)
        lie(connection, "parcels", 4, "unknown_depot", 5, 0)
        lie(connection, "parcels", 5, "unknown_depot", 50, 0)
        act(connection, "parcels", "decided", 26, 4.0)
        act(connection, "parcels", "decided", 1, 12.0, is_estimate=True)
        act(connection, "parcels", "manual run", 1)
        act(connection, "parcels", "decided", 40, 500.0)
    return ledger


def test_records_count_where_they_arrived_and_untouched_is_what_came_through(
    month: Ledger,
) -> None:
    one = measured(month)["parcels"]
    assert (one.whole.received, one.whole.through, one.whole.quarantined) == (1_000, 400, 55)
    assert one.whole.share_untouched == 1 - 55 / 400
    assert [week.received for week in one.trend] == [100, 0, 0, 900]
    assert [week.share_untouched for week in one.trend] == [0.75, None, None, 0.9]


def test_minutes_that_people_said_and_those_that_are_estimated_stay_apart(month: Ledger) -> None:
    one = measured(month)["parcels"]
    assert (one.whole.touches, one.whole.untimed) == (3, 1)
    assert (one.whole.minutes_per_1000, one.whole.estimated_per_1000) == (4.0, 12.0)
    assert one.kinds == {"decided": 2, "manual run": 1}
    assert [week.touches for week in one.trend] == [1, 0, 0, 2]


def test_causes_come_by_what_they_cost_and_say_what_lies_open_whenever_it_came(
    month: Ledger,
) -> None:
    depot, weight = measured(month)["parcels"].causes
    assert (depot.failure_mode, depot.records, depot.open) == ("unknown_depot", 45, 115)
    assert (depot.minutes, depot.open_minutes) == (270.0, 690.0)
    assert (weight.failure_mode, weight.records, weight.open) == ("bad_weight", 15, 0)
    assert weight.minutes is None
    assert measured(month)["parcels"].open_minutes == 690.0


def test_an_outcome_that_had_nothing_has_no_share(month: Ledger) -> None:
    one = measured(month)["letters"]
    assert one.whole.share_untouched is None
    assert one.whole.minutes_per_1000 is None
    assert one.causes == ()


def test_a_fixed_number_of_queries_answered_from_indexes(tmp_path: Any) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        ledger.migrate()
        with ledger.write() as connection:
            for number in range(20):
                bind(connection, f"outcome_{number}")
                arrive(connection, f"outcome_{number}", 1, days_ago=1, records=1)
        asked: list[tuple[str, Any]] = []
        with ledger.read() as connection:
            bound = list(connection.execute(select(outcome)))

            def note(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
                asked.append((statement, values))

            event.listen(connection.engine, "before_cursor_execute", note)
            assert len(read(connection, bound, NOW, 28)) == 20
            event.remove(connection.engine, "before_cursor_execute", note)
            assert len(asked) == 4
            for statement, values in asked:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                steps = [row.detail for row in plan]
                scanned = [step for step in steps if step.startswith("SCAN")]
                assert [step for step in scanned if step != "SCAN first"] == [], steps


@pytest.mark.parametrize(
    ("days", "count", "hours"),
    [(1, 1, 24), (14, 14, 24), (28, 4, 168), (90, 13, 168), (365, 14, 648)],
)
def test_periods_are_days_then_weeks_then_as_few_as_can_be_looked_at(
    days: int, count: int, hours: int
) -> None:
    begins = periods(NOW, days)
    assert len(begins) == count
    assert begins[0] == NOW - timedelta(days=days)
    assert NOW - begins[-1] == timedelta(hours=hours)


def test_what_is_known_of_no_failure_mode_is_a_cause_without_minutes() -> None:
    (one,) = causes({}, {"unmapped": 3}, {"unmapped": 0})
    assert (one.failure_mode, one.records, one.minutes) == ("unmapped", 3, None)
    assert Period(begins_at=NOW, received=5).share_untouched is None
