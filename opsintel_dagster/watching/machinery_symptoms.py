"""What is wrong with the machinery that runs all outcomes: sensors, daemons, channels; pure."""

from collections.abc import Iterator
from typing import Any

from opsintel_dagster.outcome import format_duration
from opsintel_dagster.watching.outcome_symptoms import length, moment
from opsintel_dagster.watching.patience import DAEMON_PATIENCE, FAILED_TICKS, sensor_patience
from opsintel_dagster.watching.snapshot import (
    Snapshot,
    UntakenNotices,
    WatchedDaemon,
    WatchedSensor,
)
from opsintel_dagster.watching.symptoms import Symptom, SymptomKind


def machinery_symptoms(snapshot: Snapshot) -> Iterator[Symptom]:
    """The symptoms that are about no single outcome; the keeper of the location is told."""
    for sensor in snapshot.sensors:
        yield from _sensor(snapshot, sensor)
    for daemon in snapshot.daemons:
        if snapshot.now - daemon.silent_since > DAEMON_PATIENCE:
            yield _daemon(snapshot, daemon)
    for untaken in snapshot.untaken:
        yield _untaken(snapshot, untaken)


def _symptom(snapshot: Snapshot, kind: SymptomKind, subject: str, **said: Any) -> Symptom:
    owner = said.pop("owner", snapshot.keeper)
    return Symptom(kind=kind, outcome=None, subject=subject, owner=owner, **said)


def _sensor(snapshot: Snapshot, sensor: WatchedSensor) -> Iterator[Symptom]:
    """One that is stopped on purpose is a symptom too: nobody else will look."""
    where = f"of code location {sensor.location}"
    ui = f"Dagster UI → Automation → {sensor.name}"
    subject = f"{sensor.location} {sensor.name}"
    silent = snapshot.now - sensor.silent_since
    if sensor.is_stopped:
        yield _symptom(
            snapshot,
            SymptomKind.SENSOR_SILENT,
            subject,
            title=f"The sensor {sensor.name} {where} is stopped",
            detail=f"Somebody has switched it off; {_last(sensor)}.",
            tried="nothing: who switched it off may have had a reason",
            next_action=f"{ui}: switch it on",
        )
    elif silent > sensor_patience(sensor.interval):
        yield _symptom(
            snapshot,
            SymptomKind.SENSOR_SILENT,
            subject,
            title=f"The sensor {sensor.name} {where} does not tick",
            detail=f"It should every {format_duration(sensor.interval)}; {_last(sensor)} "
            f"({length(silent)}).",
            tried="opsintel_watch wakes what is late meanwhile",
            next_action=f"`opsintel doctor`; {ui}",
        )
    elif sensor.failures >= FAILED_TICKS:
        yield _symptom(
            snapshot,
            SymptomKind.SENSOR_SILENT,
            subject,
            title=f"The sensor {sensor.name} {where} only fails",
            detail=f"Its last {sensor.failures} ticks failed: {sensor.error or 'no reason kept'}",
            tried="it is evaluated again by Dagster at every interval",
            next_action=f"{ui}: the error of its last tick; `opsintel doctor`",
        )


def _last(sensor: WatchedSensor) -> str:
    if not sensor.has_ticked:
        return f"it has not ticked since it is watched, {moment(sensor.silent_since)}"
    return f"its last tick was {moment(sensor.silent_since)}"


def _daemon(snapshot: Snapshot, daemon: WatchedDaemon) -> Symptom:
    return _symptom(
        snapshot,
        SymptomKind.DAEMON_SILENT,
        daemon.name,
        title=f"The daemon {daemon.name} of Dagster gives no heartbeat",
        detail=f"None since {moment(daemon.silent_since)} "
        f"({length(snapshot.now - daemon.silent_since)}); it gives one every half minute.",
        tried="nothing: a daemon cannot be started from a sensor",
        next_action="`opsintel doctor`; restart `dagster-daemon run` and read its log",
    )


def _untaken(snapshot: Snapshot, untaken: UntakenNotices) -> Symptom:
    """Whoever cannot be reached is not told that they cannot: the fallback is."""
    return _symptom(
        snapshot,
        SymptomKind.NOTICE_FAILING,
        untaken.owner,
        owner=snapshot.fallback or snapshot.keeper,
        title=f"The channels of {untaken.owner} take no notices",
        detail=f"{untaken.number:,} wait since {moment(untaken.since)}; the last answer: "
        f"{untaken.failure}",
        tried=f"{untaken.attempts} attempts; it is tried on, at most hourly",
        next_action=f"`opsintel notices test {untaken.outcome}`"
        if untaken.outcome
        else "`opsintel notices list`",
    )
