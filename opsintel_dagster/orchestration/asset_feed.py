"""Dagster's side of the upstream source: the materializations of an asset that is no outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
from upath import UPath

from opsintel_dagster.errors import SourceDown, SourceUnreadable
from opsintel_dagster.ingestion import Reading, Sighting, UpstreamFeed, UpstreamReading
from opsintel_dagster.outcome import UpstreamSource, resolve

_SUFFIXES = {".parquet": "parquet", ".csv": "csv", ".jsonl": "json_lines", ".ndjson": "json_lines"}


@dataclass(frozen=True)
class AssetFeed:
    """The newest materializations of one asset, read from Dagster's event log.

    Only what the asset holds now can be read, so an older materialization that nobody claimed is
    not offered any more: the newest one holds what it held, or has replaced it.
    """

    instance: dg.DagsterInstance
    source: UpstreamSource
    root: Path

    def sightings(self) -> list[Sighting]:
        """The newest materialization, if there is one; its data version is the mark."""
        key = dg.AssetKey(self.source.asset.split("/"))
        event = self.instance.get_latest_materialization_event(key)
        if event is None or event.asset_materialization is None:
            return []
        tags = event.asset_materialization.tags or {}
        at = datetime.fromtimestamp(event.timestamp, UTC)
        version = tags.get("dagster/data_version") or f"{event.run_id} {at.isoformat()}"
        return [Sighting(f"{self.source.asset}@{version}", 0, version, at)]

    def open(self, sighting: Sighting) -> Reading:
        """Read what the asset holds now.

        Raises:
            SourceDown: the declaration does not say where the data lies.
            SourceUnreadable: there is no data in any known format.
        """
        if self.source.path is None:
            reason = "it is no outcome, and `source.path` does not say where its data lies"
            raise SourceDown(self.source.asset, reason)
        path = resolve(self.source.path)
        place = path if "://" in path else str(self.root / path)
        return UpstreamReading(self._scan(place, sighting), sighting, version=sighting.mark)

    def _scan(self, place: str, sighting: Sighting) -> pl.LazyFrame:
        kind = self.source.format or _SUFFIXES.get(UPath(place).suffix, "")
        if kind == "parquet":
            return pl.scan_parquet(place)
        if kind == "csv":
            return pl.scan_csv(place, infer_schema=False)
        if kind == "json_lines":
            return pl.scan_ndjson(place)
        reason = f"{place}: write `source.format`, its name does not tell"
        raise SourceUnreadable(sighting.name, reason)


def feed_opener(
    instance: dg.DagsterInstance, root: Path
) -> Callable[[UpstreamSource], UpstreamFeed]:
    """What a drain opens sources with that only this Dagster instance knows of."""
    return lambda source: AssetFeed(instance, source, root)
