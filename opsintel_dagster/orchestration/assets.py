"""The assets of an outcome: five ops, each drains its stage and tells Dagster what came of it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import dagster as dg

from opsintel_dagster.orchestration.asset_feed import feed_opener
from opsintel_dagster.orchestration.checks import check_specs
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.drain import Drain
from opsintel_dagster.orchestration.evaluations import SOURCE_DOWN
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.instance import (
    CheckRecord,
    assets_downstream,
    carry,
    last_checks,
    quiet,
)
from opsintel_dagster.orchestration.keys import STAGE_TAG, asset_key, op_name
from opsintel_dagster.orchestration.manual_runs import count_run
from opsintel_dagster.orchestration.reports import Stage, StageReport
from opsintel_dagster.orchestration.shown import Shown, shown
from opsintel_dagster.orchestration.specs import outcome_specs
from opsintel_dagster.orchestration.unresolved import report_unresolved

Execute: TypeAlias = Callable[[dg.AssetExecutionContext, Compiled, Stage], StageReport]
"""Drains one stage of an outcome inside a step."""

_ASSETS_OF: Final[Mapping[Stage, tuple[str, ...]]] = {
    Stage.ARRIVALS: ("arrivals",),
    Stage.VERIFIED: ("verified", "quarantine"),
    Stage.ROUTED: ("routed",),
    Stage.DELIVERED: ("delivered",),
    Stage.PROMISE: ("promise",),
}


def drain_stage(context: dg.AssetExecutionContext, compiled: Compiled, stage: Stage) -> StageReport:
    """Drain what is outstanding for one stage, in the installation of the environment.

    The first stage of a run that a person started counts as a touch, whichever stage that is.

    Raises:
        OpsintelError: the stage as a whole could not be done; single batches that fail do not
            raise, they stand in the report.
    """
    instance = context.instance

    def is_run_finished(run_id: str) -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and run.is_finished

    with Installation.open() as installation:
        drain = Drain(
            compiled,
            installation,
            run_id=context.run.run_id,
            actor="dagster",
            is_run_finished=is_run_finished,
            open_feed=feed_opener(instance, installation.settings.root),
        )
        drain.bind()
        count_run(installation.ledger, compiled.name, context.run.run_id, context.run.tags)
        stages: Mapping[Stage, Callable[[], StageReport]] = {
            Stage.ARRIVALS: drain.arrivals,
            Stage.VERIFIED: drain.verified,
            Stage.ROUTED: drain.routed,
            Stage.DELIVERED: drain.delivered,
            Stage.PROMISE: drain.promise,
        }
        return stages[stage]()


def outcome_assets(
    compiled: Compiled,
    *,
    get_spec: Callable[[dg.AssetSpec], dg.AssetSpec] = lambda spec: spec,
    execute: Execute = drain_stage,
) -> list[dg.AssetsDefinition]:
    """The six assets of an outcome, from five ops.

    `get_spec` may change anything of a spec but its key, which the ledger knows the outcome by.
    """
    specs = {name: get_spec(spec) for name, spec in outcome_specs(compiled).items()}
    return [_stage_assets(compiled, stage, specs, execute) for stage in Stage]


def _stage_assets(
    compiled: Compiled, stage: Stage, specs: Mapping[str, dg.AssetSpec], execute: Execute
) -> dg.AssetsDefinition:
    names = _ASSETS_OF[stage]

    def body(context: dg.AssetExecutionContext) -> Iterator[object]:
        report = execute(context, compiled, stage)
        # Nothing is logged before the stage is done: a log line can fail where the event log is
        # away, and must not do so between a delivery and its receipt.
        if report.skipped:
            context.log.warning(f"skipped: {report.skipped}")
        for subject, reason in report.failures.items():
            context.log.warning(f"{subject}: {reason}")
        if stage is Stage.DELIVERED and not report.skipped:  # the quarantine's check spoke before
            with Installation.open() as installation:
                report_unresolved(context.instance, installation, [compiled])
        later: list[str] = []
        if report.downstream is not None:
            later = assets_downstream(context, asset_key(compiled.name, names[-1]))
        yield from _results(context, compiled, shown(compiled, report, later))

    return dg.multi_asset(
        name=op_name(compiled.name, stage),
        specs=[specs[name] for name in names],
        check_specs=[check for name in names for check in check_specs(compiled, name)],
        can_subset=True,
        op_tags={STAGE_TAG: stage.value},
    )(carry(body, compiled))


def _results(
    context: dg.AssetExecutionContext, compiled: Compiled, told: list[Shown]
) -> Iterator[object]:
    """Every selected asset gets an output, every selected check what it says now.

    A check that was planned and says nothing would be shown as skipped and hide what it said
    before, so where nothing new is known its last evaluation is repeated.
    """
    checks = context.selected_asset_check_keys
    new = {
        dg.AssetCheckKey(asset_key(compiled.name, one.asset), evaluation.name)
        for one in told
        for evaluation in one.evaluations
    }
    last = last_checks(context.instance, [check for check in checks if check not in new])
    for one in told:
        key = asset_key(compiled.name, one.asset)
        if key in context.selected_asset_keys:
            yield _output(key, one)
        for evaluation in one.evaluations:
            if dg.AssetCheckKey(key, evaluation.name) in checks:
                yield evaluation.result(key)
        for evaluation in one.otherwise:
            check = dg.AssetCheckKey(key, evaluation.name)
            if check in checks and (check not in last or SOURCE_DOWN in last[check].metadata):
                last.pop(check, None)
                yield evaluation.result(key)
    for check, record in last.items():
        yield _repeated(check, record)


def _output(key: dg.AssetKey, one: Shown) -> "dg.MaterializeResult[None]":
    if one.metadata is None:
        return quiet(key)
    version = dg.DataVersion(one.data_version) if one.data_version else None
    return dg.MaterializeResult(asset_key=key, metadata=one.metadata, data_version=version)


def _repeated(check: dg.AssetCheckKey, record: CheckRecord) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=check.asset_key,
        check_name=check.name,
        passed=record.passed,
        severity=record.severity,
        metadata=dict(record.metadata),
        description=record.description,
    )
