"""The compiled verdict is pandera.polars' own check output, rule by rule and row by row."""

import datetime as dt
import decimal
import functools
import math
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.backends.polars.base import PolarsSchemaBackend
from pandera.errors import FailureCaseMetadata, SchemaErrorReason, SchemaErrors

from opsintel_dagster.verification import Contract, Verdict

TEXTS = ["", " ", "a", "A", "ab", "é", "日本", "a\nb", "NA", "x" * 40, "0", "-1", "tru"]
INTEGERS = [-(2**53) - 1, -2, -1, 0, 1, 2, 3, 2**53 + 1]
FLOATS = [math.nan, math.inf, -math.inf, -0.0, 0.0, 0.1, 1.0, 2.5, -1e300, 1e-300]
DAYS = [dt.date(1, 1, 1), dt.date(1970, 1, 1), dt.date(2013, 1, 31), dt.date(9999, 12, 31)]
MOMENTS = [dt.datetime(2013, 1, 1, 10, 0, 0, 1), dt.datetime(1969, 12, 31), dt.datetime(1, 1, 1)]  # noqa: DTZ001 - the dtype under test has no zone
AMOUNTS = [decimal.Decimal(text) for text in ("-1.50", "0.00", "0.01", "2.00", "9999.99")]
SPANS = [dt.timedelta(0), dt.timedelta(days=-1, seconds=1), dt.timedelta(hours=30, microseconds=5)]
ZONED = [dt.datetime(2013, 1, 1, 10, tzinfo=dt.UTC), dt.datetime(1969, 12, 31, tzinfo=dt.UTC)]
VALUES: dict[str, tuple[pl.DataType, list[Any]]] = {
    "integer": (pl.Int64(), INTEGERS),
    "float": (pl.Float64(), FLOATS),
    "text": (pl.String(), TEXTS),
    "flag": (pl.Boolean(), [True, False]),
    "day": (pl.Date(), DAYS),
    "moment": (pl.Datetime("us"), MOMENTS),
    "amount": (pl.Decimal(12, 2), AMOUNTS),
    "span": (pl.Duration("us"), SPANS),
    "kind": (pl.Enum(["x", "y", "z"]), ["x", "y", "z"]),
    "zoned": (pl.Datetime("us", "UTC"), ZONED),
}
Make = Callable[..., pa.Check]
Case = tuple[pa.DataFrameSchema, list[pl.DataFrame]]


def select(expression: Callable[[pl.Expr], pl.Expr], **options: Any) -> pa.Check:
    return pa.Check(
        lambda data: data.lazyframe.select(expression(pl.col(data.key))), name="own", **options
    )


def opaque(expression: Callable[[pl.Expr], pl.Expr], **options: Any) -> pa.Check:
    def filters_and_collects(data: Any) -> pl.LazyFrame:
        return data.lazyframe.collect().select(expression(pl.col(data.key))).lazy()

    return pa.Check(filters_and_collects, **options)


