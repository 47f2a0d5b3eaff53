"""Events without a run, freshness, and the metadata the UI understands."""

from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster_shared.check import CheckError

from opsintel_dagster.orchestration.instance import freshness_states

PROMISE = dg.AssetKey(["o", "promise"])


def test_a_runless_materialization_is_the_latest_one_and_numbers_stay_numbers(instance):
    metadata = {"records": 3, "share": 0.5, "note": "quiet"}
    instance.report_runless_asset_event(dg.AssetMaterialization(PROMISE, metadata=metadata))
    event = instance.get_latest_materialization_event(PROMISE)
    assert event is not None
    assert event.asset_materialization is not None
    kept = event.asset_materialization.metadata
    assert isinstance(kept["records"], dg.IntMetadataValue)
    assert isinstance(kept["share"], dg.FloatMetadataValue)
    assert isinstance(kept["note"], dg.TextMetadataValue)


def test_asset_records_of_many_keys_come_at_once_with_the_time_of_the_last_materialization(
    instance,
):
    instance.report_runless_asset_event(dg.AssetMaterialization(PROMISE))
    records = instance.get_asset_records([PROMISE, dg.AssetKey("never")])
    times = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization_record
        for record in records
    }
    assert list(times) == [PROMISE]
    last = times[PROMISE]
    assert last is not None
    assert last.timestamp > 0


def test_what_the_freshness_daemon_said_can_be_read(instance):
    assert freshness_states(instance, [PROMISE]) == {}
    change = FreshnessStateChange(
        key=PROMISE,
        previous_state=FreshnessState.UNKNOWN,
        new_state=FreshnessState.FAIL,
        state_change_timestamp=1.0,
    )
    instance.report_runless_asset_event(change)
    assert freshness_states(instance, [PROMISE]) == {PROMISE: FreshnessState.FAIL}


def test_a_freshness_policy_stands_on_the_spec_and_survives_into_the_asset():
    policy = dg.FreshnessPolicy.time_window(fail_window=timedelta(minutes=15))

    @dg.multi_asset(specs=[dg.AssetSpec(PROMISE, freshness_policy=policy)])
    def promise() -> None: ...

    assert promise.specs_by_key[PROMISE].freshness_policy == policy


def test_a_freshness_window_of_a_minute_is_the_shortest():
    assert dg.FreshnessPolicy.time_window(fail_window=timedelta(seconds=60))
    with pytest.raises(CheckError):
        dg.FreshnessPolicy.time_window(fail_window=timedelta(seconds=59))


def test_a_column_schema_is_read_by_the_ui_under_its_own_key():
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(
                "dest",
                type="String",
                constraints=dg.TableColumnConstraints(nullable=False, other=["dest_known"]),
                tags={"pii": ""},
            )
        ]
    )
    spec = dg.AssetSpec(PROMISE, metadata={"dagster/column_schema": schema})
    found = spec.metadata["dagster/column_schema"]
    assert found.columns[0].constraints.other == ["dest_known"]
