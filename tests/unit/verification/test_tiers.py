"""Each rule is judged in the first tier that is exact; what is not recognized falls lower."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.verification import Contract, Tier

c = pl.col("n")

ROW_WISE = [
    c > 0,
    c.is_null(),
    ~c.is_between(1, 2),
    c.is_in([1, 2]),
    (c + pl.col("m")) * 2 > 3,
    c.abs() > 1,
    pl.when(c > 1).then(pl.lit(value=True)).otherwise(c < 0),
    c.cast(pl.Int8, strict=False).is_null(),
    pl.any_horizontal(c > 0, pl.col("m") > 0),
    c.fill_null(0) > 0,
    pl.all().is_not_null(),
    pl.col("n", "m") > 0,
    pl.col("s").str.contains("a"),
    pl.col("s").str.len_chars() > 1,
    pl.col("s").str.to_lowercase() == "x",
    pl.col("s").str.to_date("%Y", strict=False).is_null(),
    pl.col("d").dt.year() > 2000,
    (c > 0).alias("x"),
    (c > 0).name.suffix("_x"),
    c.eq_missing(None),
    pl.coalesce(c, pl.col("m")) > 0,
    pl.struct("n", "m").is_null(),
    pl.concat_str("s", "s").str.len_bytes() > 0,
]
WHOLE_FRAME = [
    c > c.mean(),
    c.is_duplicated(),
    c.is_unique(),
    c.shift(1) < c,
    c.cum_sum() > 0,
    (c > 0).over("m"),
    c.rank() > 1,
    c.sort() > 0,
    c.rolling_mean(2) > 0,
    c == c.max(),
    c.reverse() > 0,
    c.is_first_distinct(),
    c.diff() > 0,
    c.interpolate() > 0,
    c.forward_fill() > 0,
    c.pct_change() > 0,
    c.is_in(pl.col("m").implode()),
    pl.col("s").str.to_date(strict=False).is_null(),
    c == pl.lit(pl.Series([1, 2])),
    c.shuffle() > 0,
    c.map_batches(lambda s: s > 0, return_dtype=pl.Boolean),
]
TABLE = [
    c.mean() > 0,
    c.sum() > 0,
    c.is_null().any(),
    pl.len() > 1,
    pl.lit(value=True),
    c.n_unique() == pl.len(),
    c.first() > 0,
]


def tier(make: pa.Check) -> Tier:
    columns = {
        "n": pa.Column(int, make),
        "m": pa.Column(int),
        "s": pa.Column(str),
        "d": pa.Column(dt.date),
    }
    contract = Contract.compile(pa.DataFrameSchema(columns))
    return contract._compiled.checks[0].rule.tier


def selecting(expression: pl.Expr) -> pa.Check:
    return pa.Check(lambda data: data.lazyframe.select(expression))


@pytest.mark.parametrize("expression", ROW_WISE, ids=str)
def test_listed_expressions_are_decided_by_one_row(expression: pl.Expr) -> None:
    assert tier(selecting(expression)) is Tier.ROW


@pytest.mark.parametrize("expression", WHOLE_FRAME, ids=str)
def test_expressions_over_several_rows_are_judged_per_arrival(expression: pl.Expr) -> None:
    assert tier(selecting(expression)) in {Tier.FRAME, Tier.OPAQUE}


@pytest.mark.parametrize("expression", TABLE, ids=str)
def test_one_answer_for_all_rows_is_no_row_verdict(expression: pl.Expr) -> None:
    assert tier(selecting(expression)) is Tier.TABLE


def filtering(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.with_columns(x=pl.col(data.key) > 0).select("x")


def collecting(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.collect().lazy().select(pl.col(data.key) > 0)


def asking(data: pa.PolarsData) -> pl.LazyFrame:
    if "q" in data.lazyframe.collect_schema().names():
        return data.lazyframe.select(pl.lit(value=False))
    return data.lazyframe.select(pl.col(data.key) > 0)


def swallowing(data: pa.PolarsData) -> pl.LazyFrame:
    try:
        data.lazyframe.collect()
    except AttributeError:
        return data.lazyframe.select(pl.lit(value=True))
    return data.lazyframe.select(pl.col(data.key) > 0)


@pytest.mark.parametrize("function", [filtering, collecting, asking, swallowing])
def test_a_check_that_does_more_than_select_is_opaque(function: Callable[..., Any]) -> None:
    assert tier(pa.Check(function)) is Tier.OPAQUE


def test_an_element_wise_check_is_opaque_and_still_about_one_row() -> None:
    columns = {"n": pa.Column(int, pa.Check(lambda value: value > 0, element_wise=True))}
    rule = Contract.compile(pa.DataFrameSchema(columns)).rules[-1]
    assert (rule.tier, rule.is_about_arrival) == (Tier.OPAQUE, False)


def test_opaque_checks_give_the_verdict_pandera_gives(raw: Any, reasons: Any) -> None:
    for function in (filtering, collecting, asking, swallowing):
        contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, pa.Check(function))}))
        verdict = contract.verify(raw({"n": [1, -1, 2, 0]}, arrivals="aabb"))
        assert reasons(verdict) == {"a:2": [function.__name__], "b:2": [function.__name__]}


def test_a_selector_is_opaque_to_planning_where_columns_may_be_absent() -> None:
    check = pa.Check(lambda data: data.lazyframe.select(pl.all().is_not_null()))
    required = pa.DataFrameSchema({"n": pa.Column(int), "m": pa.Column(int)}, checks=check)
    optional = pa.DataFrameSchema(
        {"n": pa.Column(int), "m": pa.Column(int, required=False)}, checks=check
    )
    assert Contract.compile(required).rules[-1].tier is Tier.ROW
    assert Contract.compile(optional).rules[-1].tier is not Tier.ROW


def test_a_check_that_reads_a_variable_is_asked_again_at_each_verification(
    raw: Any, reasons: Any
) -> None:
    limit = {"at": 5}
    check = pa.Check(
        lambda data: data.lazyframe.select(pl.col(data.key) < limit["at"]), name="below"
    )
    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, check)}))
    frame = raw({"n": [1, 7, 9]})
    assert list(reasons(contract.verify(frame))) == ["a:2", "a:3"]
    limit["at"] = 8
    assert list(reasons(contract.verify(frame))) == ["a:3"]


def test_a_check_that_turns_into_another_kind_is_judged_as_what_it_is_now(
    raw: Any, reasons: Any
) -> None:
    mode = {"is": "row"}

    def changing(data: pa.PolarsData) -> pl.LazyFrame:
        n = pl.col(data.key)
        return data.lazyframe.select(n > 0 if mode["is"] == "row" else n.is_unique())

    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, pa.Check(changing))}))
    mode["is"] = "frame"
    verdict = contract.verify(raw({"n": [1, -1, 1, 1]}, arrivals="aabb"))
    assert list(reasons(verdict)) == ["b:1", "b:2"]


def test_a_row_rule_that_raises_holds_only_the_arrivals_it_raises_on(raw: Any) -> None:
    check = pa.Check(
        lambda data: data.lazyframe.select(pl.col(data.key).str.to_date("%Y-%m-%d").is_not_null()),
        name="dated",
    )
    contract = Contract.compile(
        pa.DataFrameSchema({"s": pa.Column(str, [check, pa.Check.str_length(10)])})
    )
    assert contract.rules[1].tier is Tier.ROW
    verdict = contract.verify(
        raw({"s": ["2013-01-01", "soon", "2013-01-02", "2013"]}, arrivals="abcb")
    )
    assert dict(verdict.held) == {"b": ("dated",)}
    assert "raised InvalidOperationError" in verdict.hold_reasons["b"][0]
    assert verdict.valid["_arrival"].to_list() == ["a", "c"]
    assert verdict.counts() == {"dated": 2, "s.length": 2}


def test_an_answer_that_is_no_boolean_is_left_to_pandera_which_raises(raw: Any) -> None:
    check = pa.Check(lambda data: data.lazyframe.select(pl.col(data.key) + 1), name="number")
    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, check)}))
    assert contract.rules[-1].tier is Tier.FRAME
    assert dict(contract.verify(raw({"n": [1]})).held) == {"a": ("number",)}


def test_a_check_called_like_a_built_in_one_is_the_built_in_one_as_in_pandera(
    raw: Any, reasons: Any
) -> None:
    def equal_to(data: pa.PolarsData, value: int) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key) != value)

    schema = pa.DataFrameSchema({"n": pa.Column(int, pa.Check(equal_to, value=1))})
    assert reasons(Contract.compile(schema).verify(raw({"n": [1, 2]}))) == {"a:2": ["n.eq"]}
