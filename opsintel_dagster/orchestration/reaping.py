"""Ends runs that Dagster still calls started and whose worker is gone.

A run whose worker and code server died together stays STARTED for ever where Dagster's own
monitoring is off, or where nobody gave it a limit (`dg launch`, a run from the UI). It is failed
from outside, so that the healer finds it and plans what follows. Whether the worker is gone is told
by the lease that each of our steps holds: by its process if that ran on this machine, else by its
heartbeat standing still while we watch. A run of another job that holds none of our leases may be
at work on assets of somebody else: it is told, and not ended. A wrong guess costs that run its work
and nothing else, because whoever writes with an old epoch fails.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg
from sqlalchemy import Row

from opsintel_dagster.ledger import entries, standing
from opsintel_dagster.ledger.lease import heartbeat_of_run
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.healer import outcomes_of
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.instance import ends_long_runs, fail_run
from opsintel_dagster.orchestration.keys import HEALED_BY_TAG, JOB_NAME, WATCH_NAME
from opsintel_dagster.orchestration.sensors import SHORTEST_RUNTIME, longest_runtime
from opsintel_dagster.orchestration.watch_cursor import WatchCursor
from opsintel_dagster.watching.snapshot import LongRun

STANDS_STILL: Final = timedelta(seconds=60)
"""A heartbeat that has not moved for so long has stopped; a live one comes every two seconds."""

LEFT_TO_DAGSTER: Final = timedelta(minutes=15)
MOST_RUNS: Final = 200
REAPED: Final = "run reaped"
MAX_RUNTIME_TAG: Final = "dagster/max_runtime"
_AT_WORK: Final = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]


def reap(
    instance: dg.DagsterInstance,
    installation: Installation,
    outcomes: Mapping[str, Compiled],
    cursor: WatchCursor,
    now: datetime,
) -> tuple[list[str], dict[str, list[LongRun]]]:
    """End the runs that are stuck.

    Returns:
        The ids of the runs that were ended, and those that take too long and were not, by outcome.
    """
    filters = dg.RunsFilter(statuses=_AT_WORK, created_before=now - SHORTEST_RUNTIME)
    long = []
    for record in instance.get_run_records(filters, limit=MOST_RUNS, ascending=True):
        mine = outcomes_of(record.dagster_run, outcomes)
        began = _began(record)
        if mine and now - began > _allowed(instance, record.dagster_run, mine):
            long.append((record.dagster_run, mine, began))
    cursor.forget_runs([run.run_id for run, _, _ in long])
    if not long:
        return [], {}
    leases = _leases(installation, {one.name for _, mine, _ in long for one in mine})
    reaped: list[str] = []
    left: dict[str, list[LongRun]] = {}
    for run, mine, began in long:
        beats = [
            mark
            for one in mine
            if one.name in leases
            and (mark := heartbeat_of_run(leases[one.name], run.run_id)) is not None
        ]
        is_ours = run.job_name == JOB_NAME or any(
            row.run_id == run.run_id for row in leases.values()
        )
        stood_since = cursor.stood_since(run.run_id, " ".join(beats), now)
        is_still = is_ours and now - stood_since >= STANDS_STILL
        if is_still and _end(instance, installation, run, mine, began):
            reaped.append(run.run_id)
        elif beats or not is_ours:  # else it is watched for a moment longer, and ended then
            for one in mine:
                allowed = longest_runtime(one)
                told = LongRun(run_id=run.run_id, since=began, allowed=allowed, beats=bool(beats))
                left.setdefault(one.name, []).append(told)
    return reaped, left


def _leases(installation: Installation, names: Collection[str]) -> Mapping[str, Row[Any]]:
    if not installation.ledger.exists():
        return {}
    with installation.ledger.read() as connection:
        return standing.leases(connection, names)


def _began(record: dg.RunRecord) -> datetime:
    if record.start_time is not None:
        return datetime.fromtimestamp(record.start_time, UTC)
    return datetime.fromtimestamp(record.create_timestamp.timestamp(), UTC)


def _allowed(
    instance: dg.DagsterInstance, run: dg.DagsterRun, mine: Sequence[Compiled]
) -> timedelta:
    """How long the run may take; a while longer where Dagster itself should end it."""
    allowed = max(longest_runtime(one) for one in mine)
    is_theirs = ends_long_runs(instance) and MAX_RUNTIME_TAG in run.tags
    return allowed + LEFT_TO_DAGSTER if is_theirs else allowed


def _end(
    instance: dg.DagsterInstance,
    installation: Installation,
    run: dg.DagsterRun,
    mine: Sequence[Compiled],
    began: datetime,
) -> bool:
    """Fail the run; false if it came to its end while we were looking."""
    now_is = instance.get_run_by_id(run.run_id)
    if now_is is None or now_is.status not in _AT_WORK:
        return False
    allowed = round(max(longest_runtime(one) for one in mine).total_seconds())
    said = f"Exceeded maximum runtime of {allowed} seconds; {WATCH_NAME} ended it."
    instance.add_run_tags(run.run_id, {HEALED_BY_TAG: WATCH_NAME})
    fail_run(instance, run, said)
    if installation.ledger.exists():
        reason = f"started {began:%Y-%m-%d %H:%M} UTC, no sign of life of its worker. {said}"
        with installation.ledger.write() as connection:
            for one in mine:
                entries.append(connection, one.name, WATCH_NAME, REAPED, run.run_id, reason)
    return True
