"""Looking values up in another outcome's rows, at run time."""

from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from pandera.errors import SchemaError, SchemaErrors, SchemaWarning

from opsintel_dagster.errors import ContractError, ReferenceDown
from opsintel_dagster.verification import (
    Contract,
    ReferenceUse,
    Severity,
    Tier,
    in_reference,
    references,
)

REGISTER = {"register": pl.DataFrame({"faa": ["JFK", "SJU", None], "name": ["a", "b", "c"]})}
FLEET = {"fleet": pl.DataFrame({"carrier": ["AA", "UA", "UA"], "tailnum": ["N1", "N2", None]})}


class Flight(pa.DataFrameModel):
    carrier: str = pa.Field(nullable=True)
    tail: str = pa.Field(nullable=True)
    dest: str = pa.Field(nullable=True)

    @in_reference("register.faa", column="dest")
    def dest_known(cls) -> None:
        """The destination is in the airport register."""

    @in_reference(
        "fleet",
        on={"carrier": "carrier", "tail": "tailnum"},
        raise_warning=True,
        name="aircraft_known",
    )
    def aircraft(cls) -> None:
        """The aircraft is in the fleet."""


def schema(check: Any) -> pa.DataFrameSchema:
    return pa.DataFrameSchema({"dest": pa.Column(str, check, nullable=True)})


def test_a_models_method_becomes_a_rule_with_its_name_and_words() -> None:
    contract = Contract.compile(Flight)
    known, aircraft = contract.rules
    assert (known.id, known.columns, known.tier) == ("dest_known", ("dest",), Tier.ROW)
    assert known.description == "The destination is in the airport register."
    assert known.reference == ReferenceUse("register", ("faa",))
    assert (aircraft.id, aircraft.columns) == ("aircraft_known", ("carrier", "tail"))
    assert (aircraft.severity, aircraft.reference) == (
        Severity.WARNING,
        ReferenceUse("fleet", ("carrier", "tailnum")),
    )
    assert contract.references == (
        ReferenceUse("register", ("faa",)),
        ReferenceUse("fleet", ("carrier", "tailnum")),
    )
    assert str(contract.references[1]) == "fleet.carrier+tailnum"


def test_a_model_that_inherits_the_rules_calls_them_the_same() -> None:
    class Departure(Flight):
        gate: str = pa.Field(nullable=True)

    assert [rule.id for rule in Contract.compile(Departure).rules] == [
        "dest_known",
        "aircraft_known",
    ]


def test_values_found_pass_null_passes_and_the_rest_breaks(raw: Any, reasons: Any) -> None:
    frame = raw(
        {
            "carrier": ["UA", "AA", None, "UA"],
            "tail": ["N2", "N2", "N9", None],
            "dest": ["JFK", "XXX", None, ""],
        }
    )
    verdict = Contract.compile(Flight).verify(frame, references={**REGISTER, **FLEET})
    assert reasons(verdict) == {"a:2": ["dest_known"], "a:4": ["dest_known"]}
    assert verdict.warnings() == {}
    both = Contract.compile(Flight).verify(
        frame[:1].with_columns(tail=pl.lit("N1")), references={**REGISTER, **FLEET}
    )
    assert both.warnings() == {"aircraft_known": 1}


def test_repeated_rows_of_a_reference_do_not_multiply_records(raw: Any, reasons: Any) -> None:
    twice = {"register": pl.DataFrame({"faa": ["JFK", "JFK"]})}
    contract = Contract.compile(schema(in_reference("register.faa", name="known")))
    verdict = contract.verify(raw({"dest": ["JFK", "X", "JFK"]}), references=twice)
    assert reasons(verdict) == {"a:2": ["known"]}
    assert verdict.valid["_row"].to_list() == [1, 3]


