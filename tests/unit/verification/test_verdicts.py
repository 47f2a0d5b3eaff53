"""The split: every row in exactly one output, with the reasons, in the order it came."""

from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.verification import Contract, mask_pii


def test_valid_rows_are_typed_and_quarantined_rows_are_as_they_came(raw: Any) -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(int, pa.Check.ge(0)), "s": pa.Column(str)})
    frame = raw({"s": ["a", "b", "c", "d"], "x": list("pqrs"), "n": ["1", "-1", "x", "2"]})
    verdict = Contract.compile(schema).verify(frame)
    assert verdict.valid.schema == {
        "_arrival": pl.String,
        "_row": pl.Int64,
        "_line": pl.Int64,
        "n": pl.Int64,
        "s": pl.String,
    }
    assert verdict.valid.rows() == [("a", 1, 2, 1, "a"), ("a", 4, 5, 2, "d")]
    assert verdict.quarantine.columns == [*frame.columns, "_rules"]
    assert verdict.quarantine.drop("_rules").equals(frame[[1, 2]])
    assert verdict.quarantine.schema["_rules"] == pl.List(pl.String)


def test_rows_keep_the_order_in_which_they_came(raw: Any) -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(int, pa.Check.ge(0))})
    frame = raw(
        {"n": [1, -1, 2, -2, -3, 3]},
        arrivals="bababa",
        _problem=[None, None, None, None, "ragged", None],
    )
    verdict = Contract.compile(schema).verify(frame[[5, 4, 3, 2, 1, 0]])
    assert verdict.valid["n"].to_list() == [3, 2, 1]
    assert verdict.quarantine["n"].to_list() == [-3, -2, -1]


def test_nothing_in_gives_nothing_out_with_the_same_columns(raw: Any) -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(int, unique=True)})
    frame = raw({"n": pl.Series([], dtype=pl.String)})
    verdict = Contract.compile(schema, key=["n"]).verify(frame)
    assert verdict.valid.schema["n"] == pl.Int64
    assert verdict.quarantine.schema["_rules"] == pl.List(pl.String)
    assert (
        verdict.counts(),
        verdict.warnings(),
        verdict.cooccurrence_counts(),
        dict(verdict.held),
    ) == ({}, {}, {}, {})


def test_an_unreadable_row_breaks_readable_and_nothing_else(raw: Any, reasons: Any) -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(int)})
    frame = raw(
        {"n": ["1", None, "x"], "m": ["", "", ""]},
        arrivals="abb",
        _problem=[None, "ragged", "encoding"],
        _text=[None, "1,", "?"],
    )
    verdict = Contract.compile(schema).verify(frame, columns_of={"a": ("n",), "b": ("m",)})
    assert reasons(verdict) == {"b:1": ["readable"], "b:2": ["readable"]}


def test_a_warning_lets_the_row_go_on_and_is_counted_only_then(raw: Any, reasons: Any) -> None:
    checks = [pa.Check.le(5, raise_warning=True), pa.Check.ge(0)]
    verdict = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, checks)})).verify(
        raw({"n": [1, 9, 7, -1]})
    )
    assert verdict.valid["n"].to_list() == [1, 9, 7]
    assert verdict.warnings() == {"n.le": 2}
    also = pa.Check(
        lambda d: d.lazyframe.select(pl.col(d.key).abs() < 0), raise_warning=True, name="never"
    )
    verdict = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, [*checks, also])})).verify(
        raw({"n": [1, -1]})
    )
    assert (verdict.warnings(), reasons(verdict)) == ({"never": 1}, {"a:2": ["n.ge"]})


def test_a_table_rule_holds_the_arrival_it_does_not_keep_and_no_other(
    raw: Any, reasons: Any
) -> None:
    check = pa.Check(lambda d: d.lazyframe.select(pl.col(d.key).mean() < 5), name="calm")
    verdict = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, check)})).verify(
        raw({"n": [1, 9, 2, 8]}, arrivals="abab")
    )
    assert dict(verdict.held) == {"b": ("calm",)}
    assert verdict.hold_reasons["b"] == ("calm: the arrival as a whole does not keep it",)
    assert reasons(verdict) == {"b:1": ["calm"], "b:2": ["calm"]}
    assert verdict.valid["_arrival"].to_list() == ["a", "a"]


def test_a_table_rule_is_one_answer_even_where_there_is_one_row(raw: Any) -> None:
    check = pa.Check(lambda d: d.lazyframe.select(pl.col(d.key).sum() < 5), name="small")
    verdict = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, check)})).verify(
        raw({"n": [9]})
    )
    assert dict(verdict.held) == {"a": ("small",)}


def test_a_plain_no_is_an_answer_for_the_table_even_where_there_is_one_row(raw: Any) -> None:
    check = pa.Check(lambda d: d.lazyframe.collect().height > 1, name="several")
    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, check)}))
    assert dict(contract.verify(raw({"n": [1]})).held) == {"a": ("several",)}


def test_a_table_rule_that_only_warns_counts_arrivals(raw: Any) -> None:
    check = pa.Check(lambda d: d.lazyframe.collect().height > 1, name="several", raise_warning=True)
    verdict = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, check)})).verify(
        raw({"n": [1, 2, 3, 4]}, arrivals="abbc")
    )
    assert (verdict.warnings(), dict(verdict.held), verdict.valid.height) == ({"several": 2}, {}, 4)


