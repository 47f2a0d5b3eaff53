"""One sensor a code location: it wakes the outcomes that have work, and says that quiet ones live.

What is outstanding is looked up anew at every tick. The cursor only paces: work that a run did
not get rid of is tried again after 30 s, 1 min, 2 min … at most 10 min. Without the cursor it
would be tried at once.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Final

import dagster as dg

from opsintel_dagster.errors import SettingsError
from opsintel_dagster.ingestion import Sighting
from opsintel_dagster.orchestration.asset_feed import feed_opener
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.heartbeats import report_heartbeats
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.instance import AssetJob, carried
from opsintel_dagster.orchestration.keys import (
    ATTEMPT_TAG,
    FAILURE_CLASS_TAG,
    HEALED_BY_TAG,
    JOB_NAME,
    OUTCOME_TAG,
    SENSOR_NAME,
    TAG,
)
from opsintel_dagster.orchestration.pacing import Pacing
from opsintel_dagster.orchestration.polling import poll
from opsintel_dagster.orchestration.waking import Polls, State, states

INTERVAL_VARIABLE: Final = "OPSINTEL_SENSOR_SECONDS"
DEFAULT_INTERVAL_SECONDS: Final = 30
POLL_SECONDS: Final = 20.0
"""For all sources together; Dagster ends a tick after 60 s."""

MOST_REQUESTS: Final = 200
"""A run request costs a tick up to 100 ms; what is left over comes with the next tick."""

SHORTEST_RUNTIME: Final = timedelta(hours=1)
_UNFINISHED: Final = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@lru_cache(maxsize=1)
def drain_job() -> AssetJob:
    """The one job of a code location: all assets of all its outcomes, in process.

    It is always the same object, which Dagster accepts more than once in a code location.
    """
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.tag(TAG, ""),
        executor_def=dg.in_process_executor,
        description="Drains outcomes. The sensor launches it with the assets of one of them.",
    )


@lru_cache(maxsize=1)
def arrivals_sensor() -> dg.SensorDefinition:
    """The one sensor of a code location; always the same object, as with the job.

    Raises:
        SettingsError: OPSINTEL_SENSOR_SECONDS is set and no whole number above zero.
    """
    polls = Polls()

    @dg.sensor(
        name=SENSOR_NAME,
        job=drain_job(),
        minimum_interval_seconds=interval_seconds(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Wakes every outcome of this code location that has work. What is outstanding "
        "counts, not which event was seen.",
    )
    def wake(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        keys: dict[str, list[dg.AssetKey]] = {}
        outcomes: dict[str, Compiled] = {}
        if context.repository_def is not None:
            for key, compiled in carried(context.repository_def):
                keys.setdefault(compiled.name, []).append(key)
                outcomes[compiled.name] = compiled
        with Installation.open() as installation:
            ask = partial(poll_alone, instance=context.instance)
            looks = polls.look(list(outcomes.values()), ask, POLL_SECONDS)
            found = states(installation, list(outcomes.values()), looks)
        return _answer(context, outcomes, keys, found)

    return wake


def interval_seconds() -> int:
    """How often the sensor looks, from OPSINTEL_SENSOR_SECONDS; 30 s by default.

    Raises:
        SettingsError: the variable holds no whole number above zero.
    """
    text = os.environ.get(INTERVAL_VARIABLE) or str(DEFAULT_INTERVAL_SECONDS)
    if text.isdecimal() and int(text) > 0:
        return int(text)
    fix = "Write a whole number of seconds, such as 30."
    raise SettingsError(INTERVAL_VARIABLE, f"`{text}` is no number of seconds", fix)


def poll_alone(compiled: Compiled, instance: dg.DagsterInstance) -> list[Sighting]:
    """One poll in a thread of its own, which may outlive the tick: it opens what it needs."""
    with Installation.open() as installation:
        opener = feed_opener(instance, installation.settings.root)
        return poll(compiled, installation, opener)


def _answer(
    context: dg.SensorEvaluationContext,
    outcomes: Mapping[str, Compiled],
    keys: Mapping[str, Sequence[dg.AssetKey]],
    found: Sequence[State],
) -> dg.SensorResult:
    now = datetime.now(UTC)
    pacing = Pacing.read(context.cursor)
    busy = in_progress(context.instance, [one for one in found if one.reason], outcomes, now)
    waiting = [
        one
        for one in found
        if one.reason and one.name not in busy and pacing.is_due(one.name, one.digest, now)
    ]
    waiting.sort(key=lambda one: -outcomes[one.name].outcome.cost_per_hour)
    requests = []
    for one in waiting[:MOST_REQUESTS]:
        context.log.info(f"{one.name}: {one.reason}")
        pacing.asked(one.name, one.digest, now)
        requests.append(run_request(outcomes[one.name], keys[one.name], one))
    pacing.forget({one.name for one in found if one.reason})
    for one in found:
        if one.source_error:
            context.log.warning(f"{one.name}: {one.source_error}")
    report_heartbeats(context.instance, outcomes, found, now)
    reason = None if requests else _why_nothing(found, busy)
    return dg.SensorResult(run_requests=requests, cursor=pacing.write(), skip_reason=reason)


def run_request(
    compiled: Compiled, keys: Sequence[dg.AssetKey], state: State, healed_by: str = SENSOR_NAME
) -> dg.RunRequest:
    """A run of the shared job with the assets of one outcome.

    Its tags say if it tries again, or if it takes the watcher to start it.
    """
    again = {ATTEMPT_TAG: str(state.attempt), HEALED_BY_TAG: healed_by}
    if state.failure_class:
        again[FAILURE_CLASS_TAG] = state.failure_class
    return dg.RunRequest(
        asset_selection=sorted(keys),
        tags={
            **(again if state.attempt > 1 or healed_by != SENSOR_NAME else {}),
            OUTCOME_TAG: compiled.name,
            "dagster/priority": str(round(compiled.outcome.cost_per_hour)),
            "dagster/max_runtime": str(round(longest_runtime(compiled).total_seconds())),
        },
    )


def longest_runtime(compiled: Compiled) -> timedelta:
    """A run that takes longer has died with its code server; the lease guards those that live."""
    return max(SHORTEST_RUNTIME, 4 * compiled.outcome.within)


def in_progress(
    instance: dg.DagsterInstance,
    found: Sequence[State],
    outcomes: Mapping[str, Compiled],
    now: datetime,
) -> set[str]:
    """Outcomes that have a run which may still be alive, in one query for all of them."""
    names = [one.name for one in found]
    if not names:
        return set()
    filters = dg.RunsFilter(tags={OUTCOME_TAG: names}, statuses=_UNFINISHED)
    busy = set()
    for record in instance.get_run_records(filters):
        name = record.dagster_run.tags[OUTCOME_TAG]
        began = record.start_time or record.create_timestamp.timestamp()
        if now.timestamp() - began < longest_runtime(outcomes[name]).total_seconds():
            busy.add(name)
    return busy


def _why_nothing(found: Sequence[State], busy: set[str]) -> str:
    if not found:
        return "This code location declares no outcome."
    paced = [one.name for one in found if one.reason and one.name not in busy]
    stopped = [one.name for one in found if one.stopped]
    parts = [f"already running: {', '.join(sorted(busy))}"] if busy else []
    parts += [f"tried a moment ago: {', '.join(sorted(paced))}"] if paced else []
    parts += [f"stopped or not due yet: {', '.join(sorted(stopped))}"] if stopped else []
    return "; ".join(parts) or f"Nothing is outstanding in {len(found)} outcomes."
