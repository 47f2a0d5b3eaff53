"""The watcher: first it acts, then it tells, once; and no tick of it ends badly."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from desk import Desk, opened_desk
from running import Running, woken
from scenario import DEPOTS, HEADER, depots, parcels
from sqlalchemy import Engine, event, select

from opsintel_dagster.ledger import batches, breakers
from opsintel_dagster.ledger.breakers import BreakerKind, outcome_breaker
from opsintel_dagster.ledger.lease import hold
from opsintel_dagster.ledger.tables import breaker, entry, episode, notice
from opsintel_dagster.orchestration import (
    heartbeats,
    pacing,
    reaping,
    watch_acting,
    watch_dagster,
    watch_telling,
)
from opsintel_dagster.orchestration.instance import SensorTicks
from opsintel_dagster.orchestration.watch_cursor import WatchCursor
from opsintel_dagster.watching import escalation

PROMISE = dg.AssetKey(["parcels", "promise"])
ONE = HEADER + "P1,HAM,2.5,\n"


@pytest.fixture
def desk() -> Iterator[Desk]:
    with opened_desk() as opened:
        yield opened


def watch(running: Running, cursor: str | None = None) -> Any:
    return running.tick(cursor, "opsintel_watch")


def rows(running: Running, table: Any, *where: Any) -> list[Any]:
    with running.operation.installation.ledger.read() as connection:
        return list(connection.execute(select(table).where(*where)))


def told_through(running: Running, url: str, **notices: Any) -> None:
    """Deploy parcels whose owner is told through this channel."""
    declared = {"channels": {"team:parcels": [url]}, **notices}
    running.operation.redeclare(depots(), parcels(notices=declared))
    running.deploy()


def late_file(running: Running) -> None:
    running.operation.drop("parcels", "late.csv", ONE, age=timedelta(minutes=16))


def held_back(running: Running, outcome: str, since: datetime) -> None:
    """Let the outcome's one new batch wait behind the breaker of a receiver."""
    running.run(outcome, ["arrivals"])
    with running.operation.installation.ledger.write() as connection:
        (waiting,) = batches.outstanding(connection, outcome)
        batches.block(connection, waiting.id, "receiver desk")
        breakers.open_(
            connection,
            "receiver desk",
            BreakerKind.RECEIVER,
            failure_class="dependency_down",
            reason="refused",
            retry_at=since,
            now=since,
        )


def delivered_register(running: Running) -> None:
    running.operation.drop("depots", "depots.csv", DEPOTS)
    running.operation.drain("depots")


def test_where_nothing_is_wrong_nothing_is_done_and_no_ledger_is_made(running):
    tick = watch(running)
    assert woken(tick) == []
    assert tick.skip_message == "Nothing is wrong, and nothing was ever drained."
    assert not running.operation.installation.ledger.exists()


def test_a_promise_that_never_gave_a_sign_of_life_gets_its_first_one_here_and_once(running):
    late_file(running)  # even so: only then can its freshness fail
    first = watch(running)
    event = running.instance.get_latest_materialization_event(PROMISE)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.description == "the watch begins"
    running.tick()
    watch(running, first.cursor)
    assert running.instance.get_latest_materialization_event(PROMISE) == event


def test_what_is_late_is_woken_once_a_pause_and_says_by_whom(running, monkeypatch):
    late_file(running)
    first = watch(running)
    (request,) = first.run_requests
    assert request.tags["opsintel/outcome"] == "parcels"
    assert request.tags["opsintel/healed_by"] == "opsintel_watch"
    assert len(request.asset_selection) == 6
    again = watch(running, first.cursor)
    assert woken(again) == []
    monkeypatch.setattr(pacing, "FIRST_PAUSE_SECONDS", 0.0)
    assert woken(watch(running, again.cursor)) == ["parcels"]


def test_a_quiet_outcome_that_has_just_been_looked_at_is_not_asked_once_more(running):
    late_file(running)
    beat = dg.AssetMaterialization(PROMISE, description=heartbeats.HEARTBEAT)
    running.instance.report_runless_asset_event(beat)
    assert woken(watch(running)) == []
    running.instance.report_runless_asset_event(dg.AssetMaterialization(PROMISE))
    assert woken(watch(running)) == ["parcels"]  # a run says nothing of what came since


def test_what_is_not_late_is_left_to_the_arrivals_sensor(running):
    running.operation.drop("parcels", "new.csv", ONE)
    assert woken(watch(running)) == []