def test_a_column_is_compared_by_value_where_dtypes_are_of_one_kind(raw: Any, reasons: Any) -> None:
    numbers = pa.DataFrameSchema({"n": pa.Column(pl.Int16, in_reference("r.id", name="known"))})
    ids = pl.Series("id", [1.0, 2.5, 70_000.0])
    verdict = Contract.compile(numbers).verify(
        raw({"n": ["1", "2"]}), references={"r": ids.to_frame()}
    )
    assert reasons(verdict) == {"a:2": ["known"]}
    texts = {"register": pl.DataFrame({"faa": pl.Series(["JFK"], dtype=pl.Categorical)})}
    verdict = Contract.compile(schema(in_reference("register.faa"))).verify(
        raw({"dest": ["JFK", "X"]}), references=texts
    )
    assert reasons(verdict) == {"a:2": ["dest.in_reference"]}


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ({}, "its rows were not handed over"),
        ({"register": pl.DataFrame({"iata": ["JFK"]})}, "it has no column faa, only iata"),
        ({"register": pl.DataFrame({"faa": []}, schema={"faa": pl.String})}, "it is empty"),
        ({"register": pl.DataFrame({"faa": [1]})}, "faa is Int64, which never equals"),
    ],
)
def test_no_row_is_judged_by_a_reference_that_is_not_there(
    frames: Any, reason: str, raw: Any
) -> None:
    contract = Contract.compile(schema(in_reference("register.faa")))
    with pytest.raises(ReferenceDown, match=reason):
        contract.verify(raw({"dest": ["JFK"]}), references=frames)


def test_ids_without_a_name_say_where_they_look() -> None:
    whole = pa.DataFrameSchema(
        {"a": pa.Column(str), "b": pa.Column(str)}, checks=in_reference("fleet", on=["a", "b"])
    )
    assert Contract.compile(whole).rules[-1].id == "a+b.in_reference"
    assert (
        Contract.compile(schema(in_reference("register.faa"))).rules[-1].id == "dest.in_reference"
    )


def test_panderas_own_validate_looks_up_with_the_rows_at_hand_and_fails_loudly_without() -> None:
    frame = pl.DataFrame({"carrier": ["UA"], "tail": ["N2"], "dest": ["JFK"]})
    with references({**REGISTER, **FLEET}):
        assert Flight.validate(frame).equals(frame)
        with pytest.raises(SchemaError, match="dest_known"):
            Flight.validate(frame.with_columns(dest=pl.lit("XXX")))
        with pytest.warns(SchemaWarning, match="aircraft_known"):
            Flight.validate(frame.with_columns(tail=pl.lit("XXX")))
    with pytest.raises(SchemaErrors, match="its rows were not handed over"):
        Flight.validate(frame, lazy=True)
    with pytest.raises(SchemaError, match="its rows were not handed over"):
        schema(in_reference("register.faa")).validate(frame.select("dest"))


@pytest.mark.parametrize(
    ("reference", "options"),
    [
        ("register", {}),
        ("register.faa", {"on": ["dest"]}),
        ("register", {"on": ["dest"], "column": "dest"}),
    ],
)
def test_the_references_columns_are_named_exactly_once(reference: str, options: Any) -> None:
    with pytest.raises(TypeError, match="give either"):
        in_reference(reference, **options)


def test_over_a_method_the_judged_column_must_be_named() -> None:
    with pytest.raises(TypeError, match="name its column"):
        in_reference("register.faa")(lambda _cls: None)


def test_a_lookup_of_a_column_the_contract_does_not_have_is_refused() -> None:
    checks = in_reference("fleet", on=["tail"])
    with pytest.raises(ContractError, match='looks up "tail", which is no column'):
        Contract.compile(pa.DataFrameSchema({"a": pa.Column(str)}, checks=checks))


def test_a_lookup_over_several_columns_holds_an_arrival_that_lacks_one(raw: Any) -> None:
    columns = {"a": pa.Column(str), "b": pa.Column(str, required=False)}
    contract = Contract.compile(
        pa.DataFrameSchema(columns, checks=in_reference("r", on=["a", "b"], name="known"))
    )
    frame = raw({"a": ["x", "x"], "b": ["y", None]}, arrivals="ab")
    rows = {"r": pl.DataFrame({"a": ["x"], "b": ["y"]})}
    verdict = contract.verify(frame, references=rows, columns_of={"a": ("a", "b"), "b": ("a",)})
    assert dict(verdict.held) == {"b": ("known",)}
    assert verdict.valid["_arrival"].to_list() == ["a"]
