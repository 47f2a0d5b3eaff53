"""kill -9 at every named point of a drain, then a rerun: nothing lost, nothing twice.

The drain that is killed has everything to do that a drain can have: a new file to claim, rows of
an earlier one to replay because the register gained their depot or somebody repaired them, once or
from then on, and all to judge, route and deliver to a table and to a folder; and a record that the
table refuses.
"""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from killed_drain import DrainProcess, declared
from scenario import DAY_ONE, DEPOTS, HEADER, MORE_DEPOTS, Operation
from sqlalchemy import select

from opsintel_dagster.crashpoints import CRASH_POINTS
from opsintel_dagster.ledger import cases
from opsintel_dagster.ledger.amendments import amendment
from opsintel_dagster.ledger.decisions import DecisionKind, decision
from opsintel_dagster.ledger.tables import batch, delivery, lease, metadata
from opsintel_dagster.orchestration.decisions import decide

DAY_TWO = HEADER + "Q1,HAM,3,\nQ2,BER,50,\nQ3,ZZZ,1,\nQ4,BER,0,\nQ5,HAM,4,\n"
AT_THE_GATE = [
    ("P1", "HAM", 2.5, "fragile"),
    ("P3", "XXX", 1.0, None),
    ("P4", "BER", 1.0, None),
    ("P9", "BER", 3.0, None),
    ("Q1", "HAM", 3.0, None),
]
TWICE = [point for point in CRASH_POINTS if point.split(".")[0] in ("verify", "route", "deliver")]


@pytest.fixture
def operation(database_url: str, tmp_path: Path) -> Iterator[Operation]:
    """Day one is drained, its register has been mended, day two has arrived."""
    ready = Operation(
        tmp_path, declared(database_url), ledger_url=database_url, desk_url=database_url
    )
    ready.drop("depots", "depots.csv", DEPOTS)
    ready.drop("parcels", "day1.csv", DAY_ONE)
    ready.drain("depots")
    ready.drain("parcels")
    ready.drop("depots", "depots.csv", MORE_DEPOTS)
    ready.drain("depots")
    ready.refuse("gate_queue", "Q5")
    for about, column, values, keeps in (
        (("bad_weight",), "weight", {"-1": "1"}, True),
        (("unmapped", "parcel.not_null"), "parcel", {"": "P9"}, False),
    ):
        decide(
            ready.installation,
            ready.compiled["parcels"],
            cases.case_id("parcels", *about),
            DecisionKind.REPAIR,
            arguments={"values": {column: values}},
            actor="kim",
            now=datetime.now(UTC),
            keeps=keeps,
        )
    ready.drop("parcels", "day2.csv", DAY_TWO)
    yield ready
    ready.close()


def assert_everything_is_in_its_place_once(operation: Operation) -> None:
    report = operation.drain()
    assert report.skipped is None
    assert report.failures == {}
    law = report.promise.conservation
    assert law is not None
    assert law.problems == ()
    assert law.holds
    assert (law.received, law.delivered, law.no_action) == (14, 7, 2)
    assert (law.open, law.in_flight) == (5, 0)
    assert operation.table("gate_queue") == AT_THE_GATE
    assert sorted(operation.files("out/freight")["parcel"]) == ["P2", "Q2"]
    with operation.installation.ledger.read() as connection:
        assert set(connection.execute(select(batch.c.state)).scalars()) == {"closed"}
        states = sorted(connection.execute(select(delivery.c.state)).scalars())
        assert states == [*["confirmed"] * 9, "refused", "split"]
        assert cases.open_rows_by_rule(connection, "parcels")["refused"] == 1
        assert connection.execute(select(decision.c.state)).scalars().all() == ["executed"] * 2
        assert connection.execute(select(amendment.c.fired)).scalars().all() == [1]


@pytest.mark.parametrize(
    ("point", "nth"), [(point, 1) for point in CRASH_POINTS] + [(point, 2) for point in TWICE]
)
def test_a_drain_killed_at_any_point_is_made_good_by_the_next(
    operation: Operation, database_url: str, tmp_path: Path, point: str, nth: int
) -> None:
    drain = DrainProcess(tmp_path, database_url, database_url, point, nth)
    assert drain.answer() == "reached"
    drain.kill()
    assert_everything_is_in_its_place_once(operation)


@pytest.mark.parametrize("point", [point for point in CRASH_POINTS if point != "deliver.staged"])
def test_a_zombie_that_wakes_after_the_takeover_writes_nothing(
    operation: Operation, database_url: str, tmp_path: Path, point: str
) -> None:
    zombie = DrainProcess(tmp_path, database_url, database_url, point)
    assert zombie.answer() == "reached"
    zombie.signal(signal.SIGSTOP)
    try:
        assert operation.drain(stale_after=0.3).skipped is None
        before = everything_written(operation)
    finally:
        zombie.signal(signal.SIGCONT)
    zombie.go_on()
    assert zombie.answer() in ("lease lost", "finished")
    zombie.kill()
    assert everything_written(operation) == before
    assert_everything_is_in_its_place_once(operation)


def test_nobody_passes_a_drain_that_sleeps_inside_a_delivery(
    operation: Operation, database_url: str, tmp_path: Path
) -> None:
    """Its rows are staged and not committed: the receiver's lock keeps the next drain waiting."""
    sleeper = DrainProcess(tmp_path, database_url, database_url, "deliver.staged")
    assert sleeper.answer() == "reached"
    sleeper.go_on()
    assert sleeper.answer() == "finished"
    sleeper.kill()
    assert_everything_is_in_its_place_once(operation)


def everything_written(operation: Operation) -> dict[str, object]:
    """All rows of the ledger but the lease, and all that receivers hold."""
    with operation.installation.ledger.read() as connection:
        written: dict[str, object] = {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in metadata.sorted_tables
            if table is not lease
        }
    written["gate"] = operation.table("gate_queue")
    written["freight"] = sorted(path.name for path in (operation.root / "out").rglob("*.*"))
    return written
