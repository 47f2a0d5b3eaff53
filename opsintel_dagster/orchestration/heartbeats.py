"""Quiet is not late: signs of life of outcomes whose promise is kept because nothing is late."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.instance import CheckRecord, last_checks
from opsintel_dagster.orchestration.keys import asset_key
from opsintel_dagster.orchestration.waking import State

BEATS_PER_WINDOW: Final = 3
HEARTBEAT: Final = "heartbeat"
MOST_AT_ONCE: Final = 200
MOST_FIRST: Final = 100
"""An event costs a tick up to 100 ms; what is left over comes with the next tick."""

_CHECKS: Final = ("conservation", "deadline")


def report_heartbeats(
    instance: dg.DagsterInstance,
    outcomes: Mapping[str, Compiled],
    found: Sequence[State],
    now: datetime,
) -> list[str]:
    """Report a runless materialization of each promise that is kept, at most every `within`/3.

    None for an outcome whose source cannot be asked, since nobody knows what it holds, and none
    while its conservation check stands failed. The first one is not among them: see
    `report_first`. Returns the outcomes that got one.
    """
    kept = {
        asset_key(one.name, "promise"): one
        for one in found
        if one.source_error is None and not one.is_late(outcomes[one.name].outcome.within, now)
    }
    last = last_materialized(instance, list(kept))
    due = {
        key: one
        for key, one in kept.items()
        if key in last
        and now - last[key].at >= outcomes[one.name].outcome.within / BEATS_PER_WINDOW
    }
    longest_ago = sorted(due, key=lambda key: last[key].at)[:MOST_AT_ONCE]
    due = {key: due[key] for key in longest_ago}
    said = last_checks(instance, [dg.AssetCheckKey(key, name) for key in due for name in _CHECKS])
    beating = []
    for key, one in due.items():
        law = said.get(dg.AssetCheckKey(key, "conservation"))
        if law is not None and not law.passed:
            continue
        age = (now - one.oldest).total_seconds() if one.oldest is not None else 0.0
        # What the last drain counted still stands, and the UI shows the newest event only.
        metadata: dict[str, dg.MetadataValue | float] = {
            **last[key].metadata,
            "oldest_seconds": max(0.0, age),
            "within_seconds": outcomes[one.name].outcome.within.total_seconds(),
        }
        beat = dg.AssetMaterialization(key, description=HEARTBEAT, metadata=metadata)
        instance.report_runless_asset_event(beat)
        for name in _CHECKS:
            check = dg.AssetCheckKey(key, name)
            if check in said:
                _say_again(instance, check, said[check])
        beating.append(one.name)
    return beating


def report_first(
    instance: dg.DagsterInstance,
    outcomes: Mapping[str, Compiled],
    last: "Mapping[dg.AssetKey, LastMaterialization]",
) -> list[str]:
    """Let the freshness of each promise be judged that was never materialized, from now on.

    Of an asset without a materialization Dagster never says that it is not fresh: an outcome
    whose source cannot be asked, or whose first drain fails, would be silent for ever. This says
    only that the watch has begun; the next sign of life takes a promise that is kept. `last` is
    what `last_materialized` said. Returns the outcomes that got one.
    """
    begun = []
    new = [name for name in outcomes if asset_key(name, "promise") not in last]
    for name in sorted(new, key=lambda one: -outcomes[one].outcome.cost_per_hour)[:MOST_FIRST]:
        compiled, key = outcomes[name], asset_key(name, "promise")
        within = compiled.outcome.within.total_seconds()
        beat = dg.AssetMaterialization(
            key, description="the watch begins", metadata={"within_seconds": within}
        )
        instance.report_runless_asset_event(beat)
        begun.append(name)
    return begun


def _say_again(instance: dg.DagsterInstance, check: dg.AssetCheckKey, last: CheckRecord) -> None:
    """Let what a check said outlive the heartbeat: the UI shows checks of the newest event only.

    Said without a run it speaks of no materialization and stays. A deadline that was missed is kept
    again, or there would be no heartbeat.
    """
    if last.is_bound or not last.passed:
        evaluation = dg.AssetCheckEvaluation(
            asset_key=check.asset_key,
            check_name=check.name,
            passed=True,
            metadata=last.metadata,
            severity=last.severity,
            description=last.description if last.passed else "The promise is kept again.",
        )
        instance.report_runless_asset_event(evaluation)


@dataclass(frozen=True)
class LastMaterialization:
    """The newest materialization of an asset."""

    at: datetime
    metadata: Mapping[str, dg.MetadataValue]
    description: str | None = None

    @property
    def is_heartbeat(self) -> bool:
        """Whether it said that nothing is late, the source asked."""
        return self.description == HEARTBEAT


def last_materialized(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]
) -> dict[dg.AssetKey, LastMaterialization]:
    """The newest materialization of each of the assets that has one, in one query."""
    if not keys:
        return {}
    found = {}
    for record in instance.get_asset_records(keys):
        last = record.asset_entry.last_materialization_record
        if last is not None and last.asset_materialization is not None:
            event = last.asset_materialization
            at = datetime.fromtimestamp(last.timestamp, UTC)
            found[record.asset_entry.asset_key] = LastMaterialization(
                at, event.metadata, event.description
            )
    return found
