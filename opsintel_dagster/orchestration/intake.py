"""What an outcome's source offers that was not claimed yet."""

import time
from collections.abc import Sequence

from opsintel_dagster.errors import SourceDown
from opsintel_dagster.ingestion import ArrivalSource, Sighting, UpstreamFeed, open_source
from opsintel_dagster.ledger import arrivals
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.feeds import OutcomeFeed
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.work import FeedOpener, Work
from opsintel_dagster.outcome import UpstreamSource

LONGEST_SETTLE_SECONDS = 10.0
SETTLE_STEP_SECONDS = 0.25


def open_arrival_source(
    compiled: Compiled, installation: Installation, open_feed: FeedOpener | None = None
) -> ArrivalSource:
    """The source of the outcome, ready to be polled.

    Raises:
        SettingsError: its path comes from a variable that is not set.
        SourceDown: the asset it follows is no outcome, and nobody here can ask Dagster about it.
    """
    source = compiled.outcome.source
    feed: UpstreamFeed | None = None
    if isinstance(source, UpstreamSource):
        if source.outcome is not None and source.path is None:
            feed = OutcomeFeed(installation, source.outcome)
        elif open_feed is not None:
            feed = open_feed(source)
        else:
            reason = "its materializations are known to Dagster only; drain it with Dagster"
            raise SourceDown(source.asset, reason)
    return open_source(source, root=installation.settings.root, feed=feed)


def unknown_sightings(
    compiled: Compiled, installation: Installation, source: ArrivalSource
) -> list[Sighting]:
    """What the source has that the ledger does not know, oldest first."""
    sightings = source.poll()
    with installation.ledger.read() as connection:
        names = [seen.name for seen in sightings]
        known = arrivals.known_marks(connection, compiled.name, names)
    return [seen for seen in sightings if known.get(seen.name) != (seen.size, seen.mark)]


def settled_sightings(work: Work, source: ArrivalSource) -> tuple[list[Sighting], int]:
    """Give what is there and stands still; wait a little for what may still be written."""
    news = unknown_sightings(work.compiled, work.installation, source)
    waited = 0.0
    while waited < LONGEST_SETTLE_SECONDS and not _all_settled(work, source, news):
        time.sleep(SETTLE_STEP_SECONDS)
        waited += SETTLE_STEP_SECONDS
    if waited:  # what was written meanwhile has another mark, and another age
        news = unknown_sightings(work.compiled, work.installation, source)
    settled = [seen for seen in news if source.is_settled(seen, work.clock())]
    return settled, len(news) - len(settled)


def _all_settled(work: Work, source: ArrivalSource, news: Sequence[Sighting]) -> bool:
    return all(source.is_settled(seen, work.clock()) for seen in news)
