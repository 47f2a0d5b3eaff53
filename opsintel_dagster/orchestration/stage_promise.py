"""Is the promise kept right now, and is every record accounted for?"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from opsintel_dagster.ledger import arrivals, batches, case_listing, law
from opsintel_dagster.orchestration import stopping
from opsintel_dagster.orchestration.conservation import count_places
from opsintel_dagster.orchestration.reports import Conservation, PromiseReport
from opsintel_dagster.orchestration.sweeping import sweep_garbage
from opsintel_dagster.orchestration.work import Work


def promise(work: Work) -> PromiseReport:
    """Judge the promise by what is outstanding, count the places, and sweep once a day."""
    sweep_garbage(work)
    stopping.settle(work)
    with work.installation.ledger.read() as connection:
        outstanding = batches.outstanding(connection, work.name)
        conservation = count_places(work.installation, connection, work.compiled)
        late = arrivals.count_late(connection, work.name)
        open_cases = case_listing.count_open(connection, [work.name])
        said = law.broken(connection, [work.name]).get(work.name)
    _note(work, conservation, said)
    if work.is_careful:
        with work.lease.write() as connection:
            work.lease.came_to_its_end(connection)
    oldest = oldest_seconds(outstanding, work.clock())
    within = work.compiled.outcome.within.total_seconds()
    return PromiseReport(
        outcome=work.name,
        within_seconds=within,
        outstanding_batches=len(outstanding),
        oldest_seconds=oldest,
        is_late=oldest is not None and oldest > within,
        late_arrivals=late,
        open_cases=open_cases,
        records=conservation.received,
        conservation=conservation,
    )


def _note(work: Work, found: Conservation, said: str | None) -> None:
    """Keep in the ledger whether the law holds, if that is not what was said last."""
    reason = None if found.holds else found.told()
    if reason == said:
        return
    with work.lease.write() as connection:
        verdict = law.Verdict.HOLDS if reason is None else law.Verdict.BROKEN
        law.note(connection, work.name, work.actor, verdict, reason or "every record was found")


def oldest_seconds(outstanding: list[Row[Any]], now: datetime) -> float | None:
    """The age of the oldest outstanding batch, since the source made its records available."""
    if not outstanding:
        return None
    oldest: datetime = min(row.available_at for row in outstanding)
    return max(0.0, (now - oldest).total_seconds())
