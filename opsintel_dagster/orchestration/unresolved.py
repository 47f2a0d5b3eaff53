"""Says without a run what is open in an outcome, when it is not what was said last.

The quarantine's own step says it too; but a delivery that is given up, a stop, a decision or a
deployment change it at other times, and nobody must have to start a run to see it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.evaluations import Evaluation, unresolved_evaluation
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.instance import CheckRecord, last_checks
from opsintel_dagster.orchestration.keys import asset_key
from opsintel_dagster.orchestration.quarantine_report import verified_report


def report_unresolved(
    instance: dg.DagsterInstance, installation: Installation, outcomes: Sequence[Compiled]
) -> list[str]:
    """Report a runless evaluation for each outcome whose answer changed; returns their names.

    One that was never evaluated is left to its first run.
    """
    now = datetime.now(UTC)
    keys = {
        one.name: dg.AssetCheckKey(asset_key(one.name, "quarantine"), "unresolved")
        for one in outcomes
    }
    last = last_checks(instance, list(keys.values()))
    changed = []
    for one in outcomes:
        record = last.get(keys[one.name])
        if record is None:
            continue
        said = unresolved_evaluation(verified_report(installation, one, now), {})
        if _is_same(said, record):
            continue
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=keys[one.name].asset_key,
                check_name=said.name,
                passed=said.passed,
                severity=said.severity,
                description=said.description,
                metadata={"open": said.open, **said.metadata},
            )
        )
        changed.append(one.name)
    return changed


def _is_same(said: Evaluation, last: CheckRecord) -> bool:
    return (said.passed, said.severity, said.description) == (
        last.passed,
        last.severity,
        last.description,
    )