def comparisons(values: list[Any]) -> list[Make]:
    some = values[len(values) // 2]
    low, high = (values[0], values[-1]) if values[0] == values[0] else (0.0, 1.0)
    if low > high:
        low, high = high, low
    return [
        functools.partial(pa.Check.ge, some),
        functools.partial(pa.Check.gt, some),
        functools.partial(pa.Check.le, some),
        functools.partial(pa.Check.lt, some),
        functools.partial(pa.Check.eq, some),
        functools.partial(pa.Check.ne, some),
        functools.partial(pa.Check.in_range, low, high, include_max=False)
        if low != high
        else functools.partial(pa.Check.in_range, low, high),
        functools.partial(pa.Check.isin, values[::2]),
        functools.partial(pa.Check.notin, values[1:2]),
    ]


ANY_DTYPE: list[Make] = [
    functools.partial(select, lambda c: c.is_not_null()),
    functools.partial(select, lambda c: c == c.shift(1)),
    functools.partial(select, lambda c: c.is_first_distinct()),
    functools.partial(select, lambda c: c.count() >= 2),
    functools.partial(select, lambda c: (c == c.max()).over(pl.lit(1))),
    functools.partial(select, lambda c: pl.when(c.is_null()).then(None).otherwise(True)),
    functools.partial(opaque, lambda c: c.is_not_null()),
    functools.partial(opaque, lambda c: c.null_count() < 3),
    functools.partial(pa.Check, lambda data: data.lazyframe.collect().height < 4),
    functools.partial(pa.Check, lambda data: data.lazyframe.no_such_thing),
]
BY_DTYPE: dict[str, list[Make]] = {
    "integer": [
        *comparisons(INTEGERS),
        functools.partial(pa.Check, lambda value: value % 2 == 0, element_wise=True),
        functools.partial(pa.Check, lambda value: 1 // value >= 0, element_wise=True),
        functools.partial(select, lambda c: (c + 1).abs().cast(pl.Int8) > 0),
    ],
    "float": [
        *comparisons(FLOATS),
        functools.partial(select, lambda c: ~c.is_nan()),
        functools.partial(select, lambda c: c > c.mean()),
        functools.partial(pa.Check, lambda value: not math.isnan(value), element_wise=True),
    ],
    "text": [
        *comparisons(TEXTS),
        functools.partial(pa.Check.str_matches, "[a-z]"),
        functools.partial(pa.Check.str_contains, "b$"),
        functools.partial(pa.Check.str_startswith, "a"),
        functools.partial(pa.Check.str_endswith, "b"),
        functools.partial(pa.Check.str_length, 1, 2),
        functools.partial(pa.Check.str_length, max_value=1),
        functools.partial(select, lambda c: c.str.strip_chars() != ""),
    ],
    "flag": [functools.partial(pa.Check.eq, True), functools.partial(pa.Check.isin, [False])],
    "day": [*comparisons(DAYS), functools.partial(select, lambda c: c.dt.year() > 1970)],
    "moment": comparisons(sorted(MOMENTS)),
    "amount": comparisons(AMOUNTS)[:6],
    "span": comparisons(sorted(SPANS))[:6],
    "kind": [functools.partial(pa.Check.eq, "x"), functools.partial(pa.Check.isin, ["x", "y"])],
    "zoned": comparisons(sorted(ZONED))[:6],
}
FRAME: list[Callable[[list[str]], Make]] = [
    lambda columns: functools.partial(
        pa.Check,
        lambda data: data.lazyframe.select(
            pl.col(columns[0]).is_null() == pl.col(columns[-1]).is_null()
        ),
    ),
    lambda _columns: functools.partial(
        pa.Check, lambda data: data.lazyframe.select(pl.all().is_not_null())
    ),
    lambda columns: functools.partial(
        pa.Check, lambda data: data.lazyframe.select(pl.struct(columns).is_duplicated().not_())
    ),
    lambda _columns: functools.partial(pa.Check, lambda data: data.lazyframe.select(pl.len() > 1)),
]


@st.composite
def schemas(draw: st.DrawFn) -> pa.DataFrameSchema:
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3))
    columns = {}
    for i, kind in enumerate(kinds):
        makes = draw(st.lists(st.sampled_from(BY_DTYPE[kind] + ANY_DTYPE), max_size=3))
        columns[f"c{i}"] = pa.Column(
            VALUES[kind][0],
            [make(ignore_na=draw(st.booleans())) for make in makes],
            nullable=draw(st.booleans()),
            unique=draw(st.booleans()),
            required=i == 0 or draw(st.sampled_from([True, True, False])),
        )
    names = list(columns)
    frame_checks = [
        make(names)(ignore_na=draw(st.booleans()))
        for make in draw(st.lists(st.sampled_from(FRAME), max_size=2))
    ]
    unique = draw(st.none() | st.lists(st.sampled_from(names), min_size=1, unique=True))
    if unique is not None and not any(columns[name].required for name in unique):
        unique.append("c0")  # Pandera breaks where all of them are absent (see tests/upstream)
    return pa.DataFrameSchema(columns, checks=frame_checks, unique=unique)


