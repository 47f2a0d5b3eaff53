"""The table of accepted texts, cell by cell."""

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.verification import Contract

UTC = ZoneInfo("UTC")
MOMENT = dt.datetime(2013, 1, 31, 9, 5)  # noqa: DTZ001 - the dtype under test has no zone
NANOSECOND_END = "2262-04-11T23:47:16"


def typed(dtype: Any, text: str, raw: Any) -> tuple[Any, list[str]]:
    """The value of one cell and the rules it breaks."""
    schema = pa.DataFrameSchema({"cell": pa.Column(dtype, nullable=True)})
    verdict = Contract.compile(schema).verify(raw({"cell": pl.Series([text], dtype=pl.String)}))
    if verdict.valid.height:
        return verdict.valid.get_column("cell").item(), []
    return None, verdict.quarantine.get_column("_rules").to_list()[0]


ACCEPTED: list[tuple[Any, str, Any]] = [
    (pl.Int64, "12", 12),
    (pl.Int64, "+12", 12),
    (pl.Int64, "-7", -7),
    (pl.Int64, "007", 7),
    (pl.Int8, "-128", -128),
    (pl.UInt64, str(2**64 - 1), 2**64 - 1),
    (pl.Float64, "12", 12.0),
    (pl.Float64, ".5", 0.5),
    (pl.Float64, "1.", 1.0),
    (pl.Float64, "1e-3", 0.001),
    (pl.Float64, "inf", float("inf")),
    (pl.Float64, "-Infinity", float("-inf")),
    (pl.Float64, "INF", float("inf")),
    (pl.Float32, "0.5", 0.5),
    (pl.Decimal(10, 2), "12", Decimal("12.00")),
    (pl.Decimal(10, 2), "-1.50", Decimal("-1.50")),
    (pl.Decimal(10, 2), "1.5000", Decimal("1.50")),
    (pl.Decimal(10, 2), ".5", Decimal("0.50")),
    (pl.Decimal(10, 0), "7.00", Decimal(7)),
    (pl.Boolean, "true", True),
    (pl.Boolean, "FALSE", False),
    (pl.Boolean, "1", True),
    (pl.Boolean, "0", False),
    (pl.Date, "2013-01-31", dt.date(2013, 1, 31)),
    (pl.Date, "0001-01-01", dt.date(1, 1, 1)),
    (pl.Datetime("us"), "2013-01-31T09:05:00", MOMENT),
    (pl.Datetime("us"), "2013-01-31 09:05:00", MOMENT),
    (pl.Datetime("us"), "2013-01-31T09:05", MOMENT),
    (pl.Datetime("us"), "2013-01-31 09:05", MOMENT),
    (pl.Datetime("us"), "2013-01-31 09:05:00.5", MOMENT.replace(microsecond=500_000)),
    (pl.Datetime("us"), "2013-01-31T09:05:00.1234560", MOMENT.replace(microsecond=123_456)),
    (pl.Datetime("ms"), "2013-01-31T09:05:00.120000", MOMENT.replace(microsecond=120_000)),
    (pl.Datetime("ns"), "2013-01-31T09:05:00", MOMENT),
    (pl.Datetime("ns"), NANOSECOND_END, dt.datetime(2262, 4, 11, 23, 47, 16)),  # noqa: DTZ001 - no zone
    (pl.Datetime("us", "UTC"), "2013-01-31T09:05:00Z", MOMENT.replace(tzinfo=UTC)),
    (pl.Datetime("us", "UTC"), "2013-01-31 09:05Z", MOMENT.replace(tzinfo=UTC)),
    (pl.Datetime("us", "UTC"), "2013-01-31 11:05:00+02:00", MOMENT.replace(tzinfo=UTC)),
    (pl.Datetime("us", "UTC"), "2013-01-31T11:05+0200", MOMENT.replace(tzinfo=UTC)),
    (pl.Datetime("us", "America/New_York"), "2013-01-31T09:05:00Z", MOMENT.replace(tzinfo=UTC)),
    (pl.Time, "09:05", dt.time(9, 5)),
    (pl.Time, "09:05:07.25", dt.time(9, 5, 7, 250_000)),
    (pl.Duration("us"), "P1DT2H3M4.5S", dt.timedelta(1, 4.5, 0, 0, 3, 2)),
    (pl.Duration("us"), "-PT15M", -dt.timedelta(minutes=15)),
    (pl.Duration("ms"), "36:00:00", dt.timedelta(hours=36)),
    (pl.Duration("us"), "-00:00:01.5", -dt.timedelta(seconds=1.5)),
    (pl.String, " as is ", " as is "),
    (pl.String, "", ""),
    (pl.Categorical, "x", "x"),
    (pl.Enum(["x", "y"]), "y", "y"),
    (pl.Binary, "é", "é".encode()),
]

