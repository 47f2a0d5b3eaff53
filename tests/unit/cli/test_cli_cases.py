"""What somebody or something still has to answer."""

from collections.abc import Callable
from typing import Any

import pytest
from scenario import HEADER, MORE_DEPOTS, Operation, parcels
from typer.testing import Result

UNMAPPED = {"parcels.unmapped:readable", "parcels.unmapped:parcel.not_null"}
Run = Callable[..., Result]
Answer = Callable[..., Any]


@pytest.mark.usefixtures("drained")
def test_open_cases_are_listed_with_their_values(answer: Answer) -> None:
    cases = {case["name"]: case for case in answer("cases", "list")["cases"]}
    assert set(cases) == {"parcels.unknown_depot", "parcels.bad_weight", *UNMAPPED}
    depot = cases["parcels.unknown_depot"]
    assert depot["values"] == {"XXX": 1, "YYY": 1}
    assert depot["rules"] == {"depot_known": 2, "weight.ge": 1}
    assert (depot["records"], depot["minutes_each"], depot["minutes"]) == (2, 6.0, 12.0)
    assert depot["owner"] == "team:parcels"


@pytest.mark.usefixtures("drained")
def test_the_list_fits_eighty_columns(opsintel: Run) -> None:
    shown = opsintel("cases", "list").stdout
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "XXX (1)" in shown


@pytest.mark.usefixtures("drained")
def test_a_case_shows_what_closes_it_and_some_records_with_file_and_line(
    opsintel: Run, answer: Answer
) -> None:
    shown = opsintel("cases", "show", "parcels.unknown_depot").stdout
    assert "asks for the depot to be added; 6 min a record, 12 min for all of them" in shown
    assert "depots delivers something new that heals the records" in shown
    assert "day1.csv line 4  depot_known" in shown
    sample = answer("cases", "show", "parcels.unknown_depot", "--rows", "1")["sample"]
    assert [row["values"]["parcel"] for row in sample] == ["P3"]


@pytest.mark.usefixtures("drained")
def test_a_case_is_also_found_by_the_beginning_of_its_id(answer: Answer) -> None:
    whole = answer("cases", "show", "parcels.bad_weight")["case"]
    assert answer("cases", "show", whole[:10])["name"] == "parcels.bad_weight"


@pytest.mark.usefixtures("drained")
def test_a_name_without_its_cause_is_enough_where_one_case_fits(
    opsintel: Run, answer: Answer
) -> None:
    result = opsintel("cases", "show", "parcels.unmapped")
    assert result.exit_code == 1
    assert "open ones are parcels.unmapped:parcel.not_null, parcels.unmapped:readable" in (
        result.stderr.replace("\n", " ")
    )
    opsintel("cases", "resolve", "parcels.unmapped:readable", "--discard", "--reason", "x", "--yes")
    opsintel("drain", "parcels")
    assert answer("cases", "show", "parcels.unmapped")["cause"] == "parcel.not_null"
    assert answer("cases", "show", "parcels.unmapped:readable")["state"] == "closed"


