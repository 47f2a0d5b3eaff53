"""Quiet is not late: signs of life of outcomes whose promise is kept because nothing is late."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.instance import last_checks
from opsintel_dagster.orchestration.keys import asset_key
from opsintel_dagster.orchestration.waking import State

BEATS_PER_WINDOW: Final = 3


def report_heartbeats(
    instance: dg.DagsterInstance,
    outcomes: Mapping[str, Compiled],
    found: Sequence[State],
    now: datetime,
) -> list[str]:
    """Report a runless materialization of each promise that is kept, at most every `within`/3.

    None for an outcome whose source cannot be asked, since nobody knows what it holds, and none
    while its conservation check stands failed. Returns the outcomes that got one.
    """
    kept = {
        asset_key(one.name, "promise"): one
        for one in found
        if one.source_error is None and not one.is_late(outcomes[one.name].outcome.within, now)
    }
    last = _last_materialized(instance, list(kept))
    due = {}
    for key, one in kept.items():
        pause = outcomes[one.name].outcome.within / BEATS_PER_WINDOW
        if key not in last or now - last[key].at >= pause:
            due[key] = one
    laws = {key: dg.AssetCheckKey(key, "conservation") for key in due}
    said = last_checks(instance, list(laws.values()))
    beating = []
    for key, one in due.items():
        law = said.get(laws[key])
        if law is not None and not law.passed:
            continue
        age = (now - one.oldest).total_seconds() if one.oldest is not None else 0.0
        # What the last drain counted still stands, and the UI shows the newest event only.
        metadata: dict[str, dg.MetadataValue | float] = {
            **(last[key].metadata if key in last else {}),
            "oldest_seconds": max(0.0, age),
            "within_seconds": outcomes[one.name].outcome.within.total_seconds(),
        }
        beat = dg.AssetMaterialization(key, description="heartbeat", metadata=metadata)
        instance.report_runless_asset_event(beat)
        beating.append(one.name)
    return beating


@dataclass(frozen=True)
class _Last:
    """The newest materialization of a promise."""

    at: datetime
    metadata: Mapping[str, dg.MetadataValue]


def _last_materialized(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]
) -> dict[dg.AssetKey, _Last]:
    if not keys:
        return {}
    found = {}
    for record in instance.get_asset_records(keys):
        last = record.asset_entry.last_materialization_record
        if last is not None and last.asset_materialization is not None:
            at = datetime.fromtimestamp(last.timestamp, UTC)
            found[record.asset_entry.asset_key] = _Last(at, last.asset_materialization.metadata)
    return found
