"""The sensor that reads failed runs: what no drain could note itself is noted, planned and bounded.

A drain notes its own failures in the ledger. A worker that was killed, a code server that went
away, a ledger that could not be reached: of these only Dagster knows. Runs that Dagster will start
again itself are left to it. Nothing is started here; the arrivals sensor does that when it is due.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import dagster as dg

from opsintel_dagster.errors import LedgerError
from opsintel_dagster.healing import Failure, classify_links
from opsintel_dagster.healing.retry_plan import plan
from opsintel_dagster.ledger import attempts, breakers, entries
from opsintel_dagster.ledger.breakers import BreakerKind, outcome_breaker
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.instance import carried
from opsintel_dagster.orchestration.keys import FAILURE_CLASS_TAG, HEALER_NAME, OUTCOME_TAG
from opsintel_dagster.orchestration.run_failures import RunFailure, failures_of_run
from opsintel_dagster.orchestration.sensors import interval_seconds
from opsintel_dagster.orchestration.unresolved import report_unresolved
from opsintel_dagster.orchestration.whole_stage import WHOLE_RUN

MOST_RUNS: Final = 500
WILL_RETRY: Final = "dagster/will_retry"


@lru_cache(maxsize=1)
def healer_sensor() -> dg.SensorDefinition:
    """The one healer of a code location; always the same object, as with the job.

    Raises:
        SettingsError: OPSINTEL_SENSOR_SECONDS is set and no whole number above zero.
    """

    @dg.sensor(
        name=HEALER_NAME,
        minimum_interval_seconds=interval_seconds(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reads failed runs of this code location's outcomes: classifies them, plans "
        "when they are tried again, and stops an outcome that does not help itself any more.",
    )
    def heal(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        outcomes: dict[str, Compiled] = {}
        if context.repository_def is not None:
            outcomes = {one.name: one for _, one in carried(context.repository_def)}
        if context.cursor is None:  # what failed before anybody watched is no news
            newest = context.instance.fetch_run_status_changes(
                dg.DagsterEventType.RUN_FAILURE, limit=1
            )
            known = [record.storage_id for record in newest.records]
            cursor = str(max(known, default=0))
            return dg.SensorResult(cursor=cursor, skip_reason="Watching from here on.")
        return _answer(context, outcomes, int(context.cursor))

    return heal


def _answer(
    context: dg.SensorEvaluationContext, outcomes: Mapping[str, Compiled], after: int
) -> dg.SensorResult:
    changes = context.instance.fetch_run_status_changes(
        dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=after),
        limit=MOST_RUNS,
        ascending=True,
    )
    noted = 0
    with Installation.open() as installation:
        for record in changes.records:
            run = context.instance.get_run_by_id(record.event_log_entry.run_id)
            if run is not None and run.tags.get(WILL_RETRY) != "true":
                for compiled in outcomes_of(run, outcomes):
                    noted += _heal(context, installation, compiled, run)
            after = max(after, record.storage_id)
        if noted:
            report_unresolved(context.instance, installation, list(outcomes.values()))
    told = f"{len(changes.records)} failed runs, {noted} of them noted."
    return dg.SensorResult(cursor=str(after), skip_reason=told)


def outcomes_of(run: dg.DagsterRun, outcomes: Mapping[str, Compiled]) -> Sequence[Compiled]:
    """The outcomes a run was about: by its tag, or by the assets it selected."""
    names = [run.tags[OUTCOME_TAG]] if OUTCOME_TAG in run.tags else []
    names += [key.path[0] for key in run.asset_selection or () if len(key.path) == 2]
    return [outcomes[name] for name in dict.fromkeys(names) if name in outcomes]


def _heal(
    context: dg.SensorEvaluationContext,
    installation: Installation,
    compiled: Compiled,
    run: dg.DagsterRun,
) -> bool:
    """Note what failed in the run of an outcome; false if its drain has done so, or it did not."""
    found = [
        one
        for one in failures_of_run(context.instance, run.run_id)
        if one.stage is None or one.stage.startswith(f"{compiled.name}__")
    ]
    if not found:
        return False
    try:
        if not installation.ledger.exists():
            return False
        with installation.ledger.read() as connection:
            if attempts.of_run(connection, run.run_id):
                return False
        failure = note_run(installation, compiled, run.run_id, found[0])
    except LedgerError as error:
        # The next drain cannot work without the ledger either, and notes nothing by itself.
        context.log.warning(f"{compiled.name}: {error}")
        return False
    context.instance.add_run_tags(run.run_id, {FAILURE_CLASS_TAG: failure.failure_class.value})
    context.log.info(
        f"{compiled.name}, run {run.run_id}: {failure.failure_class}, {failure.reason}"
    )
    return True


def note_run(
    installation: Installation, compiled: Compiled, run_id: str, found: RunFailure
) -> Failure:
    """Keep that a run failed as a whole, and when the outcome is woken again.

    Raises:
        LedgerError: the ledger cannot be reached.
    """
    now = datetime.now(UTC)
    limits = compiled.outcome.healing
    failure = classify_links(found.links, limits.failures)
    name = outcome_breaker(compiled.name)
    stage = (found.stage or WHOLE_RUN).rpartition("__")[2]
    with installation.ledger.write() as connection:
        before = breakers.find(connection, name)
        failures = (before.failures if before is not None else 0) + 1
        planned = plan(failure, failures, limits.attempts_per_batch, now)
        attempts.note(
            connection,
            compiled.name,
            at=now,
            batch_id=None,
            stage=stage,
            failure_class=failure.failure_class,
            reason=failure.reason,
            dependency=None,
            run_id=run_id,
            next_attempt_at=planned.next_attempt_at,
        )
        breakers.open_(
            connection,
            name,
            BreakerKind.OUTCOME,
            failure_class=failure.failure_class,
            reason=f"{stage}: {failure.reason} ({planned.why})",
            retry_at=planned.next_attempt_at,
            now=now,
        )
        kind = "run failed" if planned.next_attempt_at else "stopped"
        entries.append(connection, compiled.name, HEALER_NAME, kind, compiled.name, failure.reason)
    return failure
