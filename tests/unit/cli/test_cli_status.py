"""Is every promise kept, and what is in the way of those that are not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scenario import HEADER, Operation, depots, parcels
from typer.testing import Result

from opsintel_dagster.ledger import batches, breakers
from opsintel_dagster.ledger.breakers import BreakerKind

Run = Callable[..., Result]


@pytest.mark.usefixtures("drained")
def test_status_counts_what_waits_what_is_open_and_what_nobody_touched(
    answer: Callable[..., Any],
) -> None:
    by_name = {one["outcome"]: one for one in answer("status")["outcomes"]}
    parcels_ = by_name["parcels"]
    assert not parcels_["is_late"]
    assert parcels_["outstanding_batches"] == 0
    assert (parcels_["open_cases"], parcels_["open_records"]) == (4, 6)
    assert round(parcels_["autonomy"], 6) == round(3 / 9, 6)
    assert by_name["depots"]["autonomy"] == 1.0
    assert parcels_["owner"] == "team:parcels"


@pytest.mark.usefixtures("drained")
def test_status_fits_eighty_columns(opsintel: Run) -> None:
    shown = opsintel("status").stdout
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "parcels" in shown
    assert "4 cases" in shown


@pytest.mark.usefixtures("drained")
def test_in_a_narrow_terminal_no_word_is_cut(
    opsintel: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    shown = opsintel("status").stdout
    assert max(len(line) for line in shown.splitlines()) <= 60
    for whole in ("parcels", "kept", "4 cases", "6 records"):
        assert whole in shown
    assert "untouched" not in shown


def test_a_broken_promise_is_said_first_with_its_reason_and_exits_with_1(
    operation: Operation, opsintel: Run
) -> None:
    operation.redeclare(depots(cost_per_hour=10), parcels(cost_per_hour=900))
    operation.drop("parcels", "day1.csv", HEADER + "P1,HAM,1,\n", age=timedelta(hours=2))
    operation.drain("parcels")  # its register has delivered nothing: the batch waits
    operation.drain("depots")
    result = opsintel("status")
    assert result.exit_code == 1
    assert "BROKEN" in result.stdout
    assert "900 an hour" in result.stdout
    assert result.stdout.index("parcels") < result.stdout.index("depots")
    assert "outcome depots has delivered nothing yet" in result.stdout.replace("\n", " ")


def test_a_record_that_is_gone_breaks_the_promise_until_it_is_found(
    drained: Operation, opsintel: Run, answer: Callable[..., Any]
) -> None:
    file = next((drained.root / ".opsintel" / "store").glob("parcels/*/quarantine-*"))
    hidden = file.rename(file.with_suffix(".hidden"))
    drained.drain()
    result = opsintel("status")
    assert result.exit_code == 1
    assert "records missing" in result.stdout
    shown = " ".join(result.stdout.split())
    assert "parcels: 3 records found of 9 received" in shown
    assert "the ledger names this file and it is not there" in shown
    hidden.rename(file)
    drained.drain()
    parcels_ = answer("status", "parcels")["outcomes"][0]
    assert not parcels_["is_broken"]
    assert parcels_["unaccounted"] is None


def test_outcomes_whose_promise_is_broken_come_in_the_order_of_what_they_cost(
    operation: Operation,
    opsintel: Run,
) -> None:
    operation.redeclare(
        depots(cost_per_hour=900), parcels(name="cheap", cost_per_hour=1), parcels(cost_per_hour=50)
    )
    for name in ("cheap", "parcels"):
        (operation.root / "inbox" / name).mkdir(exist_ok=True)
    operation.drop("parcels", "day1.csv", HEADER + "P1,HAM,1,\n", age=timedelta(hours=2))
    for name in ("cheap", "parcels"):
        operation.drain(name)
    operation.drain("depots")
    shown = opsintel("status").stdout
    assert shown.index("parcels") < shown.index("cheap") < shown.index("depots")


@pytest.mark.usefixtures("drained")
def test_only_the_outcomes_that_are_named_are_shown(answer: Callable[..., Any]) -> None:
    assert [one["outcome"] for one in answer("status", "depots")["outcomes"]] == ["depots"]


@pytest.mark.usefixtures("drained")
def test_an_outcome_nobody_knows_is_an_error_that_says_what_was_meant(opsintel: Run) -> None:
    result = opsintel("status", "parcel", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.strip() == "there is no outcome `parcel` here; write `parcels`"


def test_without_a_ledger_it_is_said_how_to_get_one(operation: Operation, opsintel: Run) -> None:
    result = opsintel("status")
    assert result.exit_code == 1
    assert "there is no ledger at" in result.stderr
    assert not (operation.root / ".opsintel").exists()


def test_an_arrival_that_came_out_late_stays_counted(
    drained: Operation, answer: Callable[..., Any]
) -> None:
    drained.drop("parcels", "day0.csv", HEADER + "P0,HAM,1,\n", age=timedelta(hours=2))
    drained.drain()
    assert answer("status", "parcels")["outcomes"][0]["late_arrivals"] == 1


def test_what_has_stopped_what_was_given_up_and_what_is_down_are_among_the_troubles(
    operation: Operation, opsintel: Run, answer: Callable[..., Any]
) -> None:
    operation.drop("parcels", "day1.csv", HEADER + "P1,HAM,1,\n")
    operation.drain("parcels")  # its register has delivered nothing: the batch waits
    operation.drain("depots")
    now = datetime(2026, 6, 1, 10, tzinfo=UTC)
    with operation.installation.ledger.write() as connection:
        (waiting,) = batches.outstanding(connection, "parcels")
        batches.fail(
            connection,
            waiting.id,
            failure_class="permission",
            reason="no rights",
            attempts=3,
            next_attempt_at=None,
            is_given_up=True,
        )
        batches.block(connection, waiting.id, "receiver desk")
        for name, kind, retry_at in (
            ("outcome parcels", BreakerKind.OUTCOME, None),
            ("outcome depots", BreakerKind.OUTCOME, now),
            ("receiver desk", BreakerKind.RECEIVER, now),
            ("source inbox/depots/*.csv", BreakerKind.SOURCE, now),
            ("receiver nobody waits for", BreakerKind.RECEIVER, now),
        ):
            breakers.open_(
                connection,
                name,
                kind,
                failure_class="bug",
                reason=f"because of {kind}",
                retry_at=retry_at,
                now=now,
            )
    at, why, of_source = "2026-06-01 10:00:00 UTC", "because of receiver", "because of source"
    by_name = {one["outcome"]: one["troubles"] for one in answer("status")["outcomes"]}
    assert by_name["parcels"] == [
        f"it has stopped since {at}: because of outcome; when mended: opsintel heal parcels",
        f"receiver desk is down since {at}, 1 batch held back, the next probe is due {at}: {why}",
        "1 batch given up: no rights",
    ]
    assert by_name["depots"] == [
        f"it failed as a whole and is tried again {at}: because of outcome",
        f"source inbox/depots/*.csv is down since {at}, the next probe is due {at}: {of_source}",
    ]
    shown = opsintel("status").stdout
    assert max(len(line) for line in shown.splitlines()) <= 80
