"""How much ran untouched, from the command line."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from scenario import HEADER, Operation
from typer.testing import Result

from opsintel_dagster.cli.release import user
from opsintel_dagster.ledger import entries
from opsintel_dagster.ledger.tables import touch

Run = Callable[..., Result]
Answer = Callable[..., Any]


@pytest.mark.usefixtures("drained")
def test_a_drained_day_says_what_is_untouched_and_what_is_open(answer: Answer) -> None:
    found = answer("status", "--autonomy")
    assert found["days"] == 28
    parcels = found["outcomes"]["parcels"]
    assert (parcels["received"], parcels["came_through"], parcels["quarantined"]) == (9, 9, 6)
    assert parcels["share_untouched"] == pytest.approx(1 / 3)
    (costly, *others) = parcels["causes"]
    assert costly["failure_mode"] == "unknown_depot"
    assert costly["open_minutes"] == 6 * costly["open"] == parcels["open_minutes"]
    assert sum(one["records"] for one in (costly, *others)) == 6
    assert len(parcels["trend"]) == 4
    assert found["outcomes"]["depots"]["share_untouched"] == 1


def test_touches_are_counted_with_their_minutes_and_estimates_apart(
    drained: Operation, answer: Answer, opsintel: Run
) -> None:
    with drained.installation.ledger.write() as connection:
        entries.touched(connection, "parcels", "ada", "decided", "x", minutes=9)
        entries.touched(connection, "parcels", "ada", "decided", "y", minutes=18, is_estimate=True)
        entries.touched(connection, "parcels", "ada", "manual run", "z")
    parcels = answer("status", "--autonomy", "parcels")["outcomes"]["parcels"]
    assert (parcels["touches"], parcels["touches_untimed"]) == (3, 1)
    assert parcels["minutes_per_1000"] == pytest.approx(1_000)
    assert parcels["minutes_per_1000_estimated"] == pytest.approx(2_000)
    shown = opsintel("status", "--autonomy").stdout
    assert "touches: decided 2, manual run 1; of 1 nobody knows the minutes" in shown


@pytest.mark.usefixtures("drained")
def test_it_can_be_read_on_eighty_columns(opsintel: Run) -> None:
    shown = opsintel("status", "--autonomy").stdout
    assert max(len(line) for line in shown.splitlines()) <= 80
    (row,) = (line.split() for line in shown.splitlines() if line.startswith("parcels  "))
    assert row[1:4] == ["9", "33.3%", "0"]
    assert "untouched by week, oldest first: —  —  —  33.3%" in " ".join(shown.split("\n"))
    assert "all of them" in shown


def test_a_share_is_whole_only_if_every_record_is(operation: Operation, opsintel: Run) -> None:
    operation.drop("depots", "depots.csv", "code,city\nHAM,Hamburg\n")
    operation.drain("depots")
    good = "".join(f"P{number},HAM,1,\n" for number in range(3_000))
    operation.drop("parcels", "day1.csv", f"{HEADER}{good}X,HAM,-1,\n")
    operation.drain("parcels")
    shown = opsintel("status", "--autonomy").stdout
    assert "99.9%" in shown
    assert "bad_weight: 1 record; open: 1" in shown


@pytest.mark.usefixtures("drained")
def test_days_are_looked_back_one_by_one(answer: Answer) -> None:
    trend = answer("status", "--autonomy", "--days", "7", "parcels")["outcomes"]["parcels"]["trend"]
    assert [day["received"] for day in trend] == [0, 0, 0, 0, 0, 0, 9]


def test_healing_and_autonomy_are_asked_one_at_a_time(opsintel: Run) -> None:
    result = opsintel("status", "--autonomy", "--healing")
    assert result.exit_code == 2
    assert "one at a time" in result.stderr


def test_a_drain_by_hand_is_one_touch_of_each_outcome_drained(
    operation: Operation, answer: Answer
) -> None:
    answer("drain", "depots")
    answer("drain", "--all")
    operation.drain("depots")
    found = answer("status", "--autonomy")["outcomes"]
    assert found["depots"]["touches_by_kind"] == {"drain by hand": 2}
    assert found["parcels"]["touches_by_kind"] == {"drain by hand": 1}
    with operation.installation.ledger.read() as connection:
        actors = {row.actor for row in connection.execute(touch.select())}
    assert actors == {f"opsintel drain ({user()})"}


def test_where_nothing_arrived_it_says_so(operation: Operation, opsintel: Run) -> None:
    operation.drain("depots")
    assert "Nothing arrived within 28 days, and nobody" in opsintel("status", "--autonomy").stdout


def test_it_needs_no_dagster() -> None:
    code = "import sys, opsintel_dagster.cli.autonomy\nsys.exit('dagster' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
