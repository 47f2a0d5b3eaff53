"""One row taken out of any place, behind the ledger's back, and the law must say so."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from scenario import HEADER, MORE_DEPOTS, Operation, parcels
from sqlalchemy import create_engine, select, text

from opsintel_dagster.ledger import cases
from opsintel_dagster.ledger.decisions import DecisionKind
from opsintel_dagster.ledger.tables import stage_file
from opsintel_dagster.orchestration.decisions import decide
from opsintel_dagster.orchestration.drain import Drain
from opsintel_dagster.orchestration.reports import Conservation

HELD_UP = HEADER + "S1,HAM,90,\nS2,HAM,91,\nS3,HAM,-1,\n"


@pytest.fixture
def full(operation: Operation) -> Operation:
    """Something lies in every place a record can be in."""
    operation.redeclare(
        operation.outcomes[0],
        parcels(
            source={
                "kind": "files",
                "path": "inbox/parcels/*",
                "settle": "0s",
                "same_name": "correction",
            },
            routes=[
                {"to": "freight", "when": "weight >= 30"},
                {"to": "gate", "when": "weight > 0 AND weight <> 7"},
                {"to": "nowhere", "when": "weight = 0"},
            ],
        ),
    )
    operation.begin()
    decide(
        operation.installation,
        operation.compiled["parcels"],
        cases.case_id("parcels", "unmapped", "readable"),
        DecisionKind.DISCARD,
        actor="kim",
        reason="scrap",
        now=datetime.now(UTC),
    )
    operation.drop("depots", "depots.csv", MORE_DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "a.csv", HEADER + "A1,HAM,1,\nA2,HAM,-1,\nA3,HAM,7,\n")
    operation.drain()
    operation.drop("parcels", "a.csv", HEADER + "A1,HAM,1,\nA2,HAM,-1,\nA3,HAM,7,\n\n")
    operation.drain()
    stages = Drain(operation.compiled["parcels"], operation.installation)
    for name in ("routed", "verified", "claimed"):
        operation.drop("parcels", f"{name}.csv", HELD_UP.replace("S", name))
        stages.arrivals()
        if name != "claimed":
            stages.verified()
        if name == "routed":
            stages.routed()
    assert law(operation).holds
    return operation


def law(operation: Operation) -> Conservation:
    report = Drain(operation.compiled["parcels"], operation.installation).promise()
    assert report.conservation is not None
    return report.conservation


def files_with_rows(operation: Operation) -> dict[str, Path]:
    """The newest file of each role that holds rows, by role and state of its batch."""
    with operation.installation.ledger.read() as connection:
        rows = connection.execute(select(stage_file).where(stage_file.c.rows > 0)).all()
    return {row.path: operation.root / ".opsintel/store" / row.path for row in rows}


def test_the_scenario_has_something_in_every_place(full: Operation) -> None:
    counted = law(full)
    places = ("delivered", "no_action", "discarded", "unchanged", "superseded", "open", "in_flight")
    for term in places:
        assert getattr(counted, term) > 0, term


def test_a_row_missing_from_any_file_of_the_ledger_breaks_the_law(full: Operation) -> None:
    paths = [path for path in files_with_rows(full).values() if "parcels" in path.parts]
    roles = {path.name.split("-")[0] for path in paths}
    assert roles == {
        "raw",
        "verified",
        "quarantine",
        "unrouted",
        "unchanged",
        "routed",
        "discarded",
    }
    for path in paths:
        kept = pl.read_parquet(path)
        kept.head(-1).write_parquet(path)
        assert not law(full).holds, path
        kept.write_parquet(path)
        assert law(full).holds


def test_a_row_too_many_in_any_file_breaks_the_law(full: Operation) -> None:
    for path in files_with_rows(full).values():
        if "parcels" in path.parts:
            kept = pl.read_parquet(path)
            pl.concat([kept, kept.head(1)]).write_parquet(path)
            assert not law(full).holds, path
            kept.write_parquet(path)


def test_a_file_that_is_gone_breaks_the_law_and_is_named(full: Operation) -> None:
    for path in files_with_rows(full).values():
        if "parcels" in path.parts:
            content = path.read_bytes()
            path.unlink()
            assert any(path.name in problem for problem in law(full).problems), path
            path.write_bytes(content)
    assert law(full).holds


def test_a_damaged_file_breaks_the_law_and_the_others_are_counted(full: Operation) -> None:
    said = []
    for path in files_with_rows(full).values():
        if "parcels" in path.parts and path.name.startswith("quarantine"):
            content = path.read_bytes()
            path.write_bytes(content[:40])
            assert any(path.name in problem for problem in law(full).problems), path
            footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
            path.write_bytes(b"\0" * footer + content[footer:])
            said += law(full).problems
            path.write_bytes(content)
    assert any("rows of corrected files cannot be counted" in problem for problem in said)
    assert law(full).holds


def test_a_row_missing_at_a_table_receiver_breaks_the_law(full: Operation) -> None:
    engine = create_engine(f"sqlite:///{full.root / 'desk.db'}")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM gate_queue WHERE parcel = 'P1'"))
    engine.dispose()
    counted = law(full)
    assert not counted.holds
    assert any("0 of 1 records" in problem for problem in counted.problems)
    assert any("declare `consumed: true`" in problem for problem in counted.problems)


def test_a_row_missing_in_a_delivered_file_breaks_the_law(full: Operation) -> None:
    path = next((full.root / "out/freight").glob("*.parquet"))
    pl.read_parquet(path).head(-1).write_parquet(path)
    assert not law(full).holds


def test_a_delivered_file_that_was_taken_counts_as_delivered(full: Operation) -> None:
    next((full.root / "out/freight").glob("*.parquet")).unlink()
    assert law(full).holds


def test_a_receiver_that_cannot_be_asked_is_a_problem_and_no_error(full: Operation) -> None:
    (full.root / "desk.db").rename(full.root / "gone.db")
    (full.root / "desk.db").mkdir()
    counted = law(full)
    assert not counted.holds
    assert any("cannot be counted now" in problem for problem in counted.problems)


def test_what_a_route_delivered_that_is_no_longer_declared_counts_by_its_receipts(
    full: Operation,
) -> None:
    before = law(full)
    gate = {"kind": "table", "url": "sqlite:///desk.db", "table": "gate_queue"}
    full.redeclare(
        full.outcomes[0],
        parcels(
            routes=[{"to": "gate", "when": "weight > 0"}, {"to": "nowhere", "when": "weight = 0"}],
            handoff={"gate": gate},
        ),
    )
    after = law(full)
    assert after.problems == ()
    assert after.delivered == before.delivered
    assert after.holds
