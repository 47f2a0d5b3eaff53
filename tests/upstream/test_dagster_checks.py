"""What Dagster does with the checks of an asset, in a run and without one."""

from collections.abc import Iterator

import dagster as dg
import pytest

from opsintel_dagster.orchestration.instance import last_checks

PROMISE, AFTER = dg.AssetKey(["o", "promise"]), dg.AssetKey("after")
CONSERVATION = dg.AssetCheckKey(PROMISE, "conservation")
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


class Promise:
    """`o/promise` with a check, an asset after it, and a count of how often its step was tried."""

    def __init__(self, *, blocking: bool, results: list[dg.AssetCheckResult]) -> None:
        self.tries = 0
        spec = dg.AssetCheckSpec("conservation", asset=PROMISE, blocking=blocking)

        @dg.multi_asset(
            name="o__promise",
            specs=[dg.AssetSpec(PROMISE)],
            check_specs=[spec],
            can_subset=True,
            retry_policy=dg.RetryPolicy(max_retries=2),
        )
        def promise() -> Iterator[object]:
            self.tries += 1
            yield dg.MaterializeResult(asset_key=PROMISE)
            yield from results

        @dg.asset(key=AFTER, deps=[PROMISE])
        def after() -> None: ...

        self.assets = [promise, after]

    def run(self, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
        return dg.materialize(self.assets, instance=instance, raise_on_error=False)


def says(*, passed: bool, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=PROMISE,
        check_name="conservation",
        passed=passed,
        severity=severity,
        metadata={"open": 3},
        description="3 records are missing",
    )


def test_a_failed_blocking_check_fails_the_step_after_the_materialization(instance):
    promise = Promise(blocking=True, results=[says(passed=False, severity=ERROR)])
    result = promise.run(instance)
    assert not result.success
    keys = {event.asset_key for event in result.get_asset_materialization_events()}
    assert keys == {PROMISE}


def test_a_retry_policy_does_not_retry_a_failed_blocking_check(instance):
    promise = Promise(blocking=True, results=[says(passed=False, severity=ERROR)])
    promise.run(instance)
    assert promise.tries == 1


@pytest.mark.parametrize(("blocking", "severity"), [(True, WARN), (False, ERROR), (False, WARN)])
def test_other_failed_checks_leave_the_run_green(instance, blocking, severity):
    promise = Promise(blocking=blocking, results=[says(passed=False, severity=severity)])
    result = promise.run(instance)
    assert result.success
    assert len(result.get_asset_materialization_events()) == 2


def test_a_runless_evaluation_is_accepted_and_is_the_last_one(instance):
    evaluation = dg.AssetCheckEvaluation(
        asset_key=PROMISE,
        check_name="conservation",
        passed=False,
        severity=ERROR,
        metadata={"open": 3},
        description="3 records are missing",
    )
    instance.report_runless_asset_event(evaluation)
    record = last_checks(instance, [CONSERVATION])[CONSERVATION]
    assert not record.passed
    assert record.severity is ERROR
    assert record.metadata["open"].value == 3
    assert record.description == "3 records are missing"
    assert record.at.tzinfo is not None


def test_a_check_that_was_planned_and_left_out_does_not_hide_what_it_last_said(instance):
    Promise(blocking=False, results=[says(passed=False, severity=WARN)]).run(instance)
    Promise(blocking=False, results=[]).run(instance)
    assert not last_checks(instance, [CONSERVATION])[CONSERVATION].passed


def test_a_check_that_was_never_evaluated_has_no_record(instance):
    assert last_checks(instance, [CONSERVATION]) == {}