def test_an_outcome_that_runs_or_has_stopped_is_not_woken(running):
    late_file(running)
    job = running.repository.get_job("opsintel_drain")
    run = running.instance.create_run_for_job(
        job, tags={"opsintel/outcome": "parcels"}, status=dg.DagsterRunStatus.NOT_STARTED
    )
    assert woken(watch(running)) == []
    running.instance.report_run_canceled(run)
    ledger = running.operation.installation.ledger
    ledger.migrate()
    with ledger.write() as connection:
        breakers.open_(
            connection,
            outcome_breaker("parcels"),
            BreakerKind.OUTCOME,
            failure_class="bug",
            reason="60 attempts failed",
            retry_at=None,
            now=datetime.now(UTC),
        )
    assert woken(watch(running)) == []
    titles = [row.title for row in rows(running, episode)]
    assert "parcels has stopped" in titles


def test_only_outcomes_of_its_own_location_are_watched(running):
    late_file(running)
    running.operation.redeclare(depots())
    alone = Running(running.operation, running.instance)
    assert woken(watch(alone)) == []
    assert running.instance.get_latest_materialization_event(PROMISE) is None


def test_a_notice_arrives_once_over_many_ticks_and_so_does_that_it_is_over(
    running, desk, monkeypatch
):
    delivered_register(running)
    told_through(running, desk.channel)
    late_file(running)
    running.operation.drop("parcels", "fine.csv", HEADER + "P2,HAM,1,\n")
    cursor = None
    for _ in range(3):
        tick = watch(running, cursor)
        cursor = tick.cursor
    assert desk.told == ["[parcels] The promise is late: the oldest record waits for 16m"]
    running.operation.drain("parcels")
    monkeypatch.setattr(escalation, "OVER_AFTER", timedelta(0))
    for _ in range(2):
        cursor = watch(running, cursor).cursor
    (_, resolved) = desk.told
    assert resolved.startswith("[parcels] Resolved: The promise is late")


def test_a_broken_channel_and_a_dead_man_url_that_hangs_do_not_end_the_tick(
    running, desk, monkeypatch
):
    desk.hangs = threading.Event()
    monkeypatch.setattr(watch_telling, "PING_SECONDS", 0.3)
    monkeypatch.setenv("PING_URL", desk.url("secret"))
    told_through(running, "json://127.0.0.1:1/", ping={"env": "PING_URL"})
    late_file(running)
    started = time.monotonic()
    tick = watch(running)
    desk.hangs.set()
    assert time.monotonic() - started < 15
    assert woken(tick) == ["parcels"]
    assert desk.called == ["/secret"]
    (waiting,) = rows(running, notice)
    assert (waiting.state, waiting.attempts) == ("failed", 1)


def test_each_dead_man_url_is_called_once_a_tick_and_one_that_fails_is_told_masked(
    running, desk, monkeypatch
):
    both = {"ping": desk.url("one")}
    unset = parcels(name="more", notices={"ping": {"env": "NO_URL"}})
    running.operation.redeclare(depots(notices=both), parcels(notices=both), unset)
    (running.operation.root / "inbox" / "more").mkdir()
    running.deploy()
    monkeypatch.delenv("NO_URL", raising=False)
    watch(running)
    assert desk.called == ["/one"]
    failures = watch_telling.ping_all(running.operation.compiled.values())
    assert list(failures) == ["$NO_URL"]


@pytest.fixture
def stuck(running, monkeypatch):
    """A run of parcels that started long ago, and what the rest of the system thinks of it."""
    monkeypatch.setattr(reaping, "SHORTEST_RUNTIME", timedelta(0))
    monkeypatch.setattr(reaping, "longest_runtime", lambda _: timedelta(seconds=-1))
    running.operation.installation.ledger.migrate()
    job = running.repository.get_job("opsintel_drain")
    return running.instance.create_run_for_job(
        job, tags={"opsintel/outcome": "parcels"}, status=dg.DagsterRunStatus.STARTED
    )


def test_a_run_that_is_stuck_is_ended_and_the_healer_takes_it_from_there(
    running, stuck, monkeypatch
):
    begun = running.tick(None, "opsintel_healer")
    seen = watch(running)
    run = running.instance.get_run_by_id(stuck.run_id)
    assert run.status is dg.DagsterRunStatus.STARTED  # its heartbeat may move yet
    monkeypatch.setattr(reaping, "STANDS_STILL", timedelta(0))
    watch(running, seen.cursor)
    run = running.instance.get_run_by_id(stuck.run_id)
    assert run.status is dg.DagsterRunStatus.FAILURE
    assert run.tags["opsintel/healed_by"] == "opsintel_watch"
    (kept,) = rows(running, entry, entry.c.kind == "run reaped")
    assert (kept.outcome, kept.actor, kept.subject) == ("parcels", "opsintel_watch", run.run_id)
    running.tick(begun.cursor, "opsintel_healer")
    run = running.instance.get_run_by_id(stuck.run_id)
    assert run.tags["opsintel/failure_class"] == "transient"


