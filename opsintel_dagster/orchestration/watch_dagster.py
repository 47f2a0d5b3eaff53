"""What the watcher asks of Dagster: freshness, and whether sensors and daemons still tick."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import dagster as dg

from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.heartbeats import LastMaterialization, last_materialized
from opsintel_dagster.orchestration.instance import (
    SensorTicks,
    daemon_heartbeats,
    location_name,
    not_fresh,
    sensor_ticks,
)
from opsintel_dagster.orchestration.keys import HEALER_NAME, SENSOR_NAME, asset_key
from opsintel_dagster.orchestration.specs import freshness_window
from opsintel_dagster.orchestration.watch_cursor import WatchCursor
from opsintel_dagster.outcome.masking import mask
from opsintel_dagster.watching.patience import DAEMON_PATIENCE, FAILED_TICKS, sensor_patience
from opsintel_dagster.watching.snapshot import StaleAsset, WatchedDaemon, WatchedSensor

WATCHED_SENSORS: Final = (SENSOR_NAME, HEALER_NAME)
"""The watcher ticks, or nobody asks."""

FRESH_START: Final = timedelta(minutes=2)
"""After everything was off, what ticks later than the watcher is not silent."""


def promises(
    instance: dg.DagsterInstance, names: Collection[str]
) -> dict[dg.AssetKey, LastMaterialization]:
    """The last sign of life of each promise that ever gave one."""
    return last_materialized(instance, [asset_key(name, "promise") for name in names])


def stale_assets(
    instance: dg.DagsterInstance,
    outcomes: Mapping[str, Compiled],
    last: Mapping[dg.AssetKey, LastMaterialization],
    now: datetime,
) -> dict[str, list[StaleAsset]]:
    """Assets that Dagster calls stale, by outcome.

    It looks every half minute only: what was materialized since is not stale any more.
    """
    windows = {
        asset_key(name, asset): (name, asset, window)
        for name, compiled in outcomes.items()
        for asset in ("promise", "arrivals")
        if (window := freshness_window(compiled, asset)) is not None
    }
    failed = not_fresh(instance, list(windows))
    known = {**last, **last_materialized(instance, [key for key in failed if key not in last])}
    stale: dict[str, list[StaleAsset]] = {}
    for key in failed:
        name, asset, window = windows[key]
        if key in known and now - known[key].at > window:
            one = StaleAsset(asset=asset, materialized_at=known[key].at, window=window)
            stale.setdefault(name, []).append(one)
    return stale


def watched_sensors(
    context: dg.SensorEvaluationContext,
    location: str,
    cursor: WatchCursor,
    now: datetime,
) -> tuple[WatchedSensor, ...]:
    """The other sensors of this code location, as far as there is anything to say of them."""
    there = context.repository_def.sensor_defs if context.repository_def is not None else ()
    mine = [one for one in there if one.name in WATCHED_SENSORS]
    found = sensor_ticks(context.instance, [one.name for one in mine], FAILED_TICKS)
    if found is None:
        return ()
    here = location_name(context)
    ticks: dict[str, SensorTicks] = {}
    for one in found:
        if here is None or one.location == here:
            ticks[one.name] = one
    watched = [_sensor(ticks.get(one.name), one, here or location, cursor, now) for one in mine]
    return tuple(one for one in watched if one is not None)


def _sensor(
    ticks: SensorTicks | None,
    sensor: dg.SensorDefinition,
    location: str,
    cursor: WatchCursor,
    now: datetime,
) -> WatchedSensor | None:
    interval = timedelta(seconds=sensor.minimum_interval_seconds or 30)
    key = f"sensor {sensor.name}"
    ticked_at = ticks.ticked_at if ticks is not None else None
    is_missed = ticked_at is None or now - ticked_at > sensor_patience(interval)
    if is_missed:
        since = cursor.missed_since(key, now)
    else:
        cursor.missed.pop(key, None)
    is_stopped = ticks is not None and ticks.is_stopped
    if is_missed and ticked_at is not None and now - since < FRESH_START and not is_stopped:
        return None
    return WatchedSensor(
        name=sensor.name,
        location=location,
        interval=interval,
        silent_since=ticked_at or since,
        has_ticked=ticked_at is not None,
        is_stopped=is_stopped,
        failures=ticks.failures if ticks is not None else 0,
        error=mask(ticks.error) if ticks is not None and ticks.error else None,
    )


def watched_daemons(
    instance: dg.DagsterInstance, cursor: WatchCursor, now: datetime
) -> tuple[WatchedDaemon, ...]:
    """The daemons that give no heartbeat; one that never did is missed from the first look on."""
    silent: list[WatchedDaemon] = []
    for name, beat_at in daemon_heartbeats(instance).items():
        key = f"daemon {name}"
        if beat_at is not None and now - beat_at <= DAEMON_PATIENCE:
            cursor.missed.pop(key, None)
            continue
        since = cursor.missed_since(key, now)
        if beat_at is None:
            silent.append(WatchedDaemon(name=name, silent_since=since))
        elif now - since >= FRESH_START:
            silent.append(WatchedDaemon(name=name, silent_since=beat_at))
    return tuple(silent)


def vouched_for(
    outcomes: Sequence[Compiled],
    last: Mapping[dg.AssetKey, LastMaterialization],
    now: datetime,
) -> set[str]:
    """Outcomes that somebody has looked at a moment ago, source and all: their promise says so.

    The arrivals sensor gives a sign of life every third of `within` where nothing is late, so the
    source of a quiet outcome is asked once more only where that sensor is silent.
    """
    return {
        one.name
        for one in outcomes
        if (key := asset_key(one.name, "promise")) in last
        and last[key].is_heartbeat
        and now - last[key].at < one.outcome.within / 2
    }
