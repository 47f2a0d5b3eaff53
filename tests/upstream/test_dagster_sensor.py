"""What a sensor may ask for, and what it can know."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

KEYS = [dg.AssetKey(["o", "arrivals"]), dg.AssetKey(["p", "arrivals"])]


@dg.multi_asset(specs=[dg.AssetSpec(key, tags={"opsintel": ""}) for key in KEYS], can_subset=True)
def arrivals(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    for key in context.selected_asset_keys:
        yield dg.MaterializeResult(asset_key=key)


@dg.asset
def other() -> None: ...


JOB = dg.define_asset_job(
    "opsintel_drain",
    selection=dg.AssetSelection.tag("opsintel", ""),
    executor_def=dg.in_process_executor,
)


@dg.sensor(
    name="opsintel_arrivals",
    job=JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def wake(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    assert context.repository_def is not None
    known = context.repository_def.assets_defs_by_key
    request = dg.RunRequest(
        asset_selection=[key for key in known if key.path[0] == "o"],
        tags={"opsintel/outcome": "o", "dagster/priority": "42", "dagster/max_runtime": "3600"},
    )
    return dg.SensorResult(run_requests=[request], cursor="7")


DEFINITIONS = dg.Definitions(assets=[arrivals, other], jobs=[JOB], sensors=[wake])


def test_a_sensor_sees_the_assets_of_its_location_and_asks_for_some_of_one_shared_job(instance):
    context = dg.build_sensor_context(
        instance=instance, repository_def=DEFINITIONS.get_repository_def()
    )
    with context:
        data = wake.evaluate_tick(context)
    (request,) = data.run_requests or []
    assert request.asset_selection == [KEYS[0]]
    assert request.tags["dagster/priority"] == "42"
    assert data.cursor == "7"


def test_a_job_selected_by_tag_holds_the_assets_that_carry_it():
    job = DEFINITIONS.resolve_job_def("opsintel_drain")
    assert job.asset_layer.executable_asset_keys == set(KEYS)


def test_a_shared_job_runs_the_assets_of_one_outcome_only(instance):
    job = DEFINITIONS.resolve_job_def("opsintel_drain")
    result = job.execute_in_process(instance=instance, asset_selection=[KEYS[0]])
    assert {event.asset_key for event in result.get_asset_materialization_events()} == {KEYS[0]}


def test_the_same_job_and_sensor_given_twice_are_one():
    again = dg.Definitions(jobs=[JOB], sensors=[wake])
    merged = dg.Definitions.merge(DEFINITIONS, again)
    assert [sensor.name for sensor in merged.get_repository_def().sensor_defs] == [
        "opsintel_arrivals"
    ]


def test_runs_are_found_by_tag_and_status_with_their_times(instance):
    job = DEFINITIONS.resolve_job_def("opsintel_drain")
    before = datetime.now(UTC).timestamp()
    job.execute_in_process(instance=instance, tags={"opsintel/outcome": "o"})
    job.execute_in_process(instance=instance, tags={"opsintel/outcome": "p"})
    (record,) = instance.get_run_records(
        dg.RunsFilter(tags={"opsintel/outcome": "o"}, statuses=[dg.DagsterRunStatus.SUCCESS])
    )
    assert record.dagster_run.tags["opsintel/outcome"] == "o"
    assert record.end_time is not None
    assert record.end_time >= before - 1


def test_one_query_finds_the_runs_of_several_outcomes(instance):
    job = DEFINITIONS.resolve_job_def("opsintel_drain")
    for outcome in ("o", "p", "q"):
        job.execute_in_process(instance=instance, tags={"opsintel/outcome": outcome})
    records = instance.get_run_records(dg.RunsFilter(tags={"opsintel/outcome": ["o", "q"]}))
    assert {record.dagster_run.tags["opsintel/outcome"] for record in records} == {"o", "q"}
