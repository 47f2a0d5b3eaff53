"""Sources, their arrivals, and reading them raw: every line accounted for, nothing typed yet."""

from opsintel_dagster.ingestion.inbox import Inbox
from opsintel_dagster.ingestion.problem import Problem
from opsintel_dagster.ingestion.raw import CONTROL_COLUMNS, RAW_SCHEMA
from opsintel_dagster.ingestion.reading import Reading
from opsintel_dagster.ingestion.sighting import Sighting
from opsintel_dagster.ingestion.source import ArrivalSource, open_source
from opsintel_dagster.ingestion.upstream import Upstream, UpstreamFeed, UpstreamReading

__all__ = [
    "CONTROL_COLUMNS",
    "RAW_SCHEMA",
    "ArrivalSource",
    "Inbox",
    "Problem",
    "Reading",
    "Sighting",
    "Upstream",
    "UpstreamFeed",
    "UpstreamReading",
    "open_source",
]
