"""Columns declared by a pattern: one rule a demand, whatever the pattern matches in a batch."""

from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.errors import ContractError
from opsintel_dagster.verification import Contract, Tier


def contract(column: pa.Column | None = None, **options: Any) -> Contract:
    pattern = column or pa.Column(int, pa.Check.ge(0), regex=True, unique=True)
    columns = {"id": pa.Column(int), "^m_.*$": pattern, "s": pa.Column(str, required=False)}
    return Contract.compile(pa.DataFrameSchema(columns, **options))


def test_a_pattern_has_one_rule_for_each_of_its_demands() -> None:
    assert [rule.id for rule in contract().rules] == [
        "id.coerce",
        "m_.*.coerce",
        "id.not_null",
        "m_.*.not_null",
        "s.not_null",
        "m_.*.ge",
        "m_.*.unique",
    ]


def test_a_row_breaks_the_rule_where_any_matching_column_does(raw: Any, reasons: Any) -> None:
    frame = raw({"id": ["1", "2", "3"], "m_a": ["1", "x", "1"], "m_b": ["-1", "5", ""]})
    verdict = contract().verify(frame)
    assert reasons(verdict) == {
        "a:1": ["m_.*.ge", "m_.*.unique"],
        "a:2": ["m_.*.coerce"],
        "a:3": ["m_.*.not_null", "m_.*.unique"],
    }
    assert verdict.valid.columns == ["_arrival", "_row", "_line", "id", "m_a", "m_b", "s"]


def test_arrivals_of_one_batch_may_match_differently(raw: Any, reasons: Any) -> None:
    frame = raw(
        {"id": ["1", "2", "3"], "m_a": ["1", None, None], "m_b": [None, "-1", None]}, arrivals="abc"
    )
    verdict = contract().verify(
        frame, columns_of={"a": ("id", "m_a"), "b": ("id", "m_b"), "c": ("id",)}
    )
    assert reasons(verdict) == {"b:1": ["m_.*.ge"], "c:1": ["arrival.columns"]}
    assert verdict.hold_reasons["c"] == ("arrival.columns: missing any column that matches m_.*",)


def test_an_optional_pattern_may_match_nothing(raw: Any) -> None:
    optional = contract(pa.Column(int, regex=True, required=False))
    assert optional.verify(raw({"id": ["1"]})).valid.height == 1


def test_a_column_declared_by_name_is_not_governed_by_a_pattern_that_matches_it_too(
    raw: Any, reasons: Any
) -> None:
    columns = {
        "m_a": pa.Column(int),
        "m_.*": pa.Column(int, pa.Check.ge(0), regex=True, required=False),
    }
    frame = raw({"m_a": [-1], "m_b": [-1]})
    assert reasons(Contract.compile(pa.DataFrameSchema(columns)).verify(frame)) == {
        "a:1": ["m_.*.ge"]
    }
    assert Contract.compile(pa.DataFrameSchema(columns)).verify(raw({"m_a": [-1]})).valid.height


def test_a_strict_contract_knows_what_a_pattern_matches(raw: Any) -> None:
    frame = raw({"id": ["1"], "m_a": ["1"], "x": ["1"]})
    assert contract(strict=True).verify(frame).hold_reasons["a"] == (
        "arrival.columns: not in the contract: x",
    )
    assert not contract(strict=True).verify(frame.drop("x")).held


@pytest.mark.parametrize("columns", [["a_1", "b", "a_2"], ["b", "a_1", "a_2"], ["a_1", "a_2", "b"]])
def test_the_order_with_patterns_is_panderas(columns: list[str], raw: Any) -> None:
    schema = pa.DataFrameSchema(
        {"^a_.*$": pa.Column(int, regex=True), "b": pa.Column(int)}, ordered=True
    )
    frame = raw({name: [1] for name in columns})
    try:
        schema.validate(frame.select(columns))
    except pa.errors.SchemaError:
        held = ["a"]
    else:
        held = []
    assert list(Contract.compile(schema).verify(frame).held) == held