def test_a_run_whose_worker_lives_is_told_and_not_ended(running, stuck):
    ledger = running.operation.installation.ledger
    with hold(ledger, "parcels", run_id=stuck.run_id):
        cursor = watch(running).cursor
        with ledger.write() as connection:  # its heartbeat, which comes every two seconds
            connection.exec_driver_sql("UPDATE opsintel_lease SET beat = beat + 1")
        watch(running, cursor)
    run = running.instance.get_run_by_id(stuck.run_id)
    assert run.status is dg.DagsterRunStatus.STARTED
    assert [row.kind for row in rows(running, episode)] == ["run_stuck"]


def test_a_run_of_another_job_that_holds_no_lease_is_told_and_not_ended(
    running, stuck, monkeypatch
):
    monkeypatch.setattr(reaping, "STANDS_STILL", timedelta(0))
    monkeypatch.setattr(reaping, "JOB_NAME", "another")
    watch(running, watch(running).cursor)
    assert running.instance.get_run_by_id(stuck.run_id).status is dg.DagsterRunStatus.STARTED
    (told,) = rows(running, episode)
    assert "no sign of life" in told.facts["detail"]


def test_a_run_that_dagster_ends_itself_is_left_to_it(running, stuck, monkeypatch):
    monkeypatch.setattr(reaping, "STANDS_STILL", timedelta(0))
    monkeypatch.setattr(reaping, "ends_long_runs", lambda _: True)
    running.instance.add_run_tags(stuck.run_id, {"dagster/max_runtime": "3600"})
    watch(running)
    assert running.instance.get_run_by_id(stuck.run_id).status is dg.DagsterRunStatus.STARTED
    assert rows(running, episode) == []


def test_what_waits_behind_a_breaker_that_nobody_probes_is_woken(running):
    delivered_register(running)
    running.operation.drop("parcels", "new.csv", ONE)
    ledger = running.operation.installation.ledger
    past = datetime.now(UTC) - timedelta(minutes=3)
    held_back(running, "parcels", past)
    assert woken(watch(running)) == ["parcels"]
    with ledger.write() as connection:
        connection.execute(breaker.update().values(retry_at=datetime.now(UTC)))
    assert woken(watch(running)) == []  # the arrivals sensor has its time


def test_a_receiver_of_two_outcomes_that_is_down_is_told_to_their_owner_once(running, desk):
    notices = {"channels": {"team:parcels": [desk.channel]}}
    parcels_cost_more = parcels(notices=notices, cost_per_hour=600)
    both = depots(owner="team:parcels", notices=notices), parcels_cost_more
    running.operation.redeclare(*both)
    running.deploy()
    running.operation.drop("depots", "depots.csv", DEPOTS)
    running.operation.drop("parcels", "new.csv", ONE)
    for name in ("depots", "parcels"):
        held_back(running, name, datetime.now(UTC) - timedelta(hours=2))
    cursor = watch(running).cursor
    watch(running, cursor)
    assert desk.told == ["[parcels] receiver desk has been down for 2h"]
    (told,) = rows(running, notice)
    assert "It holds back depots too." in told.body


def test_a_lapse_of_freshness_between_two_ticks_is_in_the_account_and_told_once(running):
    delivered_register(running)
    cursor = watch(running).cursor
    changes = [("UNKNOWN", "PASS"), ("PASS", "FAIL"), ("FAIL", "PASS")]
    for at, (before, now) in enumerate(changes):
        running.instance.report_runless_asset_event(
            FreshnessStateChange(
                key=PROMISE,
                previous_state=FreshnessState(before),
                new_state=FreshnessState(now),
                state_change_timestamp=float(at),
            )
        )
    watch(running, cursor)
    watch(running, cursor)  # as if the tick had died before its cursor was kept
    kept = rows(running, entry, entry.c.actor == "opsintel_watch")
    assert [(row.kind, row.outcome, row.subject) for row in kept] == [
        ("freshness lapsed", "parcels", "promise"),
        ("freshness kept again", "parcels", "promise"),
    ]


def test_an_asset_that_dagster_calls_stale_is_told_unless_it_was_materialized_since(
    running, monkeypatch
):
    delivered_register(running)
    cursor = watch(running).cursor
    running.instance.report_runless_asset_event(
        FreshnessStateChange(
            key=PROMISE,
            previous_state=FreshnessState.PASS,
            new_state=FreshnessState.FAIL,
            state_change_timestamp=1.0,
        )
    )
    cursor = watch(running, cursor).cursor
    assert rows(running, episode) == []
    monkeypatch.setattr(watch_dagster, "freshness_window", lambda *_: timedelta(0))
    watch(running, cursor)
    assert [(row.kind, row.subject) for row in rows(running, episode)] == [
        ("freshness_failed", "promise")
    ]


