"""The watcher of a code location: first it acts, then it tells, and it watches its own kind.

What it does is bounded, because Dagster ends a tick after a minute: sources are asked side by side,
a channel that hangs takes one attempt, and a dead-man URL a few seconds. That nobody ticks at all
can be seen from outside only: by `notices.ping` and `opsintel doctor`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import dagster as dg

from opsintel_dagster.errors import LedgerError
from opsintel_dagster.orchestration.autonomy_asset import report_autonomy
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.instance import (
    freshness_changes,
    newest_freshness_change,
)
from opsintel_dagster.orchestration.keys import WATCH_NAME
from opsintel_dagster.orchestration.location import outcomes_here
from opsintel_dagster.orchestration.sensors import drain_job, interval_seconds
from opsintel_dagster.orchestration.unresolved import report_unresolved
from opsintel_dagster.orchestration.waking import Polls
from opsintel_dagster.orchestration.watch_acting import Acted, Acting
from opsintel_dagster.orchestration.watch_cursor import WatchCursor
from opsintel_dagster.orchestration.watch_dagster import (
    stale_assets,
    watched_daemons,
    watched_sensors,
)
from opsintel_dagster.orchestration.watch_snapshot import untaken_notices, watched_outcomes
from opsintel_dagster.orchestration.watch_telling import (
    declared_notices,
    ping_all,
    record_changes,
    tell,
)
from opsintel_dagster.watching.detection import detect
from opsintel_dagster.watching.snapshot import Snapshot, UntakenNotices

MOST_CHANGES: Final = 500
MOST_REPORTED: Final = 50
"""Checks that are said anew in one tick; the rest is said by the next drain."""


@lru_cache(maxsize=1)
def watch_sensor() -> dg.SensorDefinition:
    """The one watcher of a code location; always the same object, as with the job.

    Raises:
        SettingsError: OPSINTEL_SENSOR_SECONDS is set and no whole number above zero.
    """
    polls = Polls()

    @dg.sensor(
        name=WATCH_NAME,
        job=drain_job(),
        minimum_interval_seconds=interval_seconds(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Watches promises, cases, breakers, runs, sensors and daemons. First it acts: "
        "it wakes what is late and ends runs that are stuck; then it tells whose it is.",
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _tick(context, polls)

    return watch


def _tick(context: dg.SensorEvaluationContext, polls: Polls) -> dg.SensorResult:
    now = datetime.now(UTC)
    cursor = WatchCursor.read(context.cursor, now)
    outcomes, keys = outcomes_here(context)
    if not outcomes:
        return dg.SensorResult(skip_reason="This code location declares no outcome.")
    requests: list[dg.RunRequest] = []
    with Installation.open() as installation:
        acting = Acting(context.instance, context.log, installation, outcomes, keys, cursor, now)
        try:
            if installation.ledger.exists():
                installation.ledger.migrate()
            acted = acting.act(polls)
            requests = list(acted.requests)
            said = _tell(context, installation, outcomes, acted, cursor, now)
        except LedgerError as error:
            # Nothing can be known, and nothing kept for later; who listens outside hears us tick.
            said = f"The ledger cannot be reached: {error}"
            context.log.warning(said)
    for url, failure in ping_all(outcomes.values()).items():
        context.log.warning(f"ping {url}: {failure}")
    return dg.SensorResult(
        run_requests=requests,
        cursor=cursor.write(now),
        skip_reason=None if requests else said,
    )


def _tell(
    context: dg.SensorEvaluationContext,
    installation: Installation,
    outcomes: Mapping[str, Compiled],
    acted: Acted,
    cursor: WatchCursor,
    now: datetime,
) -> str:
    """Say what is wrong to whose it is, and to Dagster's own checks; returns it in words."""
    symptoms = detect(_snapshot(context, installation, outcomes, acted, cursor, now))
    is_there = installation.ledger.exists()
    if not is_there and not symptoms:
        return "Nothing is wrong, and nothing was ever drained."
    installation.ledger.migrate()
    lapses = _read_changes(context.instance, installation, outcomes, cursor)
    declared = declared_notices(list(outcomes.values()))
    changed, report = tell(installation, symptoms, declared, now)
    again = [one for name, one in outcomes.items() if name in changed]
    report_unresolved(context.instance, installation, again[:MOST_REPORTED])
    report_autonomy(context.instance, installation, cursor, now)
    waiting = report.failed + report.without_channel + report.left
    if waiting:
        context.log.warning(f"{waiting} notices could not be sent and stay in the outbox")
    for symptom in symptoms:
        context.log.info(f"{symptom.outcome or symptom.subject}: {symptom.title}")
    return f"{len(symptoms)} symptoms, {report.sent} notices sent, {lapses} changes of freshness."


def _read_changes(
    instance: dg.DagsterInstance,
    installation: Installation,
    outcomes: Mapping[str, Compiled],
    cursor: WatchCursor,
) -> int:
    """Keep the changes of freshness since the last tick; the first one begins from here."""
    if cursor.freshness is None:
        cursor.freshness = newest_freshness_change(instance)
        return 0
    changes, last = freshness_changes(instance, cursor.freshness, MOST_CHANGES)
    kept = record_changes(installation, outcomes, changes)
    cursor.freshness = last
    return kept


def _snapshot(
    context: dg.SensorEvaluationContext,
    installation: Installation,
    outcomes: Mapping[str, Compiled],
    acted: Acted,
    cursor: WatchCursor,
    now: datetime,
) -> Snapshot:
    untaken: tuple[UntakenNotices, ...] = ()
    if installation.ledger.exists():
        with installation.ledger.read() as connection:
            untaken = untaken_notices(connection, outcomes)
    # Whose outcome costs most is told what concerns the whole code location.
    costliest = min(outcomes.values(), key=lambda one: (-one.outcome.cost_per_hour, one.name))
    return Snapshot(
        now=now,
        keeper=costliest.outcome.owner,
        fallback=declared_notices(list(outcomes.values()))[None].fallback,
        outcomes=watched_outcomes(
            installation,
            outcomes,
            acted.states,
            acted.looks,
            cursor,
            now,
            stale=stale_assets(context.instance, outcomes, acted.last, now),
            long_runs=acted.long_runs,
            woken=acted.woken,
        ),
        sensors=watched_sensors(context, costliest.location, cursor, now),
        daemons=watched_daemons(context.instance, cursor, now),
        untaken=untaken,
    )
