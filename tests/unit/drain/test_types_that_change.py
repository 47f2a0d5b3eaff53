"""Sources and contracts change the types of their columns; what lies there already stays usable."""

import io
from datetime import date, datetime, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from scenario import DEPOTS, HEADER, MORE_DEPOTS, Operation, depots, parcels

from opsintel_dagster.orchestration.drain import DrainReport

CORRECTED = {
    "kind": "files",
    "path": "inbox/parcels/*",
    "settle": "0s",
    "same_name": "correction",
}
WEIGHTS: dict[str, Any] = {
    "whole": [1],
    "text": ["1"],
    "category": pl.Series(["1"], dtype=pl.Categorical),
    "list": [[1, 2]],
    "struct": [{"a": 1}],
    "nothing": [None],
    "bytes": [b"\xff"],
    "truth": [True],
    "day": [date(2020, 1, 1)],
    "moment": [datetime(2020, 1, 1)],  # noqa: DTZ001  # without zone, as some files are
    "time": [timedelta(hours=1)],
    "array": pl.Series([[1.0, 2.0]], dtype=pl.Array(pl.Float64, 2)),
    "bytes in a list": [[b"\xff"]],
}


class WholeParcel(pa.DataFrameModel):
    parcel: str
    depot: str
    weight: int = pa.Field(ge=0)
    note: str = pa.Field(nullable=True)


class NumberedDepot(pa.DataFrameModel):
    code: str = pa.Field(unique=True)
    city: int = pa.Field(nullable=True)


@pytest.fixture
def ready(operation: Operation) -> Operation:
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    return operation


def drop_typed(operation: Operation, name: str, **columns: Any) -> None:
    buffer = io.BytesIO()
    row = {"parcel": [name], "depot": ["XXX"], "weight": [1.0], "note": ["n"], **columns}
    pl.DataFrame(row).write_parquet(buffer)
    operation.drop("parcels", f"{name}.parquet", buffer.getvalue())


def law(report: DrainReport) -> dict[str, int]:
    counted = report.promise.conservation
    assert counted is not None
    assert counted.holds, counted
    terms = ("received", "delivered", "unchanged", "superseded", "open")
    return {term: getattr(counted, term) for term in terms if getattr(counted, term)}


def test_rows_of_any_types_lie_in_quarantine_together_and_each_is_judged_as_it_came(
    ready: Operation,
) -> None:
    for name, weight in WEIGHTS.items():
        drop_typed(ready, name, weight=weight)
        report = ready.drain()
        assert report.failures == {}
    assert law(report) == {"received": len(WEIGHTS), "open": len(WEIGHTS)}
    ready.drop("depots", "depots.csv", MORE_DEPOTS)
    ready.drain("depots")
    report = ready.drain()
    assert (report.failures, report.verified.replayed) == ({}, len(WEIGHTS))
    assert {row[0] for row in ready.table("gate_queue")} >= {"whole", "text", "category"}
    assert law(report)["received"] == len(WEIGHTS)
    later = ready.drain()
    assert (later.failures, later.verified.replayed) == ({}, 0)


def test_values_of_any_type_that_break_a_rule_open_a_case_and_can_be_corrected(
    ready: Operation,
) -> None:
    ready.redeclare(ready.outcomes[0], parcels(source=CORRECTED))
    for name, weight in WEIGHTS.items():
        drop_typed(ready, name, depot=["HAM"], weight=weight)
    report = ready.drain()
    assert report.failures == {}
    assert report.verified.open_by_rule["weight.coerce"] == 8
    (case,) = (case for case in report.verified.cases if case.failure_mode == "bad_weight")
    assert {"[1, 2]", "{'a': 1}", "b'\\xff'", "1:00:00"} <= set(case.values)
    before = law(report)
    drop_typed(ready, "list", depot=["HAM"], weight=[2.0])
    drop_typed(ready, "bytes", depot=["HAM"], weight=[2.0])
    after = law(ready.drain())
    assert (after["superseded"], after["open"]) == (2, before["open"] - 2)
    assert after["delivered"] == before["delivered"] + 2


def test_rows_are_healed_as_they_came_whatever_columns_others_in_quarantine_have(
    ready: Operation,
) -> None:
    class Strict(ready.compiled["parcels"].outcome.contract):  # type: ignore[misc]
        class Config:
            strict = True

    ready.redeclare(ready.outcomes[0], parcels(contract=Strict))
    ready.drop("parcels", "a.csv", HEADER + "R1,XXX,1,\nR2,ZZZ,1,\n")
    ready.drop("parcels", "b.csv", HEADER.replace("\n", ",surplus\n") + "R3,HAM,1,,1\n")
    assert ready.drain().verified.quarantined == 3
    ready.drop("depots", "depots.csv", MORE_DEPOTS)
    ready.drain("depots")
    assert ready.drain().verified.replayed == 1


def test_a_long_value_is_cut_in_the_case(ready: Operation) -> None:
    ready.drop("parcels", "a.csv", HEADER + f"R1,{'X' * 100_000},1,\n")
    (case,) = ready.drain().verified.cases
    assert dict(case.values) == {"X" * 200: 1}


@pytest.mark.parametrize("repeats", ["deliver", "skip_equal", "hold"])
def test_a_contract_may_give_a_column_another_type(ready: Operation, repeats: str) -> None:
    ready.redeclare(ready.outcomes[0], parcels(source=CORRECTED, repeats=repeats))
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\nR2,HAM,90,\n")
    assert law(ready.drain())["delivered"] == 2
    changed = parcels(source=CORRECTED, repeats=repeats, contract=WholeParcel, failure_modes=[])
    ready.redeclare(ready.outcomes[0], changed)
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\nR2,HAM,90,\nR3,HAM,4,\n")
    report = ready.drain()
    assert report.failures == {}
    assert law(report) == {"received": 5, "delivered": 5}
    ready.drop("parcels", "b.csv", HEADER + "R1,HAM,1,\n")
    last = {"deliver": "delivered", "skip_equal": "unchanged", "hold": "open"}[repeats]
    assert law(ready.drain())[last] == (6 if repeats == "deliver" else 1)


def test_a_register_may_give_a_column_another_type(operation: Operation) -> None:
    handoff = {"register": {"kind": "files", "path": "out/register"}}
    operation.redeclare(depots(handoff=handoff), parcels())
    operation.begin()
    operation.redeclare(depots(handoff=handoff, contract=NumberedDepot), parcels())
    operation.drop("depots", "more.csv", "code,city\nXXX,1\n")
    assert law(operation.drain("depots"))["delivered"] == 3
    report = operation.drain()
    assert (report.failures, report.verified.replayed) == ({}, 1)