def test_a_garbled_cursor_starts_anew(running):
    for cursor in (None, "", "{", "[]", '{"beats": 1}', '{"freshness": "x"}', '{"pacing": 7}'):
        late_file(running)
        assert woken(watch(running, cursor)) == ["parcels"]
        running.instance.wipe()


def test_a_ledger_that_cannot_be_reached_ends_no_tick_and_is_pinged_all_the_same(
    running, desk, monkeypatch
):
    told_through(running, desk.channel, ping=desk.url("alive"))
    monkeypatch.setenv("OPSINTEL_LEDGER_URL", "postgresql+psycopg2://a:secret@127.0.0.1:1/b")
    tick = watch(running)
    assert "cannot be reached" in tick.skip_message
    assert "secret" not in tick.skip_message
    assert desk.called == ["/alive"]


def test_a_silent_sensor_is_told_and_one_that_is_stopped_says_so(running, monkeypatch):
    delivered_register(running)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    found = [
        SensorTicks("opsintel_arrivals", "ops", is_stopped=True, ticked_at=long_ago),
        SensorTicks("opsintel_healer", "ops", is_stopped=False, ticked_at=long_ago),
    ]
    monkeypatch.setattr(watch_dagster, "sensor_ticks", lambda *_: found)
    cursor = watch(running).cursor
    (stopped,) = rows(running, episode)
    assert stopped.title == "The sensor opsintel_arrivals of code location tests is stopped"
    assert stopped.outcome is None
    monkeypatch.setattr(watch_dagster, "FRESH_START", timedelta(0))  # it is no fresh start
    watch(running, cursor)
    titles = {row.title for row in rows(running, episode)}
    assert "The sensor opsintel_healer of code location tests does not tick" in titles


def test_a_silent_source_is_told_from_its_last_arrival_on(running, monkeypatch):
    source = {"kind": "files", "path": "inbox/parcels/*", "settle": "0s", "expect": "1m"}
    running.operation.redeclare(depots(), parcels(source=source))
    running.deploy()
    delivered_register(running)
    running.operation.drop("parcels", "new.csv", ONE)
    cursor = watch(running).cursor
    running.operation.drain("parcels")
    watch(running, cursor)
    assert rows(running, episode) == []
    long_ago = {"parcels": datetime.now(UTC) - timedelta(hours=2)}
    monkeypatch.setattr("opsintel_dagster.ledger.standing.last_arrivals", lambda *_: long_ago)
    watch(running, cursor)
    assert [row.title for row in rows(running, episode)] == ["The source is silent for 2h"]


def test_a_look_takes_as_many_queries_for_many_outcomes_as_for_few(running, monkeypatch):
    def statements(number: int) -> int:
        several = [parcels(name=f"p{at}") for at in range(number)]
        running.operation.redeclare(depots(), *several)
        running.deploy()
        watch(running)  # the first one gives the first signs of life
        seen: list[str] = []

        def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        event.listen(Engine, "before_cursor_execute", count)
        try:
            watch(running)
        finally:
            event.remove(Engine, "before_cursor_execute", count)
        return len(seen)

    delivered_register(running)
    monkeypatch.setattr(watch_acting, "vouched_for", lambda outcomes, *_: names(outcomes))
    assert statements(2) == statements(8)


def names(outcomes: Any) -> set[str]:
    return {one.name for one in outcomes}


def test_signs_of_life_are_bounded_and_the_costliest_outcome_gets_its_first(running, monkeypatch):
    monkeypatch.setattr(heartbeats, "MOST_FIRST", 1)
    running.operation.redeclare(depots(cost_per_hour=1), parcels(cost_per_hour=2))
    running.deploy()
    register = dg.AssetKey(["depots", "promise"])
    watch(running)
    assert running.instance.get_latest_materialization_event(PROMISE) is not None
    assert running.instance.get_latest_materialization_event(register) is None
    watch(running)
    assert running.instance.get_latest_materialization_event(register) is not None


def test_the_cursor_forgets_what_was_missed_while_nobody_looked():
    now = datetime(2026, 6, 1, tzinfo=UTC)
    cursor = WatchCursor(freshness=7)
    cursor.missed_since("daemon X", now)
    cursor.stood_since("run", "1 2", now)
    text = cursor.write(now)
    soon = WatchCursor.read(text, now + timedelta(minutes=1))
    assert (soon.freshness, list(soon.missed), list(soon.beats)) == (7, ["daemon X"], ["run"])
    assert soon.missed_since("daemon X", now + timedelta(minutes=1)) == now
    late = WatchCursor.read(text, now + timedelta(minutes=6))
    assert (late.freshness, late.missed, late.beats) == (7, {}, {})
    assert json.loads(WatchCursor().write(now)).get("freshness") is None