def test_patterns_that_disagree_about_a_column_hold_the_arrival(raw: Any) -> None:
    columns = {
        "^a.*$": pa.Column(int, regex=True, required=False),
        "^.*b$": pa.Column(str, pa.Check.str_length(1), regex=True, required=False),
    }
    contract = Contract.compile(pa.DataFrameSchema(columns))
    said = contract.verify(raw({"ab": ["1"]})).hold_reasons["a"][0]
    assert said.endswith("ab matches .*b and another pattern, and is to be Int64 and String")
    assert not contract.verify(raw({"a": ["1"], "b": ["1"]})).held


def test_a_schema_with_a_dtype_and_no_columns_says_it_of_every_column(
    raw: Any, reasons: Any
) -> None:
    contract = Contract.compile(pa.DataFrameSchema(dtype=int))
    assert reasons(contract.verify(raw({"x": ["1", "a"], "y": ["", "2"]}))) == {
        "a:1": [".*.not_null"],
        "a:2": [".*.coerce"],
    }


def test_a_check_of_a_pattern_alone_sees_its_own_column_only_as_in_pandera(
    raw: Any, reasons: Any
) -> None:
    check = pa.Check(lambda d: d.lazyframe.select(pl.all() > 0), name="positive")
    alone = pa.DataFrameSchema({"^m_.*$": pa.Column(int, check, regex=True)})
    frame = raw({"m_a": [1, -1], "m_b": [1, 1], "other": [-1, -1]})
    assert reasons(Contract.compile(alone).verify(frame)) == {"a:2": ["positive"]}
    other = pa.Check(lambda d: d.lazyframe.select(pl.col("m_b") > 0))
    with pytest.raises(ContractError, match="m_b"):
        Contract.compile(pa.DataFrameSchema({"^m_.*$": pa.Column(int, other, regex=True)}))


def test_checks_of_every_tier_are_judged_for_each_match(raw: Any, reasons: Any) -> None:
    checks = [
        pa.Check(lambda value: value > 0, element_wise=True, name="element"),
        pa.Check(lambda d: d.lazyframe.select(pl.col(d.key).is_unique()), name="alone"),
        pa.Check(lambda d: d.lazyframe.select(pl.col(d.key).sum() < 100), name="small"),
    ]
    one = contract(pa.Column(int, checks, regex=True))
    tiers = {rule.id: rule.tier for rule in one.rules}
    assert [tiers[name] for name in ("element", "alone", "small")] == [
        Tier.OPAQUE,
        Tier.FRAME,
        Tier.TABLE,
    ]
    frame = raw({"id": [1, 2, 3], "m_a": [1, 2, 3], "m_b": [4, 4, -1]})
    assert reasons(one.verify(frame)) == {
        "a:1": ["alone"],
        "a:2": ["alone"],
        "a:3": ["element"],
    }
    assert dict(one.verify(frame.with_columns(m_b=pl.lit(50))).held) == {"a": ("small",)}


def test_a_default_of_a_pattern_fills_each_match(raw: Any) -> None:
    one = contract(pa.Column(int, regex=True, default=7))
    verdict = one.verify(raw({"id": [1, 2], "m_a": ["1", ""], "m_b": ["", "2"]}))
    assert verdict.valid.select("m_a", "m_b").rows() == [(1, 7), (7, 2)]


def test_a_pattern_cannot_say_what_is_personal() -> None:
    with pytest.raises(ContractError, match="personal data"):
        contract(pa.Column(str, regex=True, metadata={"pii": True}))


def test_patterns_are_part_of_the_fingerprint() -> None:
    prints = {
        contract(pa.Column(int, regex=True)).fingerprint,
        contract(pa.Column(int, regex=True, nullable=True)).fingerprint,
        contract(pa.Column(int, regex=True, required=False)).fingerprint,
    }
    assert len(prints) == 3
