"""What Dagster is told after a stage has drained: per asset, an event or none, and its checks."""

from collections.abc import Sequence
from dataclasses import dataclass

from opsintel_dagster.orchestration import evaluations as says
from opsintel_dagster.orchestration import metadata as tells
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.evaluations import Evaluation
from opsintel_dagster.orchestration.metadata import MetadataDict
from opsintel_dagster.orchestration.reports import (
    ArrivalsReport,
    DeliveredReport,
    PromiseReport,
    RoutedReport,
    StageReport,
    VerifiedReport,
)
from opsintel_dagster.orchestration.symptom_evaluations import symptom_evaluations


@dataclass(frozen=True)
class Shown:
    """One asset after a stage.

    No `metadata`: the stage did nothing for it, and no materialization is stored. No
    `evaluations`: what its checks said last still stands; `otherwise` is for checks that never
    said anything, or only that the source was down.
    """

    asset: str
    metadata: MetadataDict | None = None
    evaluations: tuple[Evaluation, ...] = ()
    otherwise: tuple[Evaluation, ...] = ()
    data_version: str | None = None


def shown(
    compiled: Compiled, report: StageReport, assets_downstream: Sequence[str] = ()
) -> list[Shown]:
    """What to tell about the assets of the stage that made this report.

    `assets_downstream` are those that come after it in Dagster's graph, in order.
    """
    downstream = tells.downstream_metadata(report.downstream, assets_downstream)
    if isinstance(report, ArrivalsReport):
        return [_arrivals(compiled, report, downstream)]
    if isinstance(report, VerifiedReport):
        return _verified(compiled, report, downstream)
    if isinstance(report, RoutedReport):
        return [_routed(report)]
    if isinstance(report, DeliveredReport):
        return [_delivered(report)]
    if isinstance(report, PromiseReport):
        return [_promise(report)]
    raise TypeError(f"{type(report).__name__} is not the report of a stage")


def _arrivals(compiled: Compiled, report: ArrivalsReport, downstream: MetadataDict) -> Shown:
    """Nothing came: no sign of life of the source, and what the last arrivals were like stands."""
    if report.skipped:
        return Shown("arrivals")
    readable = says.readable_evaluation(report)
    symptoms = symptom_evaluations(compiled, report, downstream)
    if not (report.seen or report.source_down or report.failures):
        return Shown("arrivals", otherwise=(readable, *symptoms))
    metadata = tells.arrivals_metadata(report) if report.seen else None
    if not report.symptoms:  # nothing was claimed: what the last arrivals were like stands
        return Shown("arrivals", metadata, (readable,), otherwise=tuple(symptoms))
    return Shown("arrivals", metadata, (readable, *symptoms))


def _verified(compiled: Compiled, report: VerifiedReport, downstream: MetadataDict) -> list[Shown]:
    if report.skipped:
        return [Shown("verified"), Shown("quarantine")]
    private = private_modes(compiled)
    quarantine = tells.quarantine_metadata(report, pii=compiled.contract.pii, private_modes=private)
    return [
        Shown(
            "verified",
            tells.verified_metadata(report) if report.batches else None,
            tuple(says.rule_evaluations(compiled, report)),
        ),
        Shown(
            "quarantine",
            quarantine if report.batches or report.replayed else None,
            (says.unresolved_evaluation(report, downstream),),
        ),
    ]


def _routed(report: RoutedReport) -> Shown:
    if report.skipped:
        return Shown("routed")
    metadata = tells.routed_metadata(report) if report.batches else None
    return Shown("routed", metadata, (says.all_routed_evaluation(report),))


def _delivered(report: DeliveredReport) -> Shown:
    """A batch that closed without a delivery gives those who wait for one no reason to run."""
    if report.skipped:
        return Shown("delivered")
    return Shown(
        "delivered",
        tells.delivered_metadata(report) if report.delivered else None,
        (says.confirmed_evaluation(report), says.dependencies_evaluation(report)),
        data_version=report.data_version,
    )


def _promise(report: PromiseReport) -> Shown:
    """A materialization of the promise says that it is kept, so a broken one has none."""
    if report.skipped:
        return Shown("promise")
    is_kept = not report.is_late and (report.conservation is None or report.conservation.holds)
    metadata = tells.promise_metadata(report) if is_kept else None
    return Shown("promise", metadata, tuple(says.promise_evaluations(report)))


def private_modes(compiled: Compiled) -> frozenset[str]:
    """Failure modes whose offending values are personal data."""
    pii = compiled.contract.pii
    return frozenset(
        compiled.failure_mode_of([rule.id])
        for rule in compiled.contract.rules
        if pii.intersection(rule.columns)
    )
