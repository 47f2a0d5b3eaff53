"""The sensor: it wakes what has work, never twice at once, and says that quiet outcomes live."""

import threading
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from running import Running, materialized, woken
from scenario import DAY_ONE, DEPOTS, HEADER, MORE_DEPOTS, depots, parcels

from opsintel_dagster.errors import SettingsError
from opsintel_dagster.orchestration import heartbeats, sensors
from opsintel_dagster.orchestration.instance import last_checks
from opsintel_dagster.orchestration.pacing import Pacing
from opsintel_dagster.orchestration.sensors import interval_seconds, longest_runtime
from opsintel_dagster.orchestration.waking import Look, Polls

PROMISE = dg.AssetKey(["parcels", "promise"])
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def begun(running, monkeypatch):
    """The promise as if it had been watched for long: it is due for a sign of life at any time."""
    monkeypatch.setattr(heartbeats, "BEATS_PER_WINDOW", 1_000_000_000)
    running.instance.report_runless_asset_event(dg.AssetMaterialization(PROMISE))
    return running.instance.get_latest_materialization_event(PROMISE)


def test_nothing_outstanding_wakes_nobody_and_creates_no_ledger(running):
    tick = running.tick()
    assert woken(tick) == []
    assert "Nothing is outstanding" in tick.skip_message
    assert not running.operation.installation.ledger.exists()


def test_a_file_in_the_inbox_wakes_its_outcome_with_all_of_its_assets(running):
    running.operation.drop("parcels", "day1.csv", DAY_ONE)
    (request,) = running.tick().run_requests
    assert request.tags["opsintel/outcome"] == "parcels"
    names = {key.to_user_string() for key in request.asset_selection}
    assert len(names) == 6
    assert all(name.startswith("parcels/") for name in names)


def test_the_costliest_outcome_is_asked_first_and_its_run_goes_before_others(running):
    running.operation.redeclare(depots(cost_per_hour=10), parcels(cost_per_hour=4200.4))
    running.deploy()
    running.operation.drop("depots", "depots.csv", DEPOTS)
    running.operation.drop("parcels", "day1.csv", DAY_ONE)
    requests = running.tick().run_requests
    assert [request.tags["dagster/priority"] for request in requests] == ["4200", "10"]
    assert {request.tags["dagster/max_runtime"] for request in requests} == {"3600", "14400"}


def test_what_was_drained_wakes_nobody_again(running):
    running.operation.drop("depots", "depots.csv", DEPOTS)
    assert woken(running.tick()) == ["depots"]
    running.run("depots")
    assert woken(running.tick()) == []


def test_an_outcome_that_runs_is_not_woken_a_second_time(running):
    running.operation.drop("depots", "depots.csv", DEPOTS)
    job = running.repository.get_job("opsintel_drain")
    run = running.instance.create_run_for_job(
        job, tags={"opsintel/outcome": "depots"}, status=dg.DagsterRunStatus.NOT_STARTED
    )
    tick = running.tick()
    assert woken(tick) == []
    assert "already running: depots" in tick.skip_message
    running.instance.report_run_canceled(run)
    assert woken(running.tick()) == ["depots"]


def test_a_run_that_has_been_started_for_ever_does_not_keep_its_outcome_asleep(
    running, monkeypatch
):
    running.operation.drop("depots", "depots.csv", DEPOTS)
    job = running.repository.get_job("opsintel_drain")
    running.instance.create_run_for_job(
        job, tags={"opsintel/outcome": "depots"}, status=dg.DagsterRunStatus.STARTED
    )
    assert woken(running.tick()) == []
    monkeypatch.setattr(sensors, "longest_runtime", lambda _compiled: timedelta(0))
    assert woken(running.tick()) == ["depots"]


