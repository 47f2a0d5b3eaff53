"""The demo as a newcomer starts it: the real command, in a folder like the project's."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from demo_recount import recount

PROJECT = Path(__file__).parents[2]
DESKS = ("rebooking", "care", "gate")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder without anything that a run leaves behind."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(
        PROJECT / "definitions",
        folder / "definitions",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("pyproject.toml", "dagster.yaml", "workspace.yaml"):
        shutil.copy(PROJECT / name, folder)
    return folder


def opsintel(folder: Path, *arguments: str) -> str:
    """What the command says on stdout; it must succeed."""
    ours = ("OPSINTEL_", "DAGSTER_", "DESK_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    command = [sys.executable, "-W", "ignore", "-m", "opsintel_dagster.cli", *arguments]
    ran = subprocess.run(
        command,
        cwd=folder,
        env=environment | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def queued(folder: Path) -> dict[str, int]:
    """How many departures lie on each desk."""
    with sqlite3.connect(folder / ".opsintel" / "desk.db") as desk:
        return {
            name: desk.execute(f"SELECT count(*) FROM {name}_queue").fetchone()[0] for name in DESKS
        }


def test_the_demo_delivers_once_however_often_it_runs_and_the_quarantine_heals(
    folder: Path,
) -> None:
    table = opsintel(folder, "demo", "--days", "2")

    inbox = folder / "inbox"
    days = sorted((inbox / "departures").glob("*.csv"))
    registers = inbox / "airports" / "airports.csv", inbox / "aircraft" / "planes.csv"
    expected = recount(days, *registers)
    assert len(days) == 2
    assert queued(folder) == expected.delivered
    assert f"{expected.received:,} found of {expected.received:,}" in table
    for label, records in {**expected.delivered, **expected.quarantined, **expected.warned}.items():
        assert [label, f"{records:,}"] in [line.split()[:2] for line in table.splitlines()]
    assert "1 late" in table
    assert f"{days[1].name} was passed on late, on purpose." in table

    assert "→ delivered" in opsintel(folder, *_next_step(table, "trace"))
    assert "unknown_destination" in opsintel(folder, *_next_step(table, "cases"))

    shutil.copy(folder / ".opsintel" / "demo" / "airports-corrected.csv", registers[0])
    healed = _json(opsintel(folder, "demo", "--days", "2", "--json"))
    expected = recount(days, *registers)
    assert {one["failure_mode"]: one["open"] for one in healed["quarantined"] if one["open"]} == (
        expected.quarantined
    )
    assert healed["received"] == expected.received
    assert healed["delivered"] == expected.delivered == queued(folder)
    assert healed["conservation"]["open"] == sum(expected.quarantined.values())

    with dg.DagsterInstance.from_config(str(folder)) as instance:
        runs = instance.get_runs()
        assert {run.job_name for run in runs} == {"opsintel_drain"}
        assert all(run.is_success for run in runs)


def _json(text: str) -> dict[str, Any]:
    """The figures of the flights."""
    outcomes: list[dict[str, Any]] = json.loads(text)["outcomes"]
    return next(one for one in outcomes if one["outcome"] == "flight_disruptions")


def _next_step(table: str, command: str) -> list[str]:
    """The arguments of a command as the demo prints it."""
    line = next(line for line in table.splitlines() if f"opsintel {command}" in line)
    return line[line.index(command) :].split()
