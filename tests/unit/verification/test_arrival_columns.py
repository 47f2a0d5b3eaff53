"""Which columns an arrival brings, judged per arrival."""

from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.verification import Contract


def contract(**options: Any) -> Contract:
    columns = {
        "n": pa.Column(int, pa.Check.ge(0)),
        "s": pa.Column(str),
        "o": pa.Column(int, pa.Check.ge(0), required=False, unique=True),
    }
    return Contract.compile(pa.DataFrameSchema(columns, **options))


def test_a_missing_column_holds_the_arrival_and_names_itself(raw: Any, reasons: Any) -> None:
    frame = raw({"n": ["1", "x", "3"], "s": ["a", None, None]}, arrivals="abb")
    verdict = contract().verify(frame, columns_of={"a": ("n", "s"), "b": ("n",)})
    assert dict(verdict.held) == {"b": ("arrival.columns",)}
    assert dict(verdict.hold_reasons) == {"b": ("arrival.columns: missing s",)}
    assert reasons(verdict) == {"b:1": ["arrival.columns"], "b:2": ["arrival.columns"]}
    assert verdict.valid["_arrival"].to_list() == ["a"]


def test_an_arrival_without_records_is_held_for_its_header_too(raw: Any) -> None:
    frame = raw({"n": pl.Series([], dtype=pl.String), "s": pl.Series([], dtype=pl.String)})
    verdict = contract().verify(frame, columns_of={"good": ("n", "s"), "bad": ("s", "z")})
    assert dict(verdict.held) == {"bad": ("arrival.columns",)}
    assert verdict.valid.height == verdict.quarantine.height == 0


def test_without_a_list_every_arrival_has_the_columns_of_the_batch(raw: Any) -> None:
    assert dict(contract().verify(raw({"n": ["1"]}, arrivals="a")).held) == {
        "a": ("arrival.columns",)
    }
    listed = {"b": ("n", "s")}
    frame = raw({"n": ["1", "2"], "s": ["x", "y"]}, arrivals="ab")
    assert contract().verify(frame, columns_of=listed).valid.height == 2


def test_extra_columns_are_dropped_from_what_is_valid_and_kept_in_quarantine(raw: Any) -> None:
    verdict = contract().verify(raw({"n": ["1", "-1"], "x": ["p", "q"], "s": ["a", "b"]}))
    assert verdict.valid.columns == ["_arrival", "_row", "_line", "n", "s", "o"]
    assert verdict.quarantine["x"].to_list() == ["q"]


def test_a_strict_contract_holds_arrivals_with_extra_columns(raw: Any) -> None:
    frame = raw({"n": ["1", "1"], "s": ["a", "b"], "x": ["p", None]}, arrivals="ab")
    columns_of = {"a": ("n", "s", "x"), "b": ("n", "s")}
    strict = contract(strict=True).verify(frame, columns_of=columns_of)
    assert dict(strict.hold_reasons) == {"a": ("arrival.columns: not in the contract: x",)}
    assert not contract(strict="filter").verify(frame, columns_of=columns_of).held


def test_an_ordered_contract_holds_arrivals_in_another_order(raw: Any) -> None:
    frame = raw({"n": ["1", "1"], "s": ["a", "b"]}, arrivals="ab")
    verdict = contract(ordered=True).verify(frame, columns_of={"a": ["n", "s"], "b": ["s", "n"]})
    assert dict(verdict.hold_reasons) == {
        "b": ("arrival.columns: out of order: s, n instead of n, s",)
    }


def test_an_optional_column_that_is_missing_is_null_and_not_judged(raw: Any, reasons: Any) -> None:
    frame = raw(
        {"n": ["1", "1", "1", "1"], "s": list("abcd"), "o": ["1", "", None, None]}, arrivals="aabb"
    )
    verdict = contract().verify(frame, columns_of={"a": ("n", "s", "o"), "b": ("n", "s")})
    assert reasons(verdict) == {"a:2": ["o.not_null"]}
    assert verdict.valid["o"].to_list() == [1, None, None]
    assert verdict.valid.schema["o"] == pl.Int64


def test_a_check_that_looks_at_a_missing_optional_column_holds_as_it_raises_in_pandera(
    raw: Any,
) -> None:
    for expression in (pl.col("n") > pl.col("o"), pl.col("n").max() > pl.col("o")):
        check = pa.Check(lambda d, e=expression: d.lazyframe.select(e), name="over", ignore_na=True)
        frame = raw({"n": ["1", "2"], "s": ["a", "b"], "o": ["0", None]}, arrivals="ab")
        verdict = contract(checks=check).verify(
            frame, columns_of={"a": ("n", "s", "o"), "b": ("n", "s")}
        )
        assert dict(verdict.held) == {"b": ("over",)}
        assert verdict.valid["_arrival"].to_list() == ["a"]


def test_missing_columns_are_added_where_the_contract_says_so(raw: Any) -> None:
    columns = {
        "n": pa.Column(int),
        "d": pa.Column(int, pa.Check.ge(0), default=7),
        "m": pa.Column(
            str,
            pa.Check(
                lambda x: x.lazyframe.select(pl.col(x.key).is_not_null()),
                ignore_na=False,
                name="there",
                raise_warning=True,
            ),
            nullable=True,
        ),
    }
    added = Contract.compile(pa.DataFrameSchema(columns, add_missing_columns=True))
    verdict = added.verify(raw({"n": ["1", "2"]}))
    assert verdict.valid.select("n", "d", "m").rows() == [(1, 7, None), (2, 7, None)]
    assert verdict.warnings() == {"there": 2}
    plain = Contract.compile(
        pa.DataFrameSchema({**columns, "q": pa.Column(int)}, add_missing_columns=True)
    )
    assert dict(plain.verify(raw({"n": ["1"]})).hold_reasons) == {
        "a": ("arrival.columns: missing q",)
    }


@pytest.mark.parametrize("columns_of", [None, {"a": ("n", "s")}])
def test_control_columns_are_no_columns_of_an_arrival(raw: Any, columns_of: Any) -> None:
    frame = raw({"n": ["1"], "s": ["a"]}, _from=["b"])
    assert not contract(strict=True, ordered=True).verify(frame, columns_of=columns_of).held
