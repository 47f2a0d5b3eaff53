"""Columns that have a dtype already: taken over only where the value stays the same value."""

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.verification import Contract
from opsintel_dagster.verification.lossless import cast_lossless

DAY = dt.date(2013, 1, 31)
MIDNIGHT = dt.datetime(2013, 1, 31)  # noqa: DTZ001 - the dtype under test has no zone


def taken(values: list[Any], source: Any, target: Any, raw: Any) -> list[Any]:
    """The valid values, in place of a refused one the word `coerce`."""
    schema = pa.DataFrameSchema({"cell": pa.Column(target, nullable=True)})
    frame = raw({"cell": pl.Series(values, dtype=source)})
    verdict = Contract.compile(schema).verify(frame)
    result: list[Any] = ["coerce"] * len(values)
    for row, value in verdict.valid.select("_row", "cell").rows():
        result[row - 1] = value
    assert {rule for rules in verdict.quarantine["_rules"] for rule in rules} <= {"cell.coerce"}
    return result


@pytest.mark.parametrize(
    ("values", "source", "target", "expected"),
    [
        ([1, None, 300], pl.Int64, pl.Int8, [1, None, "coerce"]),
        ([1.0, 1.5, None, -0.0], pl.Float64, pl.Int64, [1, "coerce", None, 0]),
        ([math.nan, math.inf], pl.Float64, pl.Int64, ["coerce", "coerce"]),
        ([2**53, 2**53 + 1], pl.Int64, pl.Float64, [float(2**53), "coerce"]),
        ([0.5, 1e39, math.inf, None], pl.Float64, pl.Float32, [0.5, "coerce", math.inf, None]),
        ([1, 0, 2], pl.Int64, pl.Boolean, [True, False, "coerce"]),
        ([True, None], pl.Boolean, pl.Decimal(5, 2), [Decimal("1.00"), None]),
        (
            [Decimal(1), Decimal(0), Decimal("0.5"), Decimal(300)],
            pl.Decimal(5, 2),
            pl.Boolean,
            [True, False, "coerce", "coerce"],
        ),
        ([10**15, 1], pl.Int64, pl.Decimal(5, 2), ["coerce", Decimal("1.00")]),
        ([7, None], pl.Int64, pl.String, ["7", None]),
        ([DAY, None], pl.Date, pl.String, ["2013-01-31", None]),
        ([DAY], pl.Date, pl.Datetime("us"), [MIDNIGHT]),
        ([MIDNIGHT, MIDNIGHT.replace(hour=1)], pl.Datetime("us"), pl.Date, [DAY, "coerce"]),
        ([MIDNIGHT.replace(microsecond=1)], pl.Datetime("us"), pl.Datetime("ms"), ["coerce"]),
        ([dt.datetime(3000, 1, 1)], pl.Datetime("us"), pl.Datetime("ns"), ["coerce"]),  # noqa: DTZ001
        ([MIDNIGHT], pl.Datetime("us"), pl.Datetime("us", "UTC"), ["coerce"]),
        ([15_000], pl.Int64, pl.Date, ["coerce"]),
        ([DAY], pl.Date, pl.Int64, ["coerce"]),
        (["x", "z"], pl.Enum(["x", "z"]), pl.Enum(["x"]), ["x", "coerce"]),
        (["12", "x"], pl.Categorical, pl.Int64, [12, "coerce"]),
        ([None, None], pl.Null, pl.Int64, [None, None]),
        ([[1], None], pl.List(pl.Int32), pl.List(pl.Int64), ["coerce", None]),
        ([[1], None], pl.List(pl.Int64), pl.List(pl.Int64), [[1], None]),
    ],
)
def test_only_the_same_value_is_taken_over(
    values: list[Any], source: Any, target: Any, expected: list[Any], raw: Any
) -> None:
    assert taken(values, source, target, raw) == expected


def test_an_equal_dtype_is_taken_as_it_is(raw: Any) -> None:
    assert taken([1.5, None, math.inf], pl.Float64, pl.Float64, raw) == [1.5, None, math.inf]


def test_a_wrong_cell_does_not_weigh_in_by_its_default(raw: Any) -> None:
    total = pa.Check(lambda d: d.lazyframe.select(pl.col(d.key).sum() == 8), name="total")
    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, total, default=7)}))
    assert not contract.verify(raw({"n": ["1", "", "x"]})).held


def test_a_default_fills_what_is_empty_and_never_what_is_wrong(raw: Any, reasons: Any) -> None:
    schema = pa.DataFrameSchema(
        {"n": pa.Column(int, default=7), "f": pa.Column(float, pa.Check.lt(9), default=9.5)}
    )
    frame = raw({"n": ["", "x", "1", None], "f": ["1", "2", "nan", "3"]})
    verdict = Contract.compile(schema).verify(frame)
    assert verdict.valid.select("n", "f").rows() == [(7, 1.0), (7, 3.0)]
    assert reasons(verdict) == {"a:2": ["n.coerce"], "a:3": ["f.lt"]}


EVERY_KIND = [
    pl.Series([1, -1, None], dtype=pl.Int8),
    pl.Series([2**63 - 1, -(2**63), None], dtype=pl.Int64),
    pl.Series([2**64 - 1, 0, None], dtype=pl.UInt64),
    pl.Series([10**37, -(10**37), None], dtype=pl.Int128),
    pl.Series([1e300, math.nan, -math.inf, None], dtype=pl.Float64),
    pl.Series([1.5, None], dtype=pl.Float32),
    pl.Series([True, False, None]),
    pl.Series([Decimal("9" * 36 + ".99"), Decimal("-0.01"), None], dtype=pl.Decimal(38, 2)),
    pl.Series([Decimal("0.5"), None], dtype=pl.Decimal(5, 2)),
    pl.Series(["1", "x", "", None]),
    pl.Series(["a", None], dtype=pl.Categorical),
    pl.Series(["a", None], dtype=pl.Enum(["a"])),
    pl.Series([b"1", b"\xff", None]),
    pl.Series([DAY, None]),
    pl.Series([MIDNIGHT, None], dtype=pl.Datetime("ns")),
    pl.Series([MIDNIGHT, None], dtype=pl.Datetime("us", "UTC")),
    pl.Series([dt.time(1, 2), None]),
    pl.Series([dt.timedelta(days=1), None]),
    pl.Series([[1], None]),
    pl.Series([{"a": 1}, None]),
    pl.Series([None, None]),
]


@pytest.mark.parametrize("values", EVERY_KIND, ids=lambda values: str(values.dtype))
def test_no_pair_of_dtypes_is_one_that_polars_stumbles_over(values: pl.Series) -> None:
    for other in EVERY_KIND:
        cast = cast_lossless(values, other.dtype)
        assert cast.dtype == other.dtype
        assert cast.null_count() >= values.null_count()
