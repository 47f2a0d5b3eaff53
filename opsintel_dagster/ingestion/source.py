"""What every source can do, and which one a declaration asks for."""

from datetime import datetime
from pathlib import Path
from typing import Protocol

from opsintel_dagster.ingestion.inbox import Inbox
from opsintel_dagster.ingestion.reading import Reading
from opsintel_dagster.ingestion.sighting import Sighting
from opsintel_dagster.ingestion.upstream import Upstream, UpstreamFeed
from opsintel_dagster.outcome import FilesSource, UpstreamSource


class ArrivalSource(Protocol):
    """Where the arrivals of an outcome come from."""

    @property
    def address(self) -> str:
        """Where that is, to be shown to anybody."""
        ...

    def poll(self) -> list[Sighting]:
        """List what is there now, the oldest first, without reading any of it."""
        ...

    def is_settled(self, sighting: Sighting, now: datetime) -> bool:
        """Whether it may be read already."""
        ...

    def open(self, sighting: Sighting) -> Reading:
        """Open one of them."""
        ...


def open_source(
    spec: FilesSource | UpstreamSource, *, root: Path, feed: UpstreamFeed | None = None
) -> ArrivalSource:
    """Make the source a declaration asks for; nothing is touched yet.

    Args:
        spec: The declaration.
        root: What relative paths are relative to.
        feed: Where the materializations of an upstream source come from; only Dagster knows.
    """
    if isinstance(spec, FilesSource):
        return Inbox(spec, root)
    if feed is None:
        raise ValueError(f"the upstream source {spec.asset} needs a feed of its materializations")
    return Upstream(spec.asset, feed)