@st.composite
def cases(draw: st.DrawFn) -> tuple[pa.DataFrameSchema, list[pl.DataFrame]]:
    schema = draw(schemas())
    arrivals = []
    for _ in range(draw(st.integers(1, 3))):
        rows = draw(st.integers(0, 6))
        columns = {}
        for name, column in schema.columns.items():
            values = next(v for dtype, v in VALUES.values() if dtype == column.dtype.type)
            cell = st.none() | st.sampled_from(values)
            cells = draw(st.lists(cell, min_size=rows, max_size=rows))
            if column.required or draw(st.booleans()):
                columns[name] = pl.Series(name, cells, dtype=column.dtype.type)
        arrivals.append(pl.DataFrame(columns))
    return schema, arrivals


def batch(arrivals: list[pl.DataFrame]) -> pl.DataFrame:
    parts = [
        frame.with_row_index("_row", offset=1).select(
            pl.lit(f"arrival{i}").alias("_arrival"),
            pl.col("_row").cast(pl.Int64),
            (pl.col("_row").cast(pl.Int64) + 1).alias("_line"),
            pl.lit(None, dtype=pl.String).alias("_problem"),
            *frame.columns,
        )
        for i, frame in enumerate(arrivals)
    ]
    return pl.concat(parts, how="diagonal")


def columns_of(arrivals: list[pl.DataFrame]) -> dict[str, list[str]]:
    return {f"arrival{i}": frame.columns for i, frame in enumerate(arrivals)}


def as_text(raw: pl.DataFrame) -> pl.DataFrame:
    cells = pl.exclude("_arrival", "_row", "_line", "_problem")
    text = raw.select(cells).select(
        pl.col(pl.Float64, pl.Int64, pl.Boolean, pl.String).cast(pl.String),
        pl.col(pl.Date).dt.to_string("%Y-%m-%d"),
        pl.col(pl.Datetime("us")).dt.to_string("%Y-%m-%dT%H:%M:%S%.6f"),
        pl.col(pl.Datetime("us", "UTC")).dt.to_string("%Y-%m-%dT%H:%M:%S%.6f%:z"),
        pl.col(pl.Duration).dt.to_string("iso"),
        pl.col(pl.Decimal, pl.Enum).cast(pl.String),
    )
    return raw.with_columns(text.get_columns())


Broken = set[tuple[int, str]]
# Pandera's report of several failures cannot be built where one of them has no rows (see
# tests/upstream); its check outputs are what counts, and they are complete without it.
NO_REPORT = patch.object(
    PolarsSchemaBackend,
    "failure_cases_metadata",
    lambda *_: FailureCaseMetadata(failure_cases=pl.DataFrame(), message={}, error_counts={}),
)


def panderas(
    schema: pa.DataFrameSchema, contract: Contract, frame: pl.DataFrame
) -> tuple[Broken, set[str]]:
    """(row, rule) for each row verdict, and the rules without one, as Pandera has them."""
    ids = iter(one.rule.id for one in contract._compiled.checks)
    by_place = {
        (name, index): next(ids)
        for name, column in [*schema.columns.items(), (None, schema)]
        for index in range(len(column.checks))
    }
    rows: Broken = set()
    tables: set[str] = set()
    try:
        with warnings.catch_warnings(), NO_REPORT:
            warnings.simplefilter("ignore")
            schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            column = error.schema.name if error.schema.name in schema.columns else None
            match error.reason_code:
                case SchemaErrorReason.SERIES_CONTAINS_NULLS:
                    rule = f"{column}.not_null"
                case SchemaErrorReason.SERIES_CONTAINS_DUPLICATES:
                    rule = f"{column}.unique"
                case SchemaErrorReason.DUPLICATES:
                    rule = f"{'+'.join(schema.unique)}.unique"
                case _:
                    rule = by_place[column, error.check_index]
            output = error.check_output
            tier = next((r.tier for r in contract.rules if r.id == rule), None)
            if (
                output is None
                or output.height != frame.height
                or tier == "table"
                or isinstance(error.failure_cases, bool)
            ):
                tables.add(rule)
            else:
                mask = output.get_column("check_output")
                rows |= {(int(i) + 1, rule) for i in (~mask).arg_true()}
    return rows, tables