def test_what_is_said_of_records_names_their_case(
    drained: Operation, opsintel: Run, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained.refuse("gate_queue", "Q1")
    drained.drop("parcels", "day2.csv", HEADER + "Q1,HAM,4,\n")
    drained.drain()
    name = "parcels.refused:gate: not this one"
    assert answer("cases", "show", "parcels.refused")["name"] == name
    shown = opsintel("cases", "show", name).stdout
    assert f"opsintel cases resolve '{name}' --replay" in shown
    assert "day2.csv line 2" in shown
    assert "parcels.gate: table gate_queue" in shown  # what waits downstream
    monkeypatch.setenv("COLUMNS", "60")
    lines = opsintel("cases", "list").stdout.splitlines()
    assert max(len(line) for line in lines) <= 60
    identity = answer("cases", "show", name)["case"]
    assert any(line.startswith(identity[:12]) for line in lines)
    assert any("gate: not this one" in line for line in lines)


def test_closed_cases_are_listed_up_to_a_number_that_is_said(
    drained: Operation, opsintel: Run, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("parcels.unknown_depot", "parcels.bad_weight"):
        opsintel("cases", "resolve", name, "--discard", "--reason", "x", "--yes")
    drained.drain()
    monkeypatch.setattr("opsintel_dagster.cli.casebook.MOST_CASES", 3)
    found = answer("cases", "list", "--all")
    assert [case["state"] for case in found["cases"]] == ["open", "open", "closed"]
    assert (found["more_open"], found["more_closed"]) == (0, 1)
    assert "… and 1 more closed case" in opsintel("cases", "list", "--all").stdout
    monkeypatch.setattr("opsintel_dagster.cli.casebook.MOST_CASES", 1)
    assert answer("cases", "list")["more_open"] == 1


def test_a_case_says_what_it_costs_while_it_is_open(operation: Operation, opsintel: Run) -> None:
    operation.redeclare(operation.outcomes[0], parcels(cost_per_hour=4_200))
    operation.begin()
    assert "4,200 an hour, " in opsintel("cases", "show", "parcels.bad_weight").stdout


def test_an_unreadable_file_is_told_by_name(drained: Operation, answer: Answer) -> None:
    drained.drop("parcels", "broken.parquet", b"PAR1 nothing behind it")
    drained.drain()
    case = answer("cases", "show", "parcels.unmapped:readable")
    assert case["unreadable"] == ["broken.parquet"]
    assert "replaced by a readable one" in case["closes_when"]


def test_a_case_says_why_a_file_or_line_could_not_be_read(
    drained: Operation, opsintel: Run
) -> None:
    drained.drop("parcels", "empty.csv", b"")
    drained.drop("parcels", "ragged.csv", f"{HEADER}P90,1\n".encode())
    drained.drain()
    shown = opsintel("cases", "show", "parcels.unmapped:readable", "--rows", "100").stdout
    assert "empty.csv: empty: not even a header" in shown
    assert "ragged.csv line 2  readable (ragged)" in shown


def test_a_held_arrival_is_shown_with_its_rename_and_with_all_that_waits(
    drained: Operation, opsintel: Run, answer: Answer
) -> None:
    rows = "".join(f"Q{row},HAM,{row}.5,\n" for row in range(1, 30))
    drained.drop("parcels", "renamed.csv", f"parcel,depot,Weight (kg),note\n{rows}")
    drained.drain()
    shown = opsintel("cases", "show", "parcels.unmapped:arrival.columns").stdout
    assert "renamed.csv: weight seems to be called Weight (kg)" in shown
    assert "`weight` is `Weight (kg)` now" in shown
    assert "rename it in the contract" in shown
    assert "receivers: parcels.freight: parquet files in out/freight; parcels.gate" in shown
    case = answer("cases", "show", "parcels.unmapped:arrival.columns")
    (held,) = case["held"]
    assert held["renames"][0]["now"] == "Weight (kg)"
    assert case["waiting_downstream"]["owners"] == "team:parcels"


def test_a_closed_case_is_listed_on_request_and_says_what_closed_it(
    drained: Operation, answer: Answer, opsintel: Run
) -> None:
    drained.drop("depots", "depots.csv", MORE_DEPOTS)
    drained.drain("depots")
    drained.drain("parcels")
    names = [case["name"] for case in answer("cases", "list")["cases"]]
    assert "parcels.unknown_depot" not in names
    every = {case["name"]: case for case in answer("cases", "list", "--all")["cases"]}
    assert every["parcels.unknown_depot"]["state"] == "closed"
    assert "reference depots changed" in every["parcels.unknown_depot"]["closed_by"]
    shown = opsintel("cases", "show", "parcels.unknown_depot")
    assert shown.exit_code == 0
    assert "closed" in shown.stdout


@pytest.mark.usefixtures("drained")
def test_an_outcome_without_cases_says_so(opsintel: Run) -> None:
    assert opsintel("cases", "list", "depots").stdout == "No open case.\n"


@pytest.mark.usefixtures("drained")
def test_an_unknown_case_is_an_error_that_says_what_was_meant(opsintel: Run) -> None:
    result = opsintel("cases", "show", "parcels.unknown_depots")
    assert result.exit_code == 1
    assert "write `parcels.unknown_depot`" in result.stderr


@pytest.mark.usefixtures("private")
def test_sample_rows_are_masked(opsintel: Run) -> None:
    shown = opsintel("cases", "show", "parcels.unmapped:readable").stdout
    assert "_text=***" in shown
    assert "P6,BER" not in shown
