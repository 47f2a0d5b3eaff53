"""Decisions kept from the command line: looked at, traced, retired, and exported as code."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from scenario import HEADER, Operation, depots, parcels
from typer.testing import Result

from opsintel_dagster.ledger import amendments
from opsintel_dagster.outcome import Repair, load_outcome, parse_amendment

Run = Callable[..., Result]
Answer = Callable[..., Any]
WEIGHT = "parcels.bad_weight"
DEPOT = "parcels.unknown_depot"
KEPT = ("cases", "resolve", DEPOT, "--set", "depot=XXX=HAM", "--keep", "--yes", "--as", "kim")


def test_a_decision_that_is_kept_says_what_it_is_called_and_is_seen_everywhere(
    drained: Operation, opsintel: Run, answer: Answer
) -> None:
    before = opsintel(*KEPT[:6], "--dry-run")
    assert "from now on as amendment 1, until somebody retires it" in before.stdout
    assert "No amendment" in opsintel("amendments", "list").stdout
    made = opsintel(*KEPT, "--reason", "typo at the gate")
    assert "It is kept as amendment 1." in made.stdout
    drained.drain()
    drained.drop("parcels", "day2.csv", HEADER + "Q1,XXX,2,\n")
    drained.drain()
    listed = opsintel("amendments", "list").stdout
    for said in ("parcels", "'XXX' becomes 'HAM'", "kim: typo at the gate"):
        assert said in listed
    shown = opsintel("amendments", "show", "parcels", "1").stdout
    for said in (DEPOT, "kim", "2 records, last", "applies"):
        assert said in shown
    (told,) = answer("amendments", "list")["amendments"]
    assert (told["amendment"], told["fired"], told["retired_at"]) == (1, 2, None)
    for parcel in ("P3", "Q1"):
        traced = opsintel("trace", "parcels", parcel).stdout
        assert "depot=XXX → depot=HAM, by amendment 1, kept by kim" in traced
    passages = answer("trace", "parcels", "Q1")["records"][0]["passages"]
    assert passages[-1]["amended"] == {"depot": ["XXX", "HAM"]}
    closed = answer("cases", "show", DEPOT)["decided"][0]
    assert "repair by kim (typo at the gate)" in closed


def test_what_is_retired_says_by_whom_and_only_once(drained: Operation, opsintel: Run) -> None:
    opsintel(*KEPT)
    drained.drain()
    assert opsintel("amendments", "retire", "parcels", "1").exit_code == 2
    done = opsintel("amendments", "retire", "parcels", "1", "--reason", "mended", "--as", "ann")
    assert "amendment 1 is retired" in done.stdout
    again = opsintel("amendments", "retire", "parcels", "1", "--reason", "mended")
    assert again.exit_code == 1
    assert "by ann: mended" in again.stdout
    assert "No amendment" in opsintel("amendments", "list").stdout
    assert "by ann: mended" in " ".join(opsintel("amendments", "list", "--all").stdout.split())
    unknown = opsintel("amendments", "show", "parcels", "7")
    assert "there is no amendment of parcels `7` here; there are 1" in unknown.stderr


def test_what_is_exported_is_what_is_declared(drained: Operation, opsintel: Run) -> None:
    opsintel(*KEPT, "--reason", "typo")
    expression = ("--expression", "weight=REPLACE(weight, 'heavy', '44')", "--keep", "--yes")
    made = opsintel("cases", "resolve", WEIGHT, *expression, "--when", "parcel <> 'Z'")
    assert "amendment 2" in made.stdout, made.stderr
    exported = opsintel("amendments", "export", "parcels")
    assert "# amendment 1, kept by kim" in exported.stdout
    assert "opsintel amendments retire parcels 2 --reason" in exported.stderr
    written = yaml.safe_load(exported.stdout)
    said = load_outcome(
        {**parcels().model_dump(exclude={"amendments"}), **written}, source="defs.yaml"
    )
    assert said.amendments[0] == Repair(kind="repair", column="depot", values={"XXX": "HAM"})
    assert said.amendments[1].when == "parcel <> 'Z'"  # type: ignore[union-attr]
    drained.redeclare(depots(), parcels(**written))
    drained.drop("parcels", "day2.csv", HEADER + "Q1,XXX,2,\n")
    assert drained.drain().verified.amended == {
        "declared amendment 1": 2,
        "declared amendment 2": 1,
    }
    state = "is not applied: it is declared, too"
    assert state in " ".join(opsintel("amendments", "list").stdout.split())


@pytest.mark.usefixtures("drained")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--accept", "--keep"), "make the rule a warning in the contract"),
        (("--discard", "--keep"), "to discard is not kept"),
        (("--replay", "--keep"), "there is nothing to keep"),
        (("--to", "gate", "--when", "weight > 1"), "write --keep, too"),
        (("--to", "gate", "--keep"), "say which records go there: --when SQL"),
        (("--set", "a=b=c", "--when", "a > 1"), "--when goes with --expression and with --to"),
        (("--expression", "TRIM(dest)"), "is not COLUMN=SQL"),
        (("--rename", "dest"), "is not NEW=COLUMN"),
        (("--rename", "a=b", "--replay"), "write exactly one of --discard"),
        (("--file", "x.csv", "--keep"), "an edited export is about its own records"),
    ],
)
def test_options_that_do_not_go_together_say_what_to_write(
    opsintel: Run, options: tuple[str, ...], said: str
) -> None:
    result = opsintel("cases", "resolve", WEIGHT, *options)
    assert result.exit_code == 2
    shown = " ".join(result.stderr.replace("│", " ").split())
    assert said in shown


def test_a_column_that_seems_renamed_is_taken_under_its_new_name(
    drained: Operation, opsintel: Run, answer: Answer
) -> None:
    command = "opsintel cases resolve parcels.unmapped:arrival.columns"
    drained.drop("parcels", "day2.csv", HEADER.replace("depot", "station") + "Q1,HAM,2,\n")
    drained.drain()
    shown = answer("cases", "show", "parcels.unmapped:arrival.columns")["options"]
    assert ["take another name", f"{command} --rename NEW=COLUMN"] in shown
    made = opsintel(
        "cases",
        "resolve",
        "parcels.unmapped:arrival.columns",
        "--rename",
        "station=depot",
        "--yes",
        "--as",
        "kim",
    )
    assert "It is kept as amendment 1." in made.stdout, made.stderr
    drained.drain()
    assert ("Q1", "HAM", 2.0, None) in drained.table("gate_queue")
    traced = opsintel("trace", "parcels", "Q1").stdout
    assert "by amendment 1, kept by kim (called station)" in " ".join(traced.split())
    assert "column station is depot" in opsintel("amendments", "list").stdout


def test_records_that_no_route_takes_are_sent_once_and_then_always(
    root: Path, operation: Operation, opsintel: Run, answer: Answer
) -> None:
    routes = [{"to": "freight", "when": "weight >= 30"}, {"to": "gate", "when": "weight >= 2"}]
    definitions = (root / "definitions.py").read_text()
    (root / "definitions.py").write_text(
        definitions.replace("parcels()", f"parcels(routes={routes})")
    )
    operation.redeclare(depots(), parcels(routes=routes))
    operation.begin()
    operation.drop("parcels", "day2.csv", HEADER + "Q1,HAM,1,\n")
    operation.drain()
    case = "parcels.unmapped:route.none"
    options = answer("cases", "show", case)["options"]
    assert ["send them somewhere", f"opsintel cases resolve {case} --to ROUTE"] in options
    assert opsintel("cases", "resolve", case, "--to", "gate", "--yes").exit_code == 0
    operation.drain()
    assert {"P7", "Q1"} <= {row[0] for row in operation.table("gate_queue")}
    assert "to gate, by rule decision" in opsintel("trace", "parcels", "Q1").stdout
    operation.drop("parcels", "day3.csv", HEADER + "R1,HAM,1,\n")
    operation.drain()
    kept = ("--to", "nowhere", "--when", "weight < 2", "--keep", "--yes", "--as", "kim")
    made = opsintel("cases", "resolve", case, *kept)
    assert "It is kept as amendment 1." in made.stdout, made.stderr
    operation.drain()
    assert "to nowhere, by rule amendment 1" in opsintel("trace", "parcels", "R1").stdout
    assert "route to nowhere where weight < 2" in opsintel("amendments", "list").stdout


def test_the_doctor_names_what_is_not_applied(drained: Operation, opsintel: Run) -> None:
    opsintel(*KEPT)
    drained.drain()
    with drained.installation.ledger.write() as connection:
        content = {"kind": "route", "to": "care", "when": "weight > 3"}
        kept = {"actor": "kim", "reason": "", "case_id": "", "decision_id": ""}
        amendments.keep(connection, "parcels", content, now=datetime.now(UTC), **kept)
    found = json.loads(opsintel("doctor", "--json").stdout)["diagnoses"]
    said = [one for one in found if "amendment" in one["culprit"]]
    assert [one["culprit"] for one in said] == ["parcels, amendment 2"]
    assert said[0]["reason"] == "is not applied: the route to `care` has no receiver"
    assert "opsintel amendments retire parcels 2" in said[0]["fix"]


@pytest.mark.usefixtures("private")
def test_personal_data_is_not_kept(root: Any, opsintel: Run) -> None:
    definitions = (root / "definitions.py").read_text()
    private = (
        "import pandera.polars as pa\nfrom scenario import Parcel\n\n\n"
        "class PrivateParcel(Parcel):\n"
        "    note: str = pa.Field(nullable=True, metadata={'pii': True})\n\n\n"
    )
    changed = definitions.replace("parcels()", "parcels(contract=PrivateParcel)")
    (root / "definitions.py").write_text(private + changed)
    for options in (
        ("--set", "note=fragile=soft"),
        ("--expression", "note=REPLACE(note, 'Smith', 'x')"),
        ("--expression", "weight=ABS(TRY_CAST(weight AS DOUBLE))", "--when", "note = 'Smith'"),
    ):
        for kept in ((), ("--keep",)):
            result = opsintel("cases", "resolve", WEIGHT, *options, *kept, "--yes")
            assert result.exit_code == 1
            assert "`note` is personal data, which the ledger keeps none of" in result.stderr
            assert "Smith" not in result.stderr + result.stdout


def test_an_amendment_reads_back_as_it_was_kept() -> None:
    content = {"kind": "rename", "columns": {"station": "depot"}}
    assert parse_amendment(content).model_dump(mode="json", exclude_defaults=True) == content
