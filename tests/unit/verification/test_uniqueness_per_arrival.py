"""What must be unique is unique within an arrival, and all who share it are condemned."""

import math
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.verification import Contract


def test_all_members_of_a_group_are_condemned_within_their_arrival_only(
    raw: Any, reasons: Any
) -> None:
    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, unique=True)}))
    verdict = contract.verify(raw({"n": [1, 2, 1, 2, 3, 1]}, arrivals="abaabb"))
    assert reasons(verdict) == {"a:1": ["n.unique"], "a:2": ["n.unique"]}


def test_interleaved_arrivals_are_told_apart(raw: Any, reasons: Any) -> None:
    contract = Contract.compile(
        pa.DataFrameSchema(
            {"n": pa.Column(int)},
        ),
        key=["n"],
    )
    verdict = contract.verify(raw({"n": [1, 1, 1, 2, 2]}, arrivals="abcab"))
    assert reasons(verdict) == {}


@pytest.mark.parametrize("values", [[math.nan, math.nan], [0.0, -0.0], [None, None]])
def test_equality_is_that_of_pandera(values: list[Any], raw: Any, reasons: Any) -> None:
    contract = Contract.compile(
        pa.DataFrameSchema({"f": pa.Column(float, nullable=True, unique=True)})
    )
    assert list(reasons(contract.verify(raw({"f": pl.Series(values, dtype=pl.Float64)})))) == [
        "a:1",
        "a:2",
    ]


def test_a_composite_is_unique_together(raw: Any, reasons: Any) -> None:
    columns = {"a": pa.Column(str, nullable=True), "b": pa.Column(int)}
    contract = Contract.compile(pa.DataFrameSchema(columns, unique=["a", "b"]))
    verdict = contract.verify(raw({"a": ["x", "x", "y", "x", None, None], "b": [1, 2, 1, 1, 5, 5]}))
    assert reasons(verdict) == {f"a:{row}": ["a+b.unique"] for row in (1, 4, 5, 6)}


def test_several_composites_are_rules_of_their_own(raw: Any, reasons: Any) -> None:
    columns = {"a": pa.Column(str), "b": pa.Column(int)}
    contract = Contract.compile(pa.DataFrameSchema(columns, unique=[["a"], ["b"]]))
    verdict = contract.verify(raw({"a": ["x", "x", "y"], "b": [1, 2, 2]}))
    assert reasons(verdict) == {
        "a:1": ["a.unique"],
        "a:2": ["a.unique", "b.unique"],
        "a:3": ["b.unique"],
    }


def test_a_key_with_a_gap_is_incomplete_and_not_repeated(raw: Any, reasons: Any) -> None:
    columns = {"a": pa.Column(str, nullable=True), "f": pa.Column(float, nullable=True)}
    contract = Contract.compile(pa.DataFrameSchema(columns), key=["a", "f"])
    frame = raw({"a": ["x", "x", None, None, "y", "y"], "f": ["1", "1", "2", "2", "nan", "nan"]})
    found = reasons(contract.verify(frame))
    assert found == {
        "a:1": ["key.unique"],
        "a:2": ["key.unique"],
        **{f"a:{row}": ["key.not_null"] for row in (3, 4, 5, 6)},
    }


def test_a_key_that_can_have_no_gap_has_no_rule_about_gaps() -> None:
    columns = {"a": pa.Column(str), "o": pa.Column(str, required=False)}
    schema = pa.DataFrameSchema(columns)
    assert "key.not_null" not in {rule.id for rule in Contract.compile(schema, key=["a"]).rules}
    assert "key.not_null" in {rule.id for rule in Contract.compile(schema, key=["a", "o"]).rules}


def test_a_key_column_an_arrival_does_not_have_leaves_its_keys_incomplete(
    raw: Any, reasons: Any
) -> None:
    columns = {"a": pa.Column(str), "o": pa.Column(str, required=False)}
    contract = Contract.compile(pa.DataFrameSchema(columns), key=["a", "o"])
    assert reasons(contract.verify(raw({"a": ["x", "x"]}))) == {
        "a:1": ["key.not_null"],
        "a:2": ["key.not_null"],
    }


def test_an_unreadable_row_is_compared_with_nobody(raw: Any, reasons: Any) -> None:
    contract = Contract.compile(
        pa.DataFrameSchema({"n": pa.Column(int, pa.Check.ge(0))}), key=["n"]
    )
    frame = raw(
        {"n": ["1", "1", "-1"]}, _problem=[None, "ragged", "encoding"], _text=[None, "1,,", "?"]
    )
    assert reasons(contract.verify(frame)) == {"a:2": ["readable"], "a:3": ["readable"]}


@pytest.mark.parametrize(
    ("report", "condemned"),
    [
        ("all", ["a:1", "a:2", "a:3"]),
        ("exclude_first", ["a:2", "a:3"]),
        ("exclude_last", ["a:1", "a:2"]),
    ],
)
@pytest.mark.filterwarnings("ignore:Setting report_duplicates")
def test_report_duplicates_says_by_record_number_which_one_stays(
    report: Any, condemned: list[str], raw: Any, reasons: Any
) -> None:
    schema = pa.DataFrameSchema(
        {"n": pa.Column(int), "m": pa.Column(int)}, unique=["n", "m"], report_duplicates=report
    )
    frame = raw({"n": [1, 1, 1, 2], "m": [1, 1, 1, 1]})
    for order in ([0, 1, 2, 3], [2, 3, 1, 0]):
        assert sorted(reasons(Contract.compile(schema).verify(frame[order]))) == condemned


def test_a_key_that_is_declared_unique_too_breaks_both_rules(raw: Any, reasons: Any) -> None:
    columns = {"n": pa.Column(int, nullable=True, unique=True)}
    contract = Contract.compile(pa.DataFrameSchema(columns), key=["n"])
    found = reasons(contract.verify(raw({"n": [1, 1, None, None, 2]})))
    assert found == {
        "a:1": ["n.unique", "key.unique"],
        "a:2": ["n.unique", "key.unique"],
        "a:3": ["key.not_null", "n.unique"],
        "a:4": ["key.not_null", "n.unique"],
    }


@pytest.mark.parametrize(
    "dtype", [pl.List(pl.Int64), pl.Struct({"x": pl.Int64}), pl.Binary, pl.Categorical]
)
def test_values_of_any_dtype_can_be_compared(dtype: Any, raw: Any, reasons: Any) -> None:
    values = {pl.Binary: [b"x", b"x"], pl.Categorical: ["x", "x"]}.get(dtype, [[1], [1]])
    if dtype == pl.Struct({"x": pl.Int64}):
        values = [{"x": 1}, {"x": 1}]
    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(dtype, unique=True)}))
    frame = raw({"n": pl.Series(values, dtype=dtype)})
    assert list(reasons(contract.verify(frame))) == ["a:1", "a:2"]
