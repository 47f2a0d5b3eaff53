"""What the assets do, without Dagster running it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scenario import DAY_ONE, DEPOTS, HEADER, Operation
from typer.testing import Result

from opsintel_dagster.ledger import hold
from opsintel_dagster.orchestration.declarations import in_order, load_outcomes, module_name

Run = Callable[..., Result]
Answer = Callable[..., Any]
TESTS = Path(__file__).parents[2]


@pytest.fixture
def arrived(operation: Operation) -> Operation:
    """The register and the first day lie in the inboxes."""
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drop("parcels", "day1.csv", DAY_ONE)
    return operation


@pytest.mark.usefixtures("arrived")
def test_all_outcomes_are_drained_references_first(answer: Answer) -> None:
    depots, parcels = answer("drain", "--all")["outcomes"]
    assert (depots["outcome"], parcels["outcome"]) == ("depots", "parcels")
    assert parcels["delivered"]["by_route"] == {"gate": 1, "freight": 1, "nowhere": 1}
    assert parcels["conservation_holds"]
    assert parcels["ok"]


@pytest.mark.usefixtures("arrived")
def test_the_table_says_what_happened_in_each_stage(opsintel: Run) -> None:
    result = opsintel("drain", "depots", "parcels")
    assert result.exit_code == 0
    assert "9 received = 2 delivered + 1 no action + 6 open" in result.stdout
    assert "draining parcels" in result.stderr
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


def test_nothing_but_json_is_on_stdout(arrived: Operation, opsintel: Run) -> None:
    result = opsintel("drain", "--all", "--json")
    assert set(json.loads(result.stdout)) == {"outcomes"}
    assert str(arrived.root) not in result.stdout


def test_a_failed_delivery_is_named_with_its_reason_and_exits_with_1(
    arrived: Operation, opsintel: Run
) -> None:
    (arrived.root / "desk.db").mkdir()
    result = opsintel("drain", "--all")
    assert result.exit_code == 1
    assert "parcels" in result.stdout  # the others go on
    assert "unable to open database file" in result.stderr.replace("\n", " ")


def test_what_could_not_be_read_or_is_held_is_named(arrived: Operation, opsintel: Run) -> None:
    arrived.drop("parcels", "empty.csv", b"")
    arrived.drop("parcels", "other.csv", b"ident,amt\nX,1\n")
    shown = opsintel("drain", "--all").stdout
    assert "unreadable: empty.csv: empty: not even a header" in shown
    assert "held whole: other.csv (arrival.columns)" in shown


def test_a_source_that_is_down_is_a_failure(arrived: Operation, opsintel: Run) -> None:
    (arrived.root / "inbox" / "depots" / "depots.csv").unlink()
    (arrived.root / "inbox" / "depots").rmdir()
    result = opsintel("drain", "depots")
    assert result.exit_code == 1
    assert "the source is down" in result.stdout


def test_a_record_that_is_gone_breaks_the_law_and_exits_with_1(
    arrived: Operation, opsintel: Run
) -> None:
    opsintel("drain", "--all")
    [quarantined] = (arrived.root / ".opsintel" / "store").glob("parcels/*/quarantine-*")
    quarantined.unlink()
    result = opsintel("drain", "parcels")
    assert result.exit_code == 1
    assert "conservation: 3 records found of 9 received" in result.stderr
    assert "BROKEN: not every record is where it should be" in result.stdout


def test_of_many_things_that_are_gone_the_first_are_named(
    arrived: Operation, opsintel: Run
) -> None:
    opsintel("drain", "--all")
    shutil.rmtree(arrived.root / ".opsintel" / "store")
    result = opsintel("drain", "parcels")
    assert result.exit_code == 1
    assert result.stderr.count("it is not there; restore it") == 3
    assert "… and 2 more problems" in result.stderr


def test_an_outcome_somebody_else_drains_is_skipped_and_that_is_fine(
    arrived: Operation, answer: Answer
) -> None:
    ledger = arrived.installation.ledger
    ledger.migrate()
    with hold(ledger, "depots"):
        [one] = answer("drain", "depots")["outcomes"]
    assert one["ok"]
    assert one["skipped"].startswith("held by process")


def test_an_outcome_of_another_location_fails_and_the_others_are_drained(
    arrived: Operation, opsintel: Run
) -> None:
    theirs = (arrived.root / "definitions.py").read_text().replace('"tests"', '"theirs"')
    arrived.drain("depots")
    (arrived.root / "others.py").write_text(theirs)
    result = opsintel("drain", "--all", "-m", "others", "--json")
    assert result.exit_code == 1
    depots, parcels = json.loads(result.stdout)["outcomes"]
    assert "belongs to code location 'tests'" in depots["error"]
    assert parcels["error"] is None


@pytest.mark.usefixtures("operation")
def test_names_or_all_must_be_given_and_not_both(opsintel: Run) -> None:
    assert opsintel("drain").exit_code == 2
    assert opsintel("drain", "parcels", "--all").exit_code == 2


@pytest.mark.usefixtures("operation")
def test_an_outcome_the_module_does_not_declare_is_an_error(opsintel: Run) -> None:
    result = opsintel("drain", "depot")
    assert result.exit_code == 1
    assert "write `depots`" in result.stderr


def test_the_module_is_the_given_one_or_that_of_pyproject_or_definitions(root: Path) -> None:
    assert module_name(root, None) == "definitions"
    (root / "pyproject.toml").write_text('[tool.dagster]\nmodule_name = "ops.defs"\n')
    assert module_name(root, None) == "ops.defs"
    assert module_name(root, "mine") == "mine"


@pytest.mark.usefixtures("operation")
def test_a_module_that_is_not_there_or_defines_nothing_is_named(root: Path, opsintel: Run) -> None:
    result = opsintel("drain", "--all", "-m", "nothere")
    assert result.exit_code == 1
    assert "module nothere: there is none in" in result.stderr
    (root / "empty.py").write_text("")
    result = opsintel("drain", "--all", "-m", "empty")
    assert "it holds no Definitions" in result.stderr


def test_a_wrong_declaration_is_told_with_all_its_findings(root: Path, opsintel: Run) -> None:
    (root / "wrong.py").write_text(
        "from scenario import parcels\n"
        "from opsintel_dagster import build_defs\n"
        "import dagster as dg\n"
        "@dg.definitions\n"
        "def defs():\n"
        "    return build_defs([parcels(key=['parcl'])])\n"
    )
    result = opsintel("drain", "--all", "-m", "wrong")
    assert result.exit_code == 1
    assert "1 problem in the declaration" in result.stderr
    assert "Traceback" not in result.stderr


def test_outcomes_that_refer_to_each_other_in_a_circle_are_all_drained(root: Path) -> None:
    outcomes = load_outcomes(root)
    assert [one.name for one in in_order(outcomes[::-1])] == ["depots", "parcels"]


def test_the_real_command_drains_and_traces(arrived: Operation, root: Path) -> None:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "opsintel_dagster.cli", *arguments]
        return subprocess.run(
            command,
            cwd=root,
            env={"PATH": "", "PYTHONPATH": str(TESTS), "NO_COLOR": "1", "HOME": str(root)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    arrived.close()
    drained = run("drain", "--all")
    assert drained.returncode == 0, drained.stderr
    lost = run("trace", "parcels", "P99")
    assert lost.returncode == 1
    assert "\x1b" not in lost.stderr


def test_a_second_drain_delivers_nothing_twice(arrived: Operation, answer: Answer) -> None:
    answer("drain", "--all")
    arrived.drop("parcels", "day1-again.csv", HEADER + "P1,HAM,2.5,fragile\n")
    answer("drain", "--all")
    assert len(arrived.table("gate_queue")) == 1


def test_status_imports_neither_dagster_nor_polars() -> None:
    command = "import sys, opsintel_dagster.cli.app, opsintel_dagster.cli.status"
    done = subprocess.run(
        [sys.executable, "-c", f"{command}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert not set(done.stdout.split()) & {"dagster", "polars", "pandera", "alembic"}
