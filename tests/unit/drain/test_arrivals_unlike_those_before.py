"""An arrival that does not look like those before it: a warning, or held as a whole."""

from typing import Any

import pandera.polars as pa
import pytest
from scenario import DEPOTS, HEADER, Operation, depots, parcels
from sqlalchemy import select

from opsintel_dagster.ledger.tables import arrival
from opsintel_dagster.orchestration.downstream import downstream_of
from opsintel_dagster.orchestration.drain import DrainReport
from opsintel_dagster.orchestration.shown import shown

HOLDS = {"drift": "hold", "volume": "hold", "null_rate": "hold"}


def day(number: int, rows: int = 40, note: str = "fragile", header: str = HEADER) -> str:
    return header + "".join(f"P{number}-{row},HAM,{row % 9 + 1},{note}\n" for row in range(rows))


def usual_days(operation: Operation, days: int = 9) -> DrainReport:
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    for number in range(days):
        operation.drop("parcels", f"day{number}.csv", day(number))
    return operation.drain()


def checks(operation: Operation, report: DrainReport) -> dict[str, Any]:
    told = shown(operation.compiled["parcels"], report.arrivals, ["parcels/verified"])
    return {one.name: one for one in (*told[0].evaluations, *told[0].otherwise)}


def test_days_that_are_alike_say_nothing(operation: Operation) -> None:
    report = usual_days(operation)
    assert all(not one.says() for one in report.arrivals.symptoms)
    assert [one.volume is None for one in report.arrivals.symptoms] == [True] * 8 + [False]
    said = checks(operation, report)
    assert all(said[name].passed for name in ("drift", "volume", "null_rate"))
    assert said["volume"].metadata["sample_size"] == 8
    assert said["volume"].metadata["baseline"] == pytest.approx(40)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("volume", day(10, rows=2)),
        ("null_rate", day(10, note="")),
        ("drift", day(10, header="parcel,depot,weight,note,extra\n").replace("fragile", "f,x")),
    ],
)
def test_a_symptom_is_a_warning_or_holds_the_arrival_as_declared(
    operation: Operation, name: str, content: str
) -> None:
    usual_days(operation)
    operation.drop("parcels", "odd.csv", content)
    warned = operation.drain()
    said = checks(operation, warned)
    assert (said[name].passed, said[name].severity.value) == (False, "WARN")
    assert said[name].open == 1
    others = {"drift", "volume", "null_rate"} - {name}
    assert all(said[other].passed for other in others)
    assert warned.verified.held == {}
    assert warned.delivered.delivered > 0

    operation.redeclare(depots(), parcels(symptoms=HOLDS))
    changed = content.replace("P10", "P11")
    if name == "drift":  # what was let in with a warning is known now
        changed = changed.replace("extra", "another")
    operation.drop("parcels", "odder.csv", changed)
    report = operation.drain()
    rule = f"arrival.{name}"
    assert list(report.verified.held.values()) == [(rule,)]
    assert report.delivered.delivered == 0
    assert report.promise.conservation is not None
    assert report.promise.conservation.holds
    assert report.verified.open_by_rule == {rule: content.count("\n") - 1}
    held = checks(operation, report)[name]
    assert (held.passed, held.severity.value, held.metadata["held"]) == (False, "ERROR", 1)
    waiting = held.metadata["waiting_downstream"].value
    assert "parcels.gate: table gate_queue in sqlite:///desk.db" in waiting
    assert "team:parcels" in waiting
    assert "parcels/verified" in waiting


def test_how_arrivals_are_grouped_changes_no_symptom(operation: Operation) -> None:
    apart = parcels(
        name="apart",
        batch={"max_files": 1},
        handoff={
            "freight": {"kind": "files", "path": "out/apart"},
            "gate": {"kind": "table", "url": "sqlite:///desk.db", "table": "apart_queue"},
        },
    )
    operation.redeclare(depots(), parcels(), apart)
    usual_days(operation, days=12)
    operation.drop("parcels", "odd.csv", day(20, rows=2))
    operation.drain()
    assert operation.drain("apart").arrivals.batches == 13
    with operation.installation.ledger.read() as connection:
        found = connection.execute(
            select(arrival.c.outcome, arrival.c.name, arrival.c.symptoms)
            .where(arrival.c.outcome.in_(["parcels", "apart"]))
            .order_by(arrival.c.name)
        ).all()
    of = {
        name: [(row.name, row.symptoms) for row in found if row.outcome == name]
        for name in ("parcels", "apart")
    }
    assert of["parcels"] == of["apart"]
    assert [name for name, symptoms in of["apart"] if symptoms is not None] == ["odd.csv"]


def test_a_held_arrival_is_not_what_the_next_one_is_compared_with(operation: Operation) -> None:
    operation.redeclare(depots(), parcels(symptoms={"drift": "hold"}))
    usual_days(operation, days=1)
    wide = "parcel,depot,weight,note,extra\n"
    for number in (1, 2):
        operation.drop(
            "parcels", f"wide{number}.csv", day(number, header=wide).replace("fragile", "f,x")
        )
        report = operation.drain()
        assert list(report.verified.held.values()) == [("arrival.drift",)] * number
    operation.drop("parcels", "narrow.csv", day(3))
    report = operation.drain()
    assert sorted(report.verified.held_names.values()) == ["wide1.csv", "wide2.csv"]
    assert report.delivered.delivered == 40


def test_a_renamed_column_is_proposed_with_the_values_of_the_arrival_before(
    operation: Operation,
) -> None:
    usual_days(operation, days=2)
    renamed = day(5, header="parcel,depot,weight_in_kg,note\n")
    operation.drop("parcels", "renamed.csv", renamed)
    report = operation.drain()
    (found,) = report.arrivals.symptoms
    (drift,) = found.drifts
    assert (drift.kind, drift.column, drift.now) == ("renamed", "weight", "weight_in_kg")
    assert drift.confidence is not None
    assert drift.confidence < 1
    assert list(report.verified.held.values()) == [("arrival.columns",)]
    assert checks(operation, report)["drift"].severity.value == "ERROR"


def test_a_corrected_file_releases_what_was_held(operation: Operation) -> None:
    correcting = {"kind": "files", "path": "inbox/parcels/*", "settle": "0s"}
    operation.redeclare(
        depots(), parcels(symptoms=HOLDS, source={**correcting, "same_name": "correction"})
    )
    usual_days(operation)
    operation.drop("parcels", "odd.csv", day(10, rows=2))
    assert len(operation.drain().verified.held) == 1
    operation.drop("parcels", "odd.csv", day(10))
    report = operation.drain()
    assert report.verified.held == {}
    assert report.delivered.delivered == 40
    assert report.promise.conservation is not None
    assert report.promise.conservation.holds
    assert report.promise.open_cases == 0


def test_everything_that_builds_on_an_outcome_waits_for_it(operation: Operation) -> None:
    class Late(pa.DataFrameModel):
        parcel: str

    late = parcels(
        name="late_parcels",
        owner="team:late",
        contract=Late,
        source={"kind": "upstream", "asset": "parcels/delivered"},
        failure_modes=[],
        routes=[],
        handoff={"desk": {"kind": "files", "path": "out/late"}},
    )
    operation.redeclare(depots(), parcels(), late)
    usual_days(operation, days=1)
    operation.drain("late_parcels")
    with operation.installation.ledger.read() as connection:
        found = downstream_of(connection, "depots")
    assert found.outcomes == ("depots", "parcels", "late_parcels")
    assert found.owners == ("team:ground", "team:parcels", "team:late")
    assert found.receivers["late_parcels.desk"] == "parquet files in out/late"
