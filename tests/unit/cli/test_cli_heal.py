"""By hand what the sensors would do by themselves, with the plan first."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scenario import DAY_ONE, DEPOTS, Operation
from typer.testing import Result

from opsintel_dagster.ledger import case_listing
from opsintel_dagster.ledger.tables import touch

Run = Callable[..., Result]
Answer = Callable[..., Any]


@pytest.fixture
def away(operation: Operation) -> Operation:
    """The folder of one receiver cannot be used; the other one has its records."""
    (operation.root / "out").write_text("a file where a folder should be")
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drop("parcels", "day1.csv", DAY_ONE)
    operation.drain("depots")
    operation.drain("parcels")
    return operation


def touches(operation: Operation) -> list[tuple[str, str]]:
    with operation.installation.ledger.read() as connection:
        return [(row.kind, row.subject) for row in connection.execute(touch.select())]


def test_an_outcome_without_trouble_says_so(operation: Operation, opsintel: Run) -> None:
    operation.begin()
    result = opsintel("heal", "parcels", "--dry-run")
    assert result.exit_code == 0
    assert "nothing failed" in result.stdout


def test_the_plan_names_what_is_down_and_what_it_holds_back_and_does_nothing(
    away: Operation, answer: Answer
) -> None:
    plan = answer("heal", "parcels", "--dry-run")
    assert not plan["drained"]
    probe, batch = plan["plan"]
    assert probe["does"] == "probe"
    assert probe["about"].startswith("receiver ")
    assert "Not a directory" in probe["why"]
    assert batch["does"] == "try at once"
    assert touches(away) == []


def test_what_is_back_is_delivered_at_once_and_counts_as_a_touch(
    away: Operation, opsintel: Run
) -> None:
    (away.root / "out").unlink()
    result = opsintel("heal", "parcels")
    assert result.exit_code == 0, result.stdout
    assert "probe" in result.stdout
    assert "kept, nothing is outstanding" in result.stdout
    assert touches(away) == [("tried again", "parcels")]
    assert away.files("out/freight")["parcel"].to_list() == ["P2"]


@pytest.mark.usefixtures("away")
def test_what_fails_again_is_named_and_exits_with_1(opsintel: Run) -> None:
    result = opsintel("heal", "parcels")
    assert result.exit_code == 1
    assert "1 failure left" in result.stdout


def test_nobody_by_that_name_is_said_with_those_there_are(
    operation: Operation, opsintel: Run
) -> None:
    operation.begin()
    result = opsintel("heal", "parcel")
    assert result.exit_code == 1
    assert "parcels" in result.stderr


def test_a_stopped_outcome_says_what_to_do_and_goes_on_when_somebody_did(
    operation: Operation, opsintel: Run, answer: Answer
) -> None:
    """The desk's table became a view: nothing that a later attempt would change."""
    operation.begin()
    gate = operation.root / "desk.db"
    shutil.copy(gate, gate.with_suffix(".away"))
    with closing(sqlite3.connect(gate)) as desk:
        desk.execute("ALTER TABLE gate_queue RENAME TO kept")
        desk.execute("CREATE VIEW gate_queue AS SELECT * FROM kept")
    operation.drop("parcels", "day2.csv", "parcel,depot,weight,note\nQ1,HAM,3,\n")
    report = operation.drain()
    assert "waits for a decision" in next(iter(report.failures.values()))
    (step,) = answer("heal", "parcels", "--dry-run")["plan"]
    assert step["does"] == "try once more"
    with operation.installation.ledger.read() as connection:
        (case,) = [
            one
            for one in case_listing.listing(connection, ["parcels"])
            if one.failure_mode == "stopped"
        ]
    assert len(case.facts["stopped"]) == 1
    shown = opsintel("cases", "show", "parcels.stopped").stdout
    assert "opsintel heal parcels" in shown
    gate.unlink()
    gate.with_suffix(".away").rename(gate)
    document = json.loads(opsintel("heal", "parcels", "--json").stdout)
    assert document["failures"] == {}
    assert "closed" in opsintel("cases", "show", "parcels.stopped").stdout


def test_what_healed_by_itself_is_told_from_what_a_person_ended(
    away: Operation, opsintel: Run, answer: Answer
) -> None:
    before = answer("status", "--healing")
    assert before["outcomes"]["parcels"]["open"] == 1
    (still,) = before["open"]
    assert (still["stage"], still["failure_class"]) == ("delivered", "dependency_down")
    (away.root / "out").unlink()
    later = datetime.now(UTC) + timedelta(minutes=2)
    away.drain(clock=lambda: later)
    after = answer("status", "--healing")["outcomes"]["parcels"]
    assert (after["healed"], after["by_people"], after["open"]) == (1, 0, 0)
    assert "100%" in opsintel("status", "--healing", "parcels").stdout


def test_what_a_person_tried_again_is_not_called_healed(
    away: Operation, opsintel: Run, answer: Answer
) -> None:
    (away.root / "out").unlink()
    opsintel("heal", "parcels")
    after = answer("status", "--healing")["outcomes"]["parcels"]
    assert (after["healed"], after["by_people"], after["open"]) == (0, 1, 0)


def test_where_nothing_failed_that_is_said(operation: Operation, opsintel: Run) -> None:
    operation.begin()
    assert "Nothing failed within 30 days" in opsintel("status", "--healing").stdout
