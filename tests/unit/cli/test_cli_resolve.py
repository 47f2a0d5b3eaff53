"""Answering a case from the command line: seen first, decided, carried out by the next drain."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scenario import Operation
from typer.testing import CliRunner, Result

from opsintel_dagster.cli.app import app

Run = Callable[..., Result]
Answer = Callable[..., Any]
WEIGHT = "parcels.bad_weight"
DEPOT = "parcels.unknown_depot"


PRIVATE_DEFINITIONS = """
import pandera.polars as pa
from scenario import Parcel, depots, parcels
from opsintel_dagster import build_defs


class PrivateParcel(Parcel):
    note: str = pa.Field(nullable=True, metadata={"pii": True})


defs = build_defs([parcels(contract=PrivateParcel), depots()], location="tests")
"""


def edited(file: Path, changes: dict[str, dict[str, str]], by: str = "parcel") -> None:
    """Change cells of an export: of the rows with these parcels, column → value."""
    with file.open(newline="", encoding="utf-8-sig") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        row.update(changes.get(row[by], {}))
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_what_is_decided_is_shown_first_and_carried_out_by_the_next_drain(
    drained: Operation, opsintel: Run, answer: Answer
) -> None:
    before = opsintel("cases", "resolve", DEPOT, "--accept", "--dry-run", "--reason", "known")
    assert before.exit_code == 0, before.output
    assert "would pass  1: gate (1)" in before.stdout
    assert "other case  weight.ge (1)" in before.stdout
    assert answer("cases", "show", DEPOT)["decided"] == []
    made = opsintel("cases", "resolve", DEPOT, "--accept", "--reason", "known", "--yes")
    assert "The next drain carries it out" in made.stdout
    (told,) = answer("cases", "show", DEPOT)["decided"]
    assert "accept by" in told
    assert "(known): the next drain carries it out" in told
    drained.drain()
    assert ("P3", "XXX", 1.0, None) in drained.table("gate_queue")
    assert answer("cases", "show", DEPOT)["state"] == "closed"
    traced = opsintel("trace", "parcels", "P3").stdout
    assert "accepted" in traced
    assert "in spite of depot_known" in traced


@pytest.mark.usefixtures("drained")
def test_whoever_says_no_decides_nothing(answer: Answer) -> None:
    result = CliRunner().invoke(app, ["cases", "resolve", WEIGHT, "--replay"], input="n\n")
    assert result.exit_code == 1
    assert "Nothing was decided." in result.stdout
    assert "would stay  2: weight.coerce (1), weight.ge (1)" in result.stdout
    assert answer("cases", "show", WEIGHT)["decided"] == []


@pytest.mark.usefixtures("drained")
def test_the_second_to_decide_learns_who_was_faster(opsintel: Run) -> None:
    done = ("cases", "resolve", WEIGHT, "--discard", "--reason", "scrap", "--yes", "--as")
    assert opsintel(*done, "ann").exit_code == 0
    late = opsintel(*done, "bob")
    assert late.exit_code == 1
    assert "ann was faster and decided to discard it (scrap)" in late.stderr


def test_a_repaired_value_is_traced_before_and_after(drained: Operation, opsintel: Run) -> None:
    result = opsintel("cases", "resolve", WEIGHT, "--set", "weight=-1=1", "--yes", "--as", "ann")
    assert result.exit_code == 0, result.output
    drained.drain()
    traced = opsintel("trace", "parcels", "P4").stdout
    assert "weight=-1 → weight=1" in traced
    assert "repair by ann" in traced
    document = json.loads(opsintel("trace", "parcels", "P4", "--json").stdout)
    assert document["records"][0]["values"]["weight"] == "-1"
    assert document["records"][0]["passages"][-1]["amended"] == {"weight": ["-1", "1"]}


def test_a_discarded_record_is_traced_to_its_mark(
    drained: Operation, opsintel: Run, answer: Answer
) -> None:
    opsintel("cases", "resolve", WEIGHT, "--discard", "--reason", "scrap", "--yes")
    drained.drain()
    assert "scrap" in opsintel("trace", "parcels", "P4").stdout
    assert answer("trace", "parcels", "P4")["records"][0]["place"] == "discarded"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--discard", "--replay"),
        ("--set", "weight=-1"),
        ("--set", "weight=1=1"),
        ("--replay", "--json"),
    ],
)
@pytest.mark.usefixtures("drained")
def test_a_misused_command_says_so(opsintel: Run, arguments: tuple[str, ...]) -> None:
    assert opsintel("cases", "resolve", WEIGHT, *arguments).exit_code == 2


@pytest.mark.usefixtures("drained")
def test_without_a_reason_nothing_is_left_out(opsintel: Run) -> None:
    result = opsintel("cases", "resolve", WEIGHT, "--discard", "--yes")
    assert result.exit_code == 1
    assert "there has to be a reason" in result.stderr


@pytest.mark.usefixtures("drained")
def test_a_case_lists_what_can_be_decided_with_the_commands(opsintel: Run) -> None:
    shown = opsintel("cases", "show", WEIGHT).stdout
    for command in (
        f"opsintel cases resolve {WEIGHT} --accept --reason TEXT",
        f"opsintel cases resolve {WEIGHT} --set COLUMN=OLD=NEW",
        f"opsintel cases export {WEIGHT} FILE.csv",
        f"opsintel cases snooze {WEIGHT} 2h",
    ):
        assert command in shown
    assert "somebody decides" in shown


@pytest.mark.usefixtures("drained")
def test_somebody_else_is_asked_and_the_clock_is_moved(opsintel: Run, answer: Answer) -> None:
    assert opsintel("cases", "assign", WEIGHT, "team:scales").exit_code == 0
    assert opsintel("cases", "snooze", WEIGHT, "2h").exit_code == 0
    case = answer("cases", "show", WEIGHT)
    assert case["owner"] == "team:scales"
    assert case["due_at"] is not None
    assert len(case["decided"]) == 2
    listed = opsintel("cases", "list").stdout
    assert "in 2.0 h" in listed or "in 120 min" in listed
    assert max(len(line) for line in listed.splitlines()) <= 80
    assert opsintel("cases", "assign", WEIGHT, "the scales people").exit_code == 2
    assert opsintel("cases", "snooze", WEIGHT, "soon").exit_code == 2


def test_edited_rows_go_on_and_the_others_stay(
    drained: Operation, opsintel: Run, root: Path
) -> None:
    file = root / "weights.csv"
    assert "2 records" in opsintel("cases", "export", WEIGHT, str(file)).stdout
    assert "'-1" in file.read_text(encoding="utf-8-sig")
    edited(file, {"P5": {"weight": "7"}})
    result = opsintel("cases", "resolve", WEIGHT, "--file", str(file), "--yes")
    assert result.exit_code == 0, result.output
    drained.drain()
    assert ("P5", "BER", 7.0, None) in drained.table("gate_queue")
    assert [row for row in drained.table("gate_queue") if row[0] == "P4"] == []


def test_a_line_that_could_not_be_read_is_filled_in(
    drained: Operation, opsintel: Run, root: Path
) -> None:
    file = root / "lines.csv"
    opsintel("cases", "export", "parcels.unmapped:readable", str(file))
    cells = {"parcel": "P6", "depot": "BER", "weight": "6"}
    edited(file, {"P6,BER": cells}, by="_text")
    result = opsintel("cases", "resolve", "parcels.unmapped:readable", "--file", str(file), "--yes")
    assert result.exit_code == 0, result.output
    drained.drain()
    assert ("P6", "BER", 6.0, None) in drained.table("gate_queue")


NONSENSE: dict[str, tuple[Callable[[str], str], str]] = {
    "a missing column": (lambda text: text.replace(",weight", ",wait"), "`weight` is missing"),
    "a changed id": (lambda text: text.replace(":5,", ":55,"), "no such row is open"),
    "a new row": (lambda text: text + "x:1,,,P9,BER,1,\n", "no such row is open"),
    "a value that breaks": (lambda text: text.replace("heavy", "light"), "weight.coerce"),
    "too many cells": (lambda text: text.replace("heavy", "heavy,7"), "cells, and the header has"),
    "a row twice": (lambda text: text + text.splitlines()[-1] + "\n", "is about the same row"),
    "another file": (lambda _text: "\x00\x01", "`_record` is missing"),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_an_export_edited_into_nonsense_is_refused_and_nothing_of_it_is_applied(
    drained: Operation, opsintel: Run, root: Path, what: str
) -> None:
    file = root / "weights.csv"
    opsintel("cases", "export", WEIGHT, str(file))
    edited(file, {"P4": {"weight": "4"}})  # this row alone would be fine
    change, said = NONSENSE[what]
    content = file.read_text()
    assert change(content) != content
    file.write_text(change(content))
    result = opsintel("cases", "resolve", WEIGHT, "--file", str(file), "--yes")
    assert result.exit_code == 1
    assert said in result.stderr
    assert "nothing of the file was taken" in result.stderr
    drained.drain()
    assert [row[0] for row in drained.table("gate_queue")] == ["P1"]


@pytest.mark.usefixtures("drained")
def test_an_export_is_never_written_over(opsintel: Run, root: Path) -> None:
    file = root / "weights.csv"
    file.write_text("my edits")
    assert opsintel("cases", "export", WEIGHT, str(file)).exit_code == 1
    assert file.read_text() == "my edits"


@pytest.mark.usefixtures("private")
def test_personal_data_is_masked_in_an_export_and_a_mask_changes_nothing(
    opsintel: Run, root: Path
) -> None:
    (root / "definitions.py").write_text(PRIVATE_DEFINITIONS)
    masked, shown = root / "masked.csv", root / "shown.csv"
    opsintel("cases", "export", "parcels.unmapped:readable", str(masked))
    opsintel("cases", "export", "parcels.unmapped:readable", str(shown), "--show-personal-data")
    assert "P6,BER" not in masked.read_text()
    assert "P6,BER" in shown.read_text()
    result = opsintel(
        "cases", "resolve", "parcels.unmapped:readable", "--file", str(masked), "--yes"
    )
    assert "no row of the file was changed" in result.stderr
    refused = opsintel(
        "cases", "resolve", "parcels.unmapped:readable", "--set", "note=a=b", "--yes"
    )
    assert "personal data" in refused.stderr
