"""What Dagster does with multi-assets of which only a part is yielded."""

from collections.abc import Iterator

import dagster as dg

from opsintel_dagster.orchestration.instance import NO_EVENT, quiet

ARRIVALS, VERIFIED, QUARANTINE = (
    dg.AssetKey(["o", name]) for name in ("arrivals", "verified", "quarantine")
)


def definitions(first: list[object]) -> dg.Definitions:
    """`o/arrivals` yields `first`; `o/verified` and `o/quarantine` come after it, from one op."""

    @dg.multi_asset(
        name="o__arrivals",
        specs=[dg.AssetSpec(ARRIVALS, skippable=True)],
        check_specs=[
            dg.AssetCheckSpec("readable", asset=ARRIVALS),
            dg.AssetCheckSpec("drift", asset=ARRIVALS),
        ],
        can_subset=True,
    )
    def arrivals() -> Iterator[object]:
        yield from first

    @dg.multi_asset(
        name="o__verified",
        specs=[
            dg.AssetSpec(VERIFIED, deps=[ARRIVALS], skippable=True),
            dg.AssetSpec(QUARANTINE, deps=[ARRIVALS], skippable=True),
        ],
        check_specs=[dg.AssetCheckSpec("dest_known", asset=VERIFIED)],
        can_subset=True,
    )
    def verified(context: dg.AssetExecutionContext) -> Iterator[object]:
        for key in sorted(context.selected_asset_keys):
            yield dg.MaterializeResult(asset_key=key)

    job = dg.define_asset_job("drain", selection="*", executor_def=dg.in_process_executor)
    return dg.Definitions(assets=[arrivals, verified], jobs=[job])


def drain(
    first: list[object], instance: dg.DagsterInstance, **options: object
) -> dg.ExecuteInProcessResult:
    job = definitions(first).resolve_job_def("drain")
    return job.execute_in_process(instance=instance, raise_on_error=False, **options)


def materialized(result: dg.ExecuteInProcessResult) -> set[dg.AssetKey]:
    events = result.get_asset_materialization_events()
    return {event.asset_key for event in events if event.asset_key}


def test_an_output_that_was_not_yielded_skips_everything_downstream(instance):
    result = drain([], instance)
    assert result.success
    assert materialized(result) == set()
    assert [event.step_key for event in result.all_events if event.is_step_skipped] == [
        "o__verified"
    ]


def test_a_quiet_output_stores_no_event_and_lets_the_steps_downstream_go_on(instance):
    result = drain([quiet(ARRIVALS)], instance)
    assert result.success
    assert materialized(result) == {VERIFIED, QUARANTINE}
    assert instance.get_latest_materialization_event(ARRIVALS) is None


def test_the_mark_of_a_quiet_output_is_dagsters_own():
    from dagster._core.definitions.source_asset import (  # noqa: PLC0415
        SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION,
    )

    assert NO_EVENT == SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION


def test_checks_of_a_subsettable_multi_asset_may_be_left_out(instance):
    readable = dg.AssetCheckResult(asset_key=ARRIVALS, check_name="readable", passed=True)
    result = drain([dg.MaterializeResult(asset_key=ARRIVALS), readable], instance)
    assert result.success
    assert [evaluation.check_name for evaluation in result.get_asset_check_evaluations()] == [
        "readable"
    ]


def test_a_check_may_be_evaluated_without_a_materialization(instance):
    readable = dg.AssetCheckResult(asset_key=ARRIVALS, check_name="readable", passed=True)
    result = drain([quiet(ARRIVALS), readable], instance)
    assert result.success
    assert len(result.get_asset_check_evaluations()) == 1


def test_a_subset_of_assets_runs_the_op_with_what_was_selected(instance):
    result = drain([], instance, asset_selection=[QUARANTINE])
    assert result.success
    assert materialized(result) == {QUARANTINE}


def test_an_asset_that_was_not_selected_must_not_be_yielded(instance):
    @dg.multi_asset(
        specs=[dg.AssetSpec(VERIFIED, skippable=True), dg.AssetSpec(QUARANTINE, skippable=True)],
        can_subset=True,
    )
    def both() -> Iterator[object]:
        yield dg.MaterializeResult(asset_key=VERIFIED)
        yield dg.MaterializeResult(asset_key=QUARANTINE)

    result = dg.materialize([both], instance=instance, selection=[VERIFIED], raise_on_error=False)
    assert not result.success


def test_data_version_and_code_version_given_by_the_stage_are_stored(instance):
    result = drain(
        [dg.MaterializeResult(asset_key=ARRIVALS, data_version=dg.DataVersion("closed-7"))],
        instance,
    )
    assert result.success
    event = instance.get_latest_materialization_event(ARRIVALS)
    assert event is not None
    assert event.asset_materialization is not None
    assert (event.asset_materialization.tags or {})["dagster/data_version"] == "closed-7"


def test_re_execution_of_some_steps_does_not_need_the_outputs_of_the_others(instance):
    job = definitions([quiet(ARRIVALS)]).resolve_job_def("drain")
    result = job.execute_in_process(instance=instance, op_selection=["o__verified"])
    assert result.success
    assert materialized(result) == {VERIFIED, QUARANTINE}