def test_work_that_a_run_did_not_get_rid_of_is_tried_again_later_and_new_work_at_once(running):
    running.operation.drop("depots", "depots.csv", DEPOTS)
    first = running.tick()
    assert woken(first) == ["depots"]
    again = running.tick(first.cursor)
    assert woken(again) == []
    assert "tried a moment ago: depots" in again.skip_message
    running.operation.drop("depots", "more.csv", MORE_DEPOTS)
    assert woken(running.tick(again.cursor)) == ["depots"]


def test_a_lost_or_garbled_cursor_only_costs_patience(running):
    running.operation.drop("depots", "depots.csv", DEPOTS)
    for cursor in (None, "", "{", "[]", '{"depots": 1}'):
        assert woken(running.tick(cursor)) == ["depots"]


def test_a_reference_that_changed_wakes_the_outcome_whose_records_it_may_heal(running):
    running.begin()
    running.run()
    assert woken(running.tick()) == []
    running.operation.drop("depots", "more.csv", MORE_DEPOTS)
    running.run("depots")
    assert woken(running.tick()) == ["parcels"]
    assert materialized(running.run())["quarantine"]["replayed"] == 2
    assert woken(running.tick()) == []


def test_a_batch_that_waits_for_a_reference_is_woken_when_the_reference_is_there(running):
    running.operation.drop("parcels", "day1.csv", DAY_ONE)
    running.run()
    assert woken(running.tick()) == []
    running.operation.drop("depots", "depots.csv", DEPOTS)
    running.run("depots")
    assert woken(running.tick()) == ["parcels"]


def test_a_source_nobody_can_ask_wakes_nobody_and_gets_no_sign_of_life(running, monkeypatch):
    inbox = running.operation.root / "inbox" / "parcels"
    inbox.rmdir()
    running.operation.redeclare(
        depots(), parcels(source={"kind": "files", "path": {"env": "NO_SUCH_INBOX"}})
    )
    running.deploy()
    running.operation.drop("depots", "depots.csv", DEPOTS)
    before = begun(running, monkeypatch)
    assert woken(running.tick()) == ["depots"]
    assert running.instance.get_latest_materialization_event(PROMISE) == before


def test_a_quiet_outcome_gets_a_sign_of_life_and_not_at_every_tick(running, monkeypatch):
    running.tick()
    assert running.instance.get_latest_materialization_event(PROMISE) is None  # the watcher's
    running.instance.report_runless_asset_event(dg.AssetMaterialization(PROMISE))
    with monkeypatch.context() as patched:
        patched.setattr(heartbeats, "BEATS_PER_WINDOW", 1_000_000_000)
        running.tick()
    first = running.instance.get_latest_materialization_event(PROMISE)
    assert first is not None
    assert first.run_id == ""
    running.tick()
    assert running.instance.get_latest_materialization_event(PROMISE) == first


def test_a_sign_of_life_keeps_what_the_last_drain_counted_in_sight(running, monkeypatch):
    running.begin()
    monkeypatch.setattr(heartbeats, "BEATS_PER_WINDOW", 1_000_000_000)
    running.tick()
    event = running.instance.get_latest_materialization_event(PROMISE)
    assert event is not None
    assert event.run_id == ""
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["received"].value == 9


def test_checks_outlive_a_sign_of_life_and_are_said_once_more_only(running, monkeypatch):
    running.begin()
    monkeypatch.setattr(heartbeats, "BEATS_PER_WINDOW", 1_000_000_000)
    checks = [dg.AssetCheckKey(PROMISE, name) for name in ("conservation", "deadline")]
    before = last_checks(running.instance, checks)
    assert [before[check].is_bound for check in checks] == [True, True]
    running.tick()
    said = last_checks(running.instance, checks)
    assert [said[check].is_bound for check in checks] == [False, False]
    for check in checks:
        assert (said[check].passed, said[check].description, said[check].metadata) == (
            before[check].passed,
            before[check].description,
            before[check].metadata,
        )
    running.tick()
    assert last_checks(running.instance, checks) == said