REFUSED: list[tuple[Any, str]] = [
    *(
        (pl.Int64, text)
        for text in ["12.0", "1e3", "1_000", " 12", "12 ", "0x1", "1,5", "-", "\uff11\uff12"]
    ),
    (pl.Int64, str(2**63)),
    (pl.UInt8, "256"),
    (pl.UInt8, "-1"),
    *((pl.Float64, text) for text in ["1,5", " 1", "1_0", "1e400", "-1e400", "one"]),
    (pl.Float32, "1e39"),
    *((pl.Decimal(10, 2), text) for text in ["1.555", "1e3", "123456789.00", "nan", ".", "1,5"]),
    (pl.Decimal(10, 0), "7.5"),
    *((pl.Boolean, text) for text in ["t", "yes", " true", "2", "01"]),
    *(
        (pl.Date, text)
        for text in ["2013-1-1", "20130131", "2013-02-30", "2013-01-31 ", "31.01.2013"]
    ),
    *(
        (pl.Date, text)
        for text in ["2013-01-31T00:00:00", "+2013-01-31", "0000-01-01", "12013-01-01"]
    ),
    *(
        (pl.Datetime("us"), text)
        for text in ["2013-01-31", "2013-01-31T09:05:60", "2013-01-31T24:00:00"]
    ),
    *((pl.Datetime("us"), text) for text in ["2013-01-31T09:05:00Z", "2013-01-31T09:05:00+02:00"]),
    *((pl.Datetime("us"), text) for text in ["2013-01-31t09:05:00", "2013-01-31  09:05:00"]),
    (pl.Datetime("us"), "2013-01-31T09:05:00.1234567"),
    (pl.Datetime("ms"), "2013-01-31T09:05:00.1234"),
    (pl.Datetime("ns"), "2262-04-11T23:47:17"),
    (pl.Datetime("ns"), "1600-01-01T00:00:00"),
    (pl.Datetime("us", "UTC"), "2013-01-31T09:05:00"),
    (pl.Datetime("us", "UTC"), "2013-01-31T09:05:00+99:00"),
    *((pl.Time, text) for text in ["24:00", "9:05", "09:05:60", "0905"]),
    *(
        (pl.Duration("us"), text)
        for text in ["15", "P", "PT", "P1DT", "P1Y", "1:00:00", "00:60:00"]
    ),
    (pl.Duration("us"), "PT0.1234567S"),
    (pl.Duration("ns"), "P106752D"),
    (pl.Enum(["x", "y"]), "X"),
    (pl.List(pl.Int64), "[1]"),
]


@pytest.mark.parametrize(("dtype", "text", "value"), ACCEPTED)
def test_a_listed_form_becomes_its_value(dtype: Any, text: str, value: Any, raw: Any) -> None:
    assert typed(dtype, text, raw) == (value, [])


@pytest.mark.parametrize(("dtype", "text"), REFUSED)
def test_every_other_text_breaks_coerce_and_nothing_else(dtype: Any, text: str, raw: Any) -> None:
    assert typed(dtype, text, raw) == (None, ["cell.coerce"])


