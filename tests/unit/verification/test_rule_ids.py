"""Ids, order and words of rules."""

import functools
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.errors import ContractError
from opsintel_dagster.verification import Contract, Severity, in_reference
from opsintel_dagster.verification.naming import check_name


def ids(columns: dict[str, pa.Column], **options: Any) -> list[str]:
    key = options.pop("key", ())
    contract = Contract.compile(pa.DataFrameSchema(columns, **options), key=key)
    return [rule.id for rule in contract.rules]


def passes(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_not_null())


def test_built_in_checks_are_called_by_column_and_a_short_word() -> None:
    checks = [
        pa.Check.ge(0),
        pa.Check.gt(0),
        pa.Check.le(9),
        pa.Check.lt(9),
        pa.Check.eq(1),
        pa.Check.ne(2),
        pa.Check.isin([1]),
        pa.Check.notin([2]),
        pa.Check.in_range(0, 9),
        pa.Check.unique_values_eq([1]),
    ]
    texts = [
        pa.Check.str_matches("a"),
        pa.Check.str_contains("a"),
        pa.Check.str_startswith("a"),
        pa.Check.str_endswith("a"),
        pa.Check.str_length(1),
    ]
    found = ids(
        {"n": pa.Column(int, checks, nullable=True), "s": pa.Column(str, texts, nullable=True)}
    )
    assert found == [
        "n.coerce",
        "n.ge",
        "n.gt",
        "n.le",
        "n.lt",
        "n.eq",
        "n.ne",
        "n.isin",
        "n.notin",
        "n.in_range",
        "n.unique_values_eq",
        "s.matches",
        "s.contains",
        "s.startswith",
        "s.endswith",
        "s.length",
    ]


def test_cells_come_first_then_checks_then_what_is_unique_and_the_key_last() -> None:
    columns = {
        "a": pa.Column(int, pa.Check.ge(0), unique=True),
        "b": pa.Column(str, nullable=True),
        "c": pa.Column(str),
    }
    assert ids(
        columns, unique=["a", "c"], checks=pa.Check(passes, name="whole"), key=["a", "b"]
    ) == [
        "a.coerce",
        "a.not_null",
        "c.not_null",
        "a.ge",
        "whole",
        "key.not_null",
        "a.unique",
        "a+c.unique",
        "key.unique",
    ]


def test_a_check_is_called_by_its_own_name_or_its_functions() -> None:
    checks = [pa.Check(passes), pa.Check(passes, name="given"), pa.Check.ge(0, name="not_negative")]
    assert ids({"n": pa.Column(int, checks, nullable=True)}) == [
        "n.coerce",
        "passes",
        "given",
        "not_negative",
    ]


def test_the_same_name_on_several_columns_is_told_apart_by_the_column() -> None:
    columns = {name: pa.Column(str, pa.Check(passes), nullable=True) for name in "ab"}
    assert ids(columns) == ["a.passes", "b.passes"]


def test_nameless_checks_and_repeated_ids_are_numbered_in_order() -> None:
    nameless = [
        pa.Check(lambda d: d.lazyframe.select(pl.col(d.key) > 0)),
        pa.Check(functools.partial(passes)),
        pa.Check.ge(0),
        pa.Check.ge(1),
    ]
    columns = {"n": pa.Column(int, nameless, nullable=True)}
    assert ids(columns) == ["n.coerce", "n.check", "n.check_2", "n.ge", "n.ge_2"]


def test_ids_dagster_cannot_tell_apart_are_numbered_as_well() -> None:
    checks = [pa.Check(passes, name="is there"), pa.Check(passes, name="is_there")]
    assert ids({"n": pa.Column(str, checks, nullable=True)}) == ["is there", "is_there_2"]
    assert check_name("a+b.unique") == "a_b__unique"


def test_a_column_called_key_does_not_pose_as_the_key() -> None:
    columns = {"key": pa.Column(int, unique=True)}
    assert ids(columns, key=["key"]) == [
        "key.coerce",
        "column.key.not_null",
        "column.key.unique",
        "key.unique",
    ]


def test_a_check_may_not_take_a_reserved_id() -> None:
    with pytest.raises(ContractError, match=r"check 'readable': this name belongs to a rule"):
        ids({"n": pa.Column(int, pa.Check(passes, name="readable"))})


def test_columns_whose_rules_are_one_name_to_dagster_are_refused() -> None:
    with pytest.raises(
        ContractError, match=r"a b\.not_null and a_b\.not_null: both would be the check"
    ):
        ids({"a b": pa.Column(str), "a_b": pa.Column(str)})


def test_a_model_names_its_checks_and_describes_them_by_their_docstrings() -> None:
    class Flight(pa.DataFrameModel):
        origin: str = pa.Field(isin=["JFK", "LGA"])
        delay: float = pa.Field(ge=-120, raise_warning=True)

        @pa.check("origin")
        def upper(cls, data: pa.PolarsData) -> pl.LazyFrame:
            """The airport is written
            in capitals."""
            return data.lazyframe.select(pl.col(data.key).str.to_uppercase() == pl.col(data.key))

    rules = {rule.id: rule for rule in Contract.compile(Flight).rules}
    assert list(rules) == [
        "delay.coerce",
        "origin.not_null",
        "delay.not_null",
        "origin.isin",
        "upper",
        "delay.ge",
    ]
    assert rules["upper"].description == "The airport is written in capitals."
    assert rules["origin.isin"].description == "origin is one of JFK, LGA."
    assert rules["delay.ge"].severity is Severity.WARNING
    assert rules["upper"].columns == ("origin",)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (pa.Check.in_range(1, 5, include_max=False), "n lies in [1, 5)."),
        (
            pa.Check.isin(range(50_000)),
            "n is one of 0, 1, 10, 100, 1000, 10000, 10001, 10002, 10003, 10004 and 49990 more.",
        ),
        (pa.Check.notin([3]), "n is none of 3."),
        (pa.Check.unique_values_eq([1, 2]), "n has exactly the values 1, 2."),
        (pa.Check.ge(0, description="Not negative."), "Not negative."),
        (pa.Check.ge(0, title="Not negative"), "Not negative"),
        (pa.Check(passes, error="must be there"), "must be there"),
        (pa.Check(passes), "n passes passes."),
        (pa.Check(passes, description="long " * 200), "long " * 59 + "long…"),
        (in_reference("fleet.tail"), "n is found in fleet (tail)."),
    ],
)
def test_a_rule_says_in_a_short_sentence_what_it_demands(check: pa.Check, said: str) -> None:
    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, check, nullable=True)}))
    assert contract.rules[-1].description == said


@pytest.mark.parametrize(
    ("length", "said"),
    [((3,), "has 3"), ((1, 5), "has at least 1 and at most 5"), ((None, 5), "has at most 5")],
)
def test_lengths_read_as_words(length: tuple[int | None, ...], said: str) -> None:
    check = pa.Check.str_length(max_value=5) if length[0] is None else pa.Check.str_length(*length)
    contract = Contract.compile(pa.DataFrameSchema({"s": pa.Column(str, check, nullable=True)}))
    assert contract.rules[-1].description == f"s {said} characters."