def test_a_missed_deadline_is_kept_again_with_the_sign_of_life(running, monkeypatch):
    monkeypatch.setattr(heartbeats, "BEATS_PER_WINDOW", 1_000_000_000)
    running.instance.report_runless_asset_event(dg.AssetMaterialization(PROMISE))
    missed = dg.AssetCheckEvaluation(
        asset_key=PROMISE, check_name="deadline", passed=False, metadata={}
    )
    running.instance.report_runless_asset_event(missed)
    running.tick()
    deadline = dg.AssetCheckKey(PROMISE, "deadline")
    assert last_checks(running.instance, [deadline])[deadline].passed


def test_an_outcome_with_something_older_than_promised_gets_no_sign_of_life(running, monkeypatch):
    before = begun(running, monkeypatch)
    running.operation.drop("parcels", "day1.csv", DAY_ONE, age=timedelta(minutes=16))
    running.tick()
    assert running.instance.get_latest_materialization_event(PROMISE) == before


def test_an_outcome_whose_law_is_broken_gets_no_sign_of_life(running, monkeypatch):
    broken = dg.AssetCheckEvaluation(
        asset_key=PROMISE, check_name="conservation", passed=False, metadata={}
    )
    before = begun(running, monkeypatch)
    running.instance.report_runless_asset_event(broken)
    running.tick()
    assert running.instance.get_latest_materialization_event(PROMISE) == before


def test_a_source_that_hangs_starves_nobody_and_is_not_asked_twice(running):
    asked: list[str] = []
    free = threading.Event()

    def poll(compiled):
        asked.append(compiled.name)
        if compiled.name == "parcels":
            free.wait(10)
        return []

    outcomes = list(running.operation.compiled.values())
    polls = Polls()
    looks = polls.look(outcomes, poll, 0.2)
    assert looks["depots"] == Look()
    assert looks["parcels"].error == "the source has not answered yet"
    polls.look(outcomes, poll, 0.1)
    assert asked.count("parcels") == 1
    free.set()
    assert polls.look(outcomes, poll, 5)["parcels"] == Look()


def test_the_pause_before_the_same_work_doubles_up_to_ten_minutes():
    pacing = Pacing()
    pauses = []
    for _ in range(7):
        pacing.asked("parcels", "work", NOW)
        pause = next(
            s for s in range(1200) if pacing.is_due("parcels", "work", NOW + timedelta(seconds=s))
        )
        pauses.append(pause)
    assert pauses == [30, 60, 120, 240, 480, 600, 600]
    kept = Pacing.read(pacing.write())
    assert not kept.is_due("parcels", "work", NOW)
    kept.forget([])
    assert kept.is_due("parcels", "work", NOW)


def test_a_run_may_take_four_times_the_promise_and_at_least_an_hour(running):
    compiled = running.operation.compiled
    assert longest_runtime(compiled["parcels"]) == timedelta(hours=1)
    assert longest_runtime(compiled["depots"]) == timedelta(hours=4)


def test_the_interval_comes_from_the_environment(monkeypatch):
    assert interval_seconds() == 30
    monkeypatch.setenv("OPSINTEL_SENSOR_SECONDS", "2")
    assert interval_seconds() == 2
    for wrong in ("0", "-1", "2.5", "soon"):
        monkeypatch.setenv("OPSINTEL_SENSOR_SECONDS", wrong)
        with pytest.raises(SettingsError, match="OPSINTEL_SENSOR_SECONDS"):
            interval_seconds()


def test_the_sensor_acts_on_the_outcomes_of_its_own_location_only(running):
    running.operation.drop("parcels", "day1.csv", DAY_ONE)
    running.operation.drop("depots", "depots.csv", DEPOTS)
    running.run("depots")
    running.run()
    running.operation.drop("parcels", "day2.csv", HEADER + "P9,HAM,3,\n")
    running.operation.redeclare(depots())
    alone = Running(running.operation, running.instance)
    assert woken(alone.tick()) == []
