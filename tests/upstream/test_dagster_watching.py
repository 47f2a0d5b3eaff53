"""What Dagster keeps of its own machinery: ticks, heartbeats, changes of freshness."""

from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from opsintel_dagster.orchestration.instance import (
    daemon_heartbeats,
    ends_long_runs,
    fail_run,
    freshness_changes,
    location_name,
    newest_freshness_change,
    not_fresh,
    sensor_ticks,
)

PROMISE = dg.AssetKey(["o", "promise"])
AT = datetime(2026, 6, 1, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """An instance with a disk: one without keeps no ticks."""
    folder = str(tmp_path_factory.mktemp("home"))
    with dg.DagsterInstance.local_temp(folder) as local:
        yield local


def change(before: FreshnessState, now: FreshnessState, at: float) -> FreshnessStateChange:
    return FreshnessStateChange(
        key=PROMISE, previous_state=before, new_state=now, state_change_timestamp=at
    )


def sensor_state(
    name: str, status: InstigatorStatus, *, at: float | None = None, location: str = "here"
) -> InstigatorState:
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__"), name
    )
    data = SensorInstigatorData(last_tick_start_timestamp=at)
    return InstigatorState(origin, InstigatorType.SENSOR, status, data)


def tick(state: InstigatorState, status: TickStatus, at: float) -> TickData:
    cause = SerializableErrorInfo("OSError: no disk\nmore of it\n", [], "OSError")
    error = SerializableErrorInfo("SensorError: around it\n", [], "SensorError", cause=cause)
    return TickData(
        instigator_origin_id=state.instigator_origin_id,
        instigator_name=state.instigator_name,
        instigator_type=InstigatorType.SENSOR,
        status=status,
        timestamp=at,
        selector_id=state.selector_id,
        error=error if status is TickStatus.FAILURE else None,
    )


def test_changes_of_freshness_are_read_from_a_cursor_in_their_order(kept):
    assert newest_freshness_change(kept) == 0
    assert freshness_changes(kept, 0, 10) == ([], 0)
    kept.report_runless_asset_event(change(FreshnessState.UNKNOWN, FreshnessState.PASS, 1.0))
    first = newest_freshness_change(kept)
    assert first > 0
    kept.report_runless_asset_event(dg.AssetMaterialization(PROMISE))
    kept.report_runless_asset_event(change(FreshnessState.PASS, FreshnessState.FAIL, 2.0))
    kept.report_runless_asset_event(change(FreshnessState.FAIL, FreshnessState.PASS, 3.0))
    found, last = freshness_changes(kept, first, 10)
    assert [(one.before, one.state, one.at.timestamp()) for one in found] == [
        ("PASS", "FAIL", 2.0),
        ("FAIL", "PASS", 3.0),
    ]
    assert [one.has_lapsed for one in found] == [True, False]
    assert [one.has_recovered for one in found] == [False, True]
    assert not_fresh(kept, [PROMISE]) == []
    assert freshness_changes(kept, last, 10) == ([], last)
    assert len(freshness_changes(kept, 0, 2)[0]) == 2


def test_the_ticks_of_a_sensor_say_when_it_ticked_last_and_whether_it_only_fails(kept):
    assert sensor_ticks(kept, ["watch"], 3) == []
    fine = sensor_state("watch", InstigatorStatus.DECLARED_IN_CODE, at=AT.timestamp())
    bad = sensor_state("watch", InstigatorStatus.RUNNING, location="there")
    stopped = sensor_state("heal", InstigatorStatus.STOPPED)
    other = sensor_state("theirs", InstigatorStatus.RUNNING)
    for state in (fine, bad, stopped, other):
        kept.add_instigator_state(state)
    kept.create_tick(tick(fine, TickStatus.FAILURE, 1.0))
    kept.create_tick(tick(fine, TickStatus.SKIPPED, 2.0))
    for at in range(1, 4):
        kept.create_tick(tick(bad, TickStatus.FAILURE, float(at)))
    kept.create_tick(tick(bad, TickStatus.STARTED, 4.0))
    found = {(one.name, one.location): one for one in sensor_ticks(kept, ["watch", "heal"], 3)}
    assert len(found) == 3
    assert found["watch", "here"].ticked_at == AT
    assert found["watch", "here"].failures == 0
    assert found["watch", "there"].failures == 3
    assert found["watch", "there"].error == "OSError: no disk"
    assert found["watch", "there"].ticked_at == datetime.fromtimestamp(4.0, UTC)
    assert found["heal", "here"].is_stopped
    assert found["heal", "here"].ticked_at is None


def test_an_instance_without_a_disk_keeps_no_ticks_and_needs_no_daemon(instance):
    assert sensor_ticks(instance, ["watch"], 3) is None
    assert daemon_heartbeats(instance) == {}


def test_daemons_that_are_needed_are_known_with_their_last_heartbeat(kept):
    kept.add_daemon_heartbeat(DaemonHeartbeat(AT.timestamp(), "SENSOR", "id"))
    found = daemon_heartbeats(kept)
    assert found["SENSOR"] == AT
    assert found["FRESHNESS_DAEMON"] is None
    assert "QUEUED_RUN_COORDINATOR" in found


def test_a_run_can_be_failed_from_outside_and_whether_dagster_would_is_known(kept):
    assert not ends_long_runs(kept)
    run = kept.create_run_for_job(
        dg.Definitions([dg.asset(lambda: None, name="a")], jobs=[dg.define_asset_job("all")])
        .resolve_job_def("all"),
        status=dg.DagsterRunStatus.STARTED,
    )  # fmt: skip
    fail_run(kept, run, "Exceeded maximum runtime of 1 seconds.")
    failed = kept.get_run_by_id(run.run_id)
    assert failed is not None
    assert failed.status is dg.DagsterRunStatus.FAILURE


def test_a_context_made_by_hand_knows_no_code_location(instance):
    with dg.build_sensor_context(instance=instance) as context:
        assert location_name(context) is None
