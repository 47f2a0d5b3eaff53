"""The real daemon, code server and run workers, killed and misled; run by hand (`pytest -m slow`).

One daemon for all of them. In each scenario nobody touches anything after the fault, unless the
point is that somebody has to; the law and single delivery are looked at in the end, for all.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import dagster as dg
import pytest
from watched_project import OUTCOMES, WatchedProject

pytestmark = pytest.mark.slow
FAILURE, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedProject]:
    started = WatchedProject(tmp_path_factory.mktemp("watched"))
    try:
        yield started
    finally:
        started.close()


def hold(project: WatchedProject, outcome: str) -> None:
    """Let the next verification of the outcome wait, and wait until it does."""
    (project.root / f"hold_{outcome}").touch()
    project.drop(outcome, "one.csv", f"{outcome}1", f"{outcome}2")
    holding = project.root / f"holding_{outcome}"
    project.eventually(holding.exists, f"{outcome} never came to its check")


def worker_of(project: WatchedProject, outcome: str) -> int:
    """The process of the run, as its own events tell it."""
    run = next(run for run in project.runs(outcome) if not run.is_finished)
    with project.instance() as instance:
        said = " ".join(entry.message for entry in instance.all_logs(run.run_id))
    found = re.search(r"\(pid: (\d+)\)", said)
    assert found, said
    return int(found[1])


def arrived(project: WatchedProject, outcome: str, count: int = 2) -> None:
    project.eventually(
        lambda: len(project.delivered(f"outbox/{outcome}")) == count, f"{outcome} did not arrive"
    )


def test_a_file_is_delivered_and_every_promise_has_its_first_heartbeat(project):
    project.drop("letters", "one.csv", "letters1", "letters2")
    arrived(project, "letters")
    with project.instance() as instance:
        for name in OUTCOMES:
            key = dg.AssetKey([name, "promise"])
            project.eventually(
                lambda key=key: instance.get_latest_materialization_event(key), f"{key} has no beat"
            )


def test_a_worker_that_is_killed_is_noted_and_the_next_run_does_its_work(project):
    hold(project, "held")
    os.kill(worker_of(project, "held"), signal.SIGKILL)
    (project.root / "hold_held").unlink()
    arrived(project, "held")
    failed = [run for run in project.runs("held") if run.status is FAILURE]
    assert len(failed) == 1
    noted = project.eventually(
        lambda: project.rows("attempt", outcome="held"), "the healer noted nothing"
    )
    assert [row.run_id for row in noted] == [failed[0].run_id]
    again = project.eventually(
        lambda: [run for run in project.runs("held") if run.status is SUCCESS], "no run succeeded"
    )
    assert any("opsintel/outcome" in run.tags for run in again)


def test_a_worker_killed_with_its_code_server_leaves_a_run_that_is_reaped(project):
    hold(project, "orphaned")
    worker = worker_of(project, "orphaned")
    for pid in [*project.processes("api", "grpc"), worker]:
        os.kill(pid, signal.SIGKILL)
    (project.root / "hold_orphaned").unlink()
    arrived(project, "orphaned")
    project.eventually(
        lambda: all(run.is_finished for run in project.runs("orphaned")),
        "a run is still called STARTED",
    )
    reaped = [run for run in project.runs("orphaned") if run.status is FAILURE]
    assert [run.tags.get("opsintel/healed_by") for run in reaped] == ["opsintel_watch"]


def test_a_daemon_killed_at_work_is_made_good_by_the_next(project):
    project.drop("moved", "one.csv", "moved1", "moved2")
    project.stop(signal.SIGKILL)
    project.start()
    arrived(project, "moved")


def test_a_sensor_that_raises_is_told_and_loses_nothing(project):
    (project.root / "raise").touch()
    project.drop("letters", "two.csv", "letters3")

    def failing() -> bool:
        with project.instance() as instance:
            ticks = [
                tick
                for state in instance.all_instigator_state()
                if state.name == "opsintel_arrivals"
                for tick in instance.get_ticks(
                    state.instigator_origin_id, state.selector_id, limit=3
                )
            ]
        return len(ticks) >= 2 and any(tick.status.value == "FAILURE" for tick in ticks)

    project.eventually(failing, "the sensor did not fail")
    assert "letters3" not in project.delivered("outbox/letters")
    (project.root / "raise").unlink()
    arrived(project, "letters", 3)


def test_a_receiver_that_is_away_opens_one_breaker_for_both_and_both_drain_when_it_is_back(project):
    (project.root / "shared").write_text("a file where a folder should be")
    project.drop("desk_a", "one.csv", "a1")
    opened = project.eventually(
        lambda: [row for row in project.rows("breaker") if row.kind == "receiver"],
        "no breaker opened",
    )
    project.drop("desk_b", "one.csv", "b1")
    project.eventually(
        lambda: [row for row in project.rows("batch", outcome="desk_b") if row.state == "routed"],
        "desk_b was not routed",
    )
    assert len(opened) == 1
    (project.root / "shared").unlink()
    project.eventually(lambda: project.delivered("shared") == ["a1", "b1"], "not both arrived")
    project.eventually(
        lambda: not [row for row in project.rows("breaker") if row.kind == "receiver"],
        "the breaker did not close",
    )


def test_a_retry_is_made_when_it_is_due_and_its_run_says_so(project):
    """The receiver of the scenario before: the run that probed carries the attempt."""
    tags = [run.tags for name in ("desk_a", "desk_b") for run in project.runs(name)]
    again = [one for one in tags if "opsintel/attempt" in one]
    assert again
    assert {one["opsintel/healed_by"] for one in again} <= {"opsintel_arrivals", "opsintel_watch"}
    assert {one.get("opsintel/failure_class") for one in again} >= {"dependency_down"}


def test_a_freshness_lapse_is_told_and_its_end_too(project):
    inbox = project.root / "inbox" / "away"
    inbox.rename(project.root / "inbox" / "hidden")
    project.eventually(
        lambda: project.rows("episode", outcome="away"),
        "nothing was noticed",
        patience=240,
    )
    project.eventually(lambda: project.channel.titles("away"), "nobody was told", patience=60)
    (project.root / "inbox" / "hidden").rename(inbox)
    project.drop("away", "one.csv", "away1", "away2")
    arrived(project, "away")


def test_a_spent_budget_costs_few_runs_one_case_and_one_notice(project):
    (project.root / "break_broken").touch()
    for number in range(12):
        project.drop("broken", f"{number}.csv", f"broken{number}")
    stopped = project.eventually(
        lambda: [row for row in project.rows("breaker") if row.name == "outcome broken"],
        "it never stopped",
    )
    assert stopped[0].retry_at is None
    assert len(project.rows("attempt", outcome="broken")) == 5
    project.eventually(lambda: project.channel.titles("broken"), "nobody was told")
    runs = len(project.runs("broken"))
    assert runs <= 3
    (case,) = project.rows("case", outcome="broken")
    assert (case.failure_mode, case.state) == ("stopped", "open")
    (project.root / "break_broken").unlink()
    time.sleep(15)  # a dozen looks of every sensor
    assert len(project.runs("broken")) == runs, "it went on although it had stopped"
    assert len(project.rows("attempt", outcome="broken")) == 5
    assert len(project.channel.titles("broken")) == 1


def test_a_channel_that_fails_gets_its_notice_when_it_is_back(project):
    project.channel.is_failing = True
    (project.root / "break_letters").touch()
    project.drop("letters", "three.csv", "letters4")
    project.eventually(lambda: project.channel.refused, "nothing was tried")
    project.channel.is_failing = False
    waiting = [row for row in project.rows("notice", outcome="letters") if row.sent_at is None]
    assert waiting
    project.eventually(
        lambda: project.channel.titles("letters"), "the notice never came", patience=180
    )
    (project.root / "break_letters").unlink()


def test_a_deployment_during_a_backlog_loses_and_doubles_nothing(project):
    (project.root / "hold_backlog").touch()
    for number in range(8):
        project.drop("backlog", f"{number}.csv", f"backlog{number}")
    holding = project.root / "holding_backlog"
    project.eventually(holding.exists, "the backlog never began")
    (project.root / "deployed").write_text("second")
    for pid in project.processes("api", "grpc"):
        os.kill(pid, signal.SIGTERM)
    (project.root / "hold_backlog").unlink()
    arrived(project, "backlog", 8)


def test_in_the_end_nothing_is_lost_and_nothing_is_there_twice(project):
    for outcome in ("letters", "held", "orphaned", "moved", "away", "backlog"):
        ids = project.delivered(f"outbox/{outcome}")
        assert len(ids) == len(set(ids)), outcome
    with project.instance() as instance:
        for name in OUTCOMES:
            check = dg.AssetCheckKey(dg.AssetKey([name, "promise"]), "conservation")
            records = instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
            for record in records:
                evaluation = record.event.asset_check_evaluation
                assert evaluation is None or evaluation.passed, name


def test_a_person_who_decides_ends_the_stop(project: WatchedProject) -> None:
    environment = {
        **os.environ,
        "OPSINTEL_ROOT": str(project.root),
        "CHANNEL": "json://127.0.0.1:9",
    }
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(project.root), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    command = [
        sys.executable,
        "-m",
        "opsintel_dagster.cli",
        "heal",
        "broken",
        "-m",
        "ops.definitions",
    ]
    done = subprocess.run(
        command, cwd=project.root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(project.delivered("outbox/broken")) == 12