def ours(verdict: Verdict, arrival: str) -> tuple[Broken, set[str]]:
    tables = set(verdict.held.get(arrival, ()))
    mine = verdict.quarantine.filter(pl.col("_arrival") == arrival)
    rows = {
        (row, rule)
        for row, rules in mine.select("_row", "_rules").iter_rows()
        for rule in rules
        if rule not in tables
    }
    return rows, tables


def rows_of(frame: pl.DataFrame) -> Counter[tuple[Any, ...]]:
    return Counter(frame.select("_arrival", "_row", "_line").rows())


def is_panderas(case: Case) -> None:
    schema, arrivals = case
    contract = Contract.compile(schema)
    verdict = contract.verify(batch(arrivals), columns_of=columns_of(arrivals))
    for i, frame in enumerate(arrivals):
        assert ours(verdict, f"arrival{i}") == panderas(schema, contract, frame)


@settings(max_examples=500, deadline=None)
@given(cases())
def test_every_rule_breaks_at_the_rows_where_pandera_breaks_it(case: Case) -> None:
    is_panderas(case)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(cases())
def test_every_rule_breaks_where_pandera_breaks_it_in_many_more_cases(case: Case) -> None:
    is_panderas(case)


@settings(max_examples=300, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_a_verdict_depends_on_neither_order_nor_grouping_nor_on_text_or_type(
    case: Case, random: Any
) -> None:
    schema, arrivals = case
    contract = Contract.compile(schema)
    raw = batch(arrivals)
    brought = columns_of(arrivals)
    verdict = contract.verify(raw, columns_of=brought)
    assert rows_of(verdict.valid) + rows_of(verdict.quarantine) == rows_of(raw)
    order = list(range(raw.height))
    random.shuffle(order)
    shuffled = contract.verify(raw[order], columns_of=brought)
    apart = [
        contract.verify(part, columns_of={name: brought[name]})
        for (name,), part in raw.partition_by("_arrival", as_dict=True).items()
    ]
    text = contract.verify(as_text(raw), columns_of=brought)
    said = {
        (arrival, row): rules
        for arrival, row, rules in verdict.quarantine.select("_arrival", "_row", "_rules").rows()
    }
    others = [shuffled.quarantine, text.quarantine, *(part.quarantine for part in apart)]
    for quarantine in others:
        for arrival, row, rules in quarantine.select("_arrival", "_row", "_rules").rows():
            assert said[arrival, row] == rules
    assert shuffled.quarantine.height == text.quarantine.height == len(said)
    assert sum(part.quarantine.height for part in apart) == len(said)
    assert text.valid.equals(verdict.valid)
    assert sum(verdict.cooccurrence_counts().values()) == len(said)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_pandera_accepts_what_is_valid_as_far_as_rows_decide(
    case: Case,
) -> None:
    schema, arrivals = case
    contract = Contract.compile(schema)
    verdict = contract.verify(batch(arrivals), columns_of=columns_of(arrivals))
    about_arrivals = {rule.id for rule in contract.rules if rule.is_about_arrival}
    for part in verdict.valid.partition_by("_arrival"):
        brought = columns_of(arrivals)[part["_arrival"][0]]
        there = [name for name in schema.columns if name in brought]
        rows, tables = panderas(schema, contract, part.select(there))
        assert {rule for _, rule in rows} | tables <= about_arrivals


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([1, 2, 7, 1000]), st.sampled_from([1, 3, 2**63]))
def test_a_file_in_parts_has_the_verdict_of_the_whole_whatever_the_hash(
    case: Case, rows: int, hashes: int
) -> None:
    schema, arrivals = case
    contract = Contract.compile(schema, key=["c0"])
    whole = contract.verify(arrivals[0])
    with tempfile.TemporaryDirectory() as folder:
        found = contract.verify_files(
            arrivals[0].lazy(),
            Path(folder) / "valid.parquet",
            Path(folder) / "quarantine.parquet",
            rows_per_part=rows,
            hashed=lambda frame: frame.hash_rows() % hashes,
        )
        assert pl.read_parquet(found.valid).equals(whole.valid)
        assert pl.read_parquet(found.quarantine).equals(whole.quarantine)
    assert found.warnings() == whole.warnings()
    assert found.held == whole.held.get("input", ())