def test_a_check_that_raises_holds_even_if_it_would_only_warn(raw: Any) -> None:
    check = pa.Check(
        lambda value: 1 / value > 0, element_wise=True, name="inverse", raise_warning=True
    )
    verdict = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, check)})).verify(
        raw({"n": [1, 0]}, arrivals="ab")
    )
    assert dict(verdict.held) == {"b": ("inverse",)}
    assert "ZeroDivisionError" in verdict.hold_reasons["b"][0]


def test_counts_say_how_many_rows_break_each_rule_and_each_set_of_rules(raw: Any) -> None:
    schema = pa.DataFrameSchema(
        {"n": pa.Column(int, [pa.Check.ge(0), pa.Check.ne(-2)]), "s": pa.Column(str)}
    )
    verdict = Contract.compile(schema).verify(
        raw({"n": ["-1", "-2", "-2", "x"], "s": ["a", "b", None, "d"]})
    )
    assert verdict.counts() == {"n.ge": 3, "n.ne": 2, "s.not_null": 1, "n.coerce": 1}
    assert verdict.cooccurrence_counts() == {
        ("n.coerce",): 1,
        ("n.ge",): 1,
        ("n.ge", "n.ne"): 1,
        ("s.not_null", "n.ge", "n.ne"): 1,
    }


@pytest.mark.parametrize("number", [62, 63, 64, 126, 127, 200])
def test_any_number_of_rules_keep_their_own_bit(number: int, raw: Any, reasons: Any) -> None:
    checks = [pa.Check.ne(i, name=f"not_{i}") for i in range(number)]
    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, checks, nullable=True)}))
    assert reasons(contract.verify(raw({"n": range(number)}))) == {
        f"a:{i + 1}": [f"not_{i}"] for i in range(number)
    }
    none = [pa.Check.gt(1000, name=f"big_{i}") for i in range(number)]
    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, none, nullable=True)}))
    assert len(reasons(contract.verify(raw({"n": [1]})))["a:1"]) == number


def test_a_huge_list_of_allowed_values_costs_nothing_in_the_reasons(raw: Any, reasons: Any) -> None:
    allowed = pa.Check.isin([str(i) for i in range(50_000)])
    contract = Contract.compile(pa.DataFrameSchema({"s": pa.Column(str, allowed)}))
    assert reasons(contract.verify(raw({"s": ["1", "x"]}))) == {"a:2": ["s.isin"]}
    assert all(len(rule.id) < 50 and len(rule.description) <= 300 for rule in contract.rules)


def test_standing_rules_of_a_replay_stay_broken(raw: Any, reasons: Any) -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(int, pa.Check.ge(0))})
    standing = pl.Series(
        [["key.unique"], [], None, ["key.unique", "n.ge", "arrival.tolerance"]],
        dtype=pl.List(pl.String),
    )
    frame = raw({"n": [1, 2, -3, -4]}, _standing=standing, _from=["b"] * 4)
    verdict = Contract.compile(schema, key=["n"]).verify(frame)
    assert {row: set(rules) for row, rules in reasons(verdict).items()} == {
        "a:1": {"key.unique"},
        "a:3": {"n.ge"},
        "a:4": {"n.ge", "key.unique", "arrival.tolerance"},
    }
    assert verdict.valid.columns == ["_arrival", "_row", "_line", "n"]
    assert verdict.quarantine["_from"].to_list() == ["b"] * 3


def test_a_part_of_an_arrival_is_not_judged_by_rules_over_the_whole(raw: Any, reasons: Any) -> None:
    n = pl.col("n")
    checks = [
        pa.Check(lambda d: d.lazyframe.select(n.mean() < 5), name="calm"),
        pa.Check(lambda d: d.lazyframe.select(n < n.mean() + 1), name="near"),
        pa.Check(lambda value: value < 100, element_wise=True, name="small"),
    ]
    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, checks)}), key=["n"])
    about_arrivals = [rule.id for rule in contract.rules if rule.is_about_arrival]
    assert about_arrivals == ["calm", "near", "key.unique"]
    whole = raw({"n": [1, 9, 200, 9]})
    assert "calm" in reasons(contract.verify(whole))["a:1"]
    part = whole.with_columns(pl.lit([], dtype=pl.List(pl.String)).alias("_standing"))
    assert reasons(contract.verify(part)) == {
        "a:2": ["key.unique"],
        "a:3": ["small"],
        "a:4": ["key.unique"],
    }
    assert not contract.verify(part).held


def test_personal_data_is_masked_and_gaps_stay_gaps() -> None:
    class Person(pa.DataFrameModel):
        name: str = pa.Field(metadata={"pii": True})
        born: int = pa.Field(metadata={"pii": True})
        city: str = pa.Field(metadata={"pii": False})

    pii = Contract.compile(Person).pii
    assert pii == {"name", "born"}
    frame = pl.DataFrame(
        {
            "name": ["Ann", None],
            "born": [1980, None],
            "city": ["A", "B"],
            "_text": [None, "Ann,1980"],
        }
    )
    assert mask_pii(frame, pii).rows() == [("***", "***", "A", None), (None, None, "B", "***")]
    assert mask_pii(frame, ()).equals(frame)
    assert mask_pii(frame.drop("name"), pii)["born"].to_list() == ["***", None]


def test_what_a_contract_says_of_itself() -> None:
    schema = pa.DataFrameSchema(
        {"n": pa.Column(pl.Int16), "at": pa.Column(pl.Datetime("us", "UTC"))}, name="Flights"
    )
    contract = Contract.compile(schema, key=["n"], null_values=["b", "a", "b"])
    assert contract.name == "Flights"
    assert contract.columns == {"n": pl.Int16(), "at": pl.Datetime("us", "UTC")}
    assert (contract.key, contract.null_values) == (("n",), ("a", "b"))
