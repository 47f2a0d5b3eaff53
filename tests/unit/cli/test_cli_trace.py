"""One record's whole way, from the line of a file to the receiver's answer."""

import json
from collections.abc import Callable
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from scenario import MORE_DEPOTS, Operation, parcels
from typer.testing import Result

from opsintel_dagster.cli.searching import literal

Run = Callable[..., Result]
Answer = Callable[..., Any]


def only(document: Any) -> Any:
    [record] = document["records"]
    return record


@pytest.mark.usefixtures("drained")
def test_a_delivered_record_shows_file_line_verdict_route_and_confirmation(answer: Answer) -> None:
    record = only(answer("trace", "parcels", "P2"))
    assert (record["file"], record["line"], record["place"]) == ("day1.csv", 3, "delivered")
    assert record["values"] == {"parcel": "P2", "depot": "HAM", "weight": "80", "note": None}
    [passage] = record["passages"]
    assert passage["verdict"] == "kept"
    assert (passage["route"], passage["route_rule"]) == ("freight", "heavy")
    assert passage["delivery"]["state"] == "confirmed"
    assert passage["delivery"]["guarantee"] == "idempotent"
    assert passage["delivery"]["receipt"]["records"] == 1


@pytest.mark.usefixtures("drained")
def test_the_same_stands_there_in_words(opsintel: Run) -> None:
    shown = opsintel("trace", "parcels", "P2").stdout
    assert "day1.csv line 3  → delivered" in shown
    assert "to freight, by rule heavy" in shown


@pytest.mark.usefixtures("drained")
def test_a_record_in_quarantine_is_found_by_its_raw_key(answer: Answer) -> None:
    record = only(answer("trace", "parcels", "P8"))
    assert record["place"] == "open"
    assert record["passages"][0]["rules"] == ["weight.ge", "depot_known"] or record["passages"][0][
        "rules"
    ] == ["depot_known", "weight.ge"]
    assert record["passages"][0]["failure_mode"] == "unknown_depot"


@pytest.mark.usefixtures("drained")
def test_a_line_that_could_not_be_read_is_found_by_its_text(answer: Answer) -> None:
    record = only(answer("trace", "parcels", "P6"))
    assert not record["is_certain"]
    assert record["values"] == {"_text": "P6,BER"}


def test_a_healed_record_shows_both_passages(drained: Operation, answer: Answer) -> None:
    drained.drop("depots", "depots.csv", MORE_DEPOTS)
    drained.drain("depots")
    drained.drain("parcels", run_id="run-7")
    record = only(answer("trace", "parcels", "P3"))
    assert record["place"] == "delivered"
    first, second = record["passages"]
    assert (first["verdict"], second["verdict"]) == ("quarantined", "kept")
    assert second["kind"] == "replay"
    assert "reference depots changed" in second["replayed"]
    assert second["delivery"]["run_id"] == "run-7"


def test_a_corrected_record_shows_who_corrected_it(drained: Operation, answer: Answer) -> None:
    drained.drop("depots", "depots.csv", "code,city\nHAM,Hamburg an der Elbe\nBER,Berlin\n")
    drained.drain("depots")
    old, new = answer("trace", "depots", "HAM")["records"]
    assert old["superseded_by"] == "depots.csv"
    assert new["place"] == "delivered"
    [_, unchanged] = answer("trace", "depots", "BER")["records"]
    assert unchanged["place"] == "unchanged"


def test_a_batch_that_waits_says_what_for(operation: Operation, answer: Answer) -> None:
    operation.drop("parcels", "day1.csv", "parcel,depot,weight,note\nP1,HAM,1,\n")
    operation.drain("parcels")
    record = only(answer("trace", "parcels", "P1"))
    assert record["place"] == "in_flight"
    assert "reference depots" in record["passages"][0]["obstacle"]


@pytest.mark.usefixtures("drained")
def test_any_part_of_the_columns_may_be_asked_for(answer: Answer) -> None:
    found = answer("trace", "parcels", "depot=BER", "weight=-1")
    assert only(found)["values"]["parcel"] == "P4"
    assert answer("trace", "parcels", "depot=HAM")["found"] == 2


@pytest.mark.usefixtures("drained")
def test_numbers_are_found_however_they_were_written(answer: Answer) -> None:
    assert only(answer("trace", "parcels", "weight=80.0"))["values"]["parcel"] == "P2"


@pytest.mark.usefixtures("drained")
def test_a_record_is_found_by_what_receivers_call_it(answer: Answer) -> None:
    name = only(answer("trace", "parcels", "P2"))["record"]
    assert only(answer("trace", "parcels", f"_record={name}"))["values"]["parcel"] == "P2"


@pytest.mark.usefixtures("drained")
def test_an_unknown_key_exits_with_1_and_names_keys_near_it(opsintel: Run) -> None:
    result = opsintel("trace", "parcels", "P99")
    assert result.exit_code == 1
    assert "No record of parcels has parcel=P99." in result.stderr
    assert "parcel=P8" in result.stderr
    result = opsintel("trace", "parcels", "parcel=P2", "depot=BER", "--json")
    assert {"parcel": "P2", "depot": "HAM"} in json.loads(result.stdout)["near"]


@pytest.mark.usefixtures("drained")
def test_too_many_values_are_misuse(opsintel: Run) -> None:
    result = opsintel("trace", "parcels", "P1,HAM")
    assert result.exit_code == 2
    assert "keyed by parcel" in result.stderr


@pytest.mark.usefixtures("drained")
def test_an_unknown_column_is_an_error_that_names_the_columns(opsintel: Run) -> None:
    result = opsintel("trace", "parcels", "dpot=HAM")
    assert result.exit_code == 1
    assert "write `depot`" in result.stderr


@pytest.mark.usefixtures("private")
def test_personal_data_is_masked_unless_it_is_asked_for(opsintel: Run) -> None:
    masked = opsintel("trace", "parcels", "P1")
    assert "fragile" not in masked.stdout
    assert "note=***" in masked.stdout
    assert "P6,BER" not in opsintel("trace", "parcels", "P6").stdout
    assert "note=fragile" in opsintel("trace", "parcels", "P1", "--show-personal-data").stdout


class DatedParcel(pa.DataFrameModel):
    parcel: str
    day: pl.Date
    is_urgent: bool


def test_dates_and_truth_values_are_found_as_their_type_says(
    operation: Operation, answer: Answer
) -> None:
    outcome = parcels(
        contract=DatedParcel, key=["day", "parcel"], failure_modes=[], routes=[{"to": "gate"}]
    )
    outcome = outcome.model_copy(update={"handoff": {"gate": outcome.handoff["gate"]}})
    operation.redeclare(outcome)
    operation.drop("parcels", "d.csv", "parcel,day,is_urgent\nP1,2013-01-05,TRUE\n")
    operation.drain("parcels")
    assert answer("trace", "parcels", "2013-01-05,P1")["found"] == 1
    assert answer("trace", "parcels", "is_urgent=true")["found"] == 1


@pytest.mark.parametrize(
    ("text", "dtype", "value"),
    [
        ("7", pl.Int64(), 7),
        ("7.5", pl.Int64(), None),
        ("x", pl.Float64(), None),
        ("", pl.String(), None),
        ("yes", pl.Boolean(), None),
        ("1.50", pl.Decimal(10, 2), __import__("decimal").Decimal("1.5")),
    ],
)
def test_a_text_that_is_no_value_of_the_type_means_none(
    text: str, dtype: pl.DataType, value: object
) -> None:
    assert literal(text, dtype) == value