def test_nan_is_read_as_nan_and_is_empty_where_there_must_be_a_value(
    raw: Any, reasons: Any
) -> None:
    schema = pa.DataFrameSchema({"open": pa.Column(float, nullable=True), "full": pa.Column(float)})
    verdict = Contract.compile(schema).verify(raw({"open": ["nan", "NaN"], "full": ["1", "nan"]}))
    assert verdict.valid["open"].is_nan().to_list() == [True]
    assert reasons(verdict) == {"a:2": ["full.not_null"]}


@pytest.mark.parametrize(
    "dtype", [pl.Int64, pl.Float64, pl.Date, pl.Boolean, pl.Categorical, pl.Binary]
)
def test_an_empty_text_is_null_in_every_column_but_a_string(dtype: Any, raw: Any) -> None:
    assert typed(dtype, "", raw) == (None, [])


def test_forms_may_be_mixed_in_one_column_and_only_the_bad_cell_condemns(
    raw: Any, reasons: Any
) -> None:
    schema = pa.DataFrameSchema({"at": pa.Column(pl.Datetime("us"), nullable=True)})
    texts = ["2013-01-31T09:05:00", "2013-01-31 09:05", None, "soon", "NA", ""]
    verdict = Contract.compile(schema, null_values=["NA"]).verify(raw({"at": texts}))
    assert verdict.valid["at"].to_list() == [MOMENT, MOMENT, None, None, None]
    assert reasons(verdict) == {"a:4": ["at.coerce"]}


def test_a_null_token_is_null_even_where_it_is_a_value(raw: Any) -> None:
    schema = pa.DataFrameSchema(
        {"n": pa.Column(int, nullable=True), "s": pa.Column(str, nullable=True)}
    )
    contract = Contract.compile(schema, null_values=["-999", "NA"])
    verdict = contract.verify(raw({"n": ["-999", "NA", "5"], "s": ["-999", "NA", ""]}))
    assert verdict.valid["n"].to_list() == [None, None, 5]
    assert verdict.valid["s"].to_list() == [None, None, ""]


def test_quarantine_keeps_what_came_in_also_of_null_tokens(raw: Any) -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(int), "s": pa.Column(str, nullable=True)})
    verdict = Contract.compile(schema, null_values=["NA"]).verify(
        raw({"n": ["NA", "x"], "s": ["NA", " "]})
    )
    assert verdict.quarantine.select("n", "s").rows() == [("NA", "NA"), ("x", " ")]


def test_a_cell_that_is_no_value_breaks_no_other_rule_of_its_column(raw: Any, reasons: Any) -> None:
    checks = [
        pa.Check.ge(0, ignore_na=False),
        pa.Check(lambda d: d.lazyframe.select(pl.col(d.key).is_not_null()), name="there"),
        pa.Check(lambda v: v is not None, element_wise=True, ignore_na=False, name="opaque"),
    ]
    both = pa.Check(
        lambda d: d.lazyframe.select(pl.col("n") < pl.col("m")), ignore_na=False, name="less"
    )
    columns = {"n": pa.Column(int, checks), "m": pa.Column(int, pa.Check.le(5))}
    contract = Contract.compile(pa.DataFrameSchema(columns, checks=both))
    verdict = contract.verify(raw({"n": ["x", "3", "-1", None], "m": ["9", "4", "5", "1"]}))
    found = reasons(verdict)
    assert found["a:1"] == ["n.coerce", "m.le"]
    assert found["a:3"] == ["n.ge"]
    assert found["a:4"] == ["n.not_null", "n.ge", "there", "opaque", "less"]
    assert verdict.valid["_row"].to_list() == [2]


def test_a_cell_that_is_no_value_is_compared_with_nobody(raw: Any, reasons: Any) -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(int, nullable=True, unique=True)})
    verdict = Contract.compile(schema).verify(raw({"n": ["x", None, "y", "1"]}))
    assert reasons(verdict) == {"a:1": ["n.coerce"], "a:3": ["n.coerce"]}
