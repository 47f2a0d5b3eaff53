"""The asset `opsintel/autonomy`: how much ran untouched, as numbers that the Dagster UI plots.

It measures every outcome of the ledger, not those of one code location only: its key is the same in
all of them, so all must say the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import dagster as dg

from opsintel_dagster.ledger import bindings
from opsintel_dagster.orchestration.autonomy import Autonomy, Period, read, together
from opsintel_dagster.orchestration.heartbeats import last_materialized
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.metadata import MetadataDict, markdown_table
from opsintel_dagster.orchestration.watch_cursor import WatchCursor

AUTONOMY_KEY: Final = dg.AssetKey(["opsintel", "autonomy"])
DAYS: Final = 28
MOST_OUTCOMES: Final = 50
"""Metadata is stored whole with every event: of more outcomes only the totals are told."""
MOST_CAUSES: Final = 20
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)

_ABOUT: Final = (
    f"How much of the last {DAYS} days ran untouched, and what people had to do, over every "
    "outcome of the ledger. `share_untouched` is of what came through; minutes are per 1,000 "
    "records received: as people said and, apart, as the human steps of the failure modes say. "
    "The same as `opsintel status --autonomy`."
)


@lru_cache(maxsize=1)
def autonomy_asset() -> dg.AssetsDefinition:
    """The one such asset of a code location; always the same object, as with the job.

    It has none of the tags of an outcome's assets, so that neither the job nor a sensor takes it.
    """

    @dg.asset(
        key=AUTONOMY_KEY,
        group_name="opsintel",
        kinds={"opsintel"},
        description=_ABOUT,
    )
    def autonomy() -> "dg.MaterializeResult[None]":
        with Installation.open() as installation:
            return dg.MaterializeResult(
                metadata=autonomy_metadata(measured(installation, datetime.now(UTC)))
            )

    return autonomy


def report_autonomy(
    instance: dg.DagsterInstance, installation: Installation, cursor: WatchCursor, now: datetime
) -> bool:
    """Say it without a run, if its numbers changed, at most once a day; true if it was said.

    It is measured hourly at most, and not before anything arrived or anybody acted.
    """
    if cursor.measured is not None and now.timestamp() - cursor.measured < _HOUR.total_seconds():
        return False
    cursor.measured = now.timestamp()
    last = last_materialized(instance, [AUTONOMY_KEY]).get(AUTONOMY_KEY)
    if last is not None and now - last.at < _DAY:
        return False
    found = measured(installation, now)
    if not any(one.whole.received or one.whole.touches for one in found) and last is None:
        return False
    metadata = autonomy_metadata(found)
    if last is not None and _figures(last.metadata) == _figures(metadata):
        return False
    event = dg.AssetMaterialization(AUTONOMY_KEY, metadata=metadata)
    instance.report_runless_asset_event(event)
    return True


def _figures(metadata: Mapping[str, object]) -> dict[str, float]:
    """The numbers alone: tables move with the week, and tell nothing new by that."""
    values = {name: getattr(value, "value", value) for name, value in metadata.items()}
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


def measured(installation: Installation, now: datetime) -> list[Autonomy]:
    """Every outcome of the ledger, what costs people most first; none before the first drain."""
    if not installation.ledger.exists():
        return []
    installation.ledger.migrate()
    with installation.ledger.read() as connection:
        found = read(connection, bindings.all_bound(connection), now, DAYS)
    return sorted(found, key=lambda one: (-_cost(one), -one.whole.received, one.outcome))


def autonomy_metadata(found: Sequence[Autonomy]) -> MetadataDict:
    """Totals and each outcome in numbers, the rest in tables; what is not known is left out."""
    empty = Period(begins_at=datetime.now(UTC) - timedelta(days=DAYS))
    whole = together([one.whole for one in found]) if found else empty
    shown = found[:MOST_OUTCOMES]
    metadata: MetadataDict = {
        "outcomes": len(found),
        "received": whole.received,
        "touches": whole.touches,
        **_numbers(whole, ""),
        "open_minutes": float(sum(one.open_minutes for one in found)),
    }
    for one in shown:
        metadata |= _numbers(one.whole, f"{one.outcome}_")
        metadata[f"{one.outcome}_touches"] = one.whole.touches
    metadata["by_outcome"] = dg.MetadataValue.md(
        markdown_table(_HEAD, [_row(one) for one in shown])
    )
    causes = list(_causes(shown))[:MOST_CAUSES]
    if causes:
        metadata["top_causes"] = dg.MetadataValue.md(markdown_table(_CAUSES_HEAD, causes))
    return metadata


def _cost(one: Autonomy) -> float:
    return one.whole.minutes + one.whole.estimated + one.open_minutes


def _numbers(period: Period, prefix: str) -> MetadataDict:
    numbers = {
        "share_untouched": period.share_untouched,
        "minutes_per_1000": period.minutes_per_1000,
        "minutes_per_1000_estimated": period.estimated_per_1000,
    }
    return {
        f"{prefix}{name}": round(number, 6)
        for name, number in numbers.items()
        if number is not None
    }


_HEAD: Final = (
    "outcome",
    "received",
    "untouched",
    "touches",
    "minutes per 1,000",
    "estimated per 1,000",
    "open would take",
    "untouched by week",
)
_CAUSES_HEAD: Final = ("outcome", "failure mode", "records", "minutes by hand", "open now")


def _row(one: Autonomy) -> tuple[str, ...]:
    whole = one.whole
    return (
        one.outcome,
        f"{whole.received:,}",
        _share(whole),
        f"{whole.touches:,}",
        _minutes(whole.minutes_per_1000),
        _minutes(whole.estimated_per_1000),
        _minutes(one.open_minutes),
        " ".join(_share(week) for week in one.trend),
    )


def _causes(found: Sequence[Autonomy]) -> Iterator[tuple[str, ...]]:
    causes = [(one.outcome, cause) for one in found for cause in one.causes]
    causes.sort(key=lambda pair: (-(pair[1].minutes or 0.0), -pair[1].records))
    for outcome, cause in causes:
        minutes = _minutes(cause.minutes)
        yield (outcome, cause.failure_mode, f"{cause.records:,}", minutes, f"{cause.open:,}")


def _share(period: Period) -> str:
    share = period.share_untouched
    return "—" if share is None else f"{share:.2%}"


def _minutes(minutes: float | None) -> str:
    return "—" if minutes is None else f"{minutes:,.1f}"
