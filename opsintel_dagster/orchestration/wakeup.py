"""Has an outcome work? Asked by the sensor at every tick, so it reads no content.

The answer is about state, not about events: whatever was missed, doubled or crashed, the question
has the same answer the next time it is asked.
"""

from datetime import datetime

from sqlalchemy import Connection

from opsintel_dagster.errors import SourceDown
from opsintel_dagster.ledger import batches, cases
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.stage_arrivals import open_intake, unknown_sightings
from opsintel_dagster.orchestration.work import FeedOpener


def outstanding_work(compiled: Compiled, installation: Installation, now: datetime) -> str | None:
    """What the ledger says there is to do now, in words; None: nothing."""
    with installation.ledger.read() as connection:
        due = batches.outcomes_with_work(connection, [compiled.name], now).get(compiled.name)
        if due:
            return f"{due} batches outstanding"
        versions: dict[str, str] = {}
        for row in batches.waiting(connection, compiled.name):
            for name, version in row.reference_versions.items():
                if _version(connection, name, versions) != version:
                    return f"{name} has changed, and a batch waited for that"
        for failure_mode, reference in compiled.replayed_when().items():
            identity = cases.case_id(compiled.name, failure_mode)
            case = cases.find(connection, identity)
            if case is None or not cases.open_rows(connection, identity):
                continue
            now_at = _version(connection, reference, versions)
            if now_at and case.tried_version.get(reference) != now_at:
                return f"{reference} has changed, and records of {failure_mode} may be healed"
    return None


def new_arrivals(
    compiled: Compiled, installation: Installation, open_feed: FeedOpener | None = None
) -> str | None:
    """What the source offers that was not claimed yet, in words; None: nothing, or it is down."""
    try:
        intake = open_intake(compiled, installation, open_feed)
        news = unknown_sightings(compiled, installation, intake)
    except SourceDown:
        return None
    return f"{len(news)} new arrivals" if news else None


def _version(connection: Connection, name: str, known: dict[str, str]) -> str:
    if name not in known:
        known[name] = batches.version(connection, name)
    return known[name]
