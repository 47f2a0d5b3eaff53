"""What the watcher knows at one look, read from the ledger in a fixed number of queries."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from opsintel_dagster.ledger import case_listing, cases, law, notices, standing
from opsintel_dagster.ledger.standing import HeldBack, source_breaker
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.waking import Look, State
from opsintel_dagster.orchestration.watch_cursor import WatchCursor
from opsintel_dagster.watching.patience import FAILED_SENDINGS
from opsintel_dagster.watching.snapshot import (
    Failing,
    LongRun,
    OpenBreaker,
    StaleAsset,
    UntakenNotices,
    WaitingCase,
    WatchedOutcome,
)

MOST_CASES: Final = 10_000


def watched_outcomes(
    installation: Installation,
    outcomes: Mapping[str, Compiled],
    states: Sequence[State],
    looks: Mapping[str, Look],
    cursor: WatchCursor,
    now: datetime,
    *,
    stale: Mapping[str, Sequence[StaleAsset]],
    long_runs: Mapping[str, Sequence[LongRun]],
    woken: Sequence[str],
) -> tuple[WatchedOutcome, ...]:
    """Each outcome as it stands now; what was asked of sources and of Dagster is handed in."""
    found = _Ledger.read(installation, outcomes)
    return tuple(
        WatchedOutcome(
            name=state.name,
            owner=outcomes[state.name].outcome.owner,
            within=outcomes[state.name].outcome.within,
            cost_per_hour=outcomes[state.name].outcome.cost_per_hour,
            expect=outcomes[state.name].outcome.source.expect,
            oldest=state.oldest,
            unclaimed=len(looks[state.name].sightings),
            source_error=state.source_error,
            silent_since=_silent_since(outcomes[state.name], found, looks, cursor, now),
            stale=tuple(stale.get(state.name, ())),
            long_runs=tuple(long_runs.get(state.name, ())),
            woken=state.name in woken,
            **found.of(state.name),
        )
        for state in states
    )


class _Ledger:
    """What the ledger says of all outcomes, asked once."""

    def __init__(self) -> None:
        self.outstanding: Mapping[str, Row[Any]] = {}
        self.reasons: Mapping[str, Sequence[Row[Any]]] = {}
        self.held = HeldBack({}, {}, {})
        self.cases: dict[str, list[WaitingCase]] = {}
        self.unaccounted: Mapping[str, str] = {}
        self.arrived: Mapping[str, datetime] = {}

    @classmethod
    def read(cls, installation: Installation, outcomes: Mapping[str, Compiled]) -> "_Ledger":
        found = cls()
        if not installation.ledger.exists():
            return found
        names = list(outcomes)
        expecting = [name for name in names if outcomes[name].outcome.source.expect is not None]
        with installation.ledger.read() as connection:
            found.outstanding = standing.outstanding(connection, names)
            found.reasons = standing.reasons(connection, names)
            sources = {
                name: source_breaker(one.outcome.source.place) for name, one in outcomes.items()
            }
            found.held = standing.held_back(connection, sources)
            facts = {name: one.facts() for name, one in outcomes.items()}
            for row in case_listing.listing(connection, names, limit=MOST_CASES):
                found.cases.setdefault(row.outcome, []).append(_case(row, facts[row.outcome]))
            found.unaccounted = law.broken(connection, names)
            if expecting:
                found.arrived = standing.last_arrivals(connection, expecting)
        return found

    def of(self, name: str) -> dict[str, Any]:
        waiting = self.outstanding.get(name)
        stop = self.held.stops.get(name)
        return {
            "outstanding": waiting.batches if waiting is not None else 0,
            "failing": tuple(_failing(row) for row in self.reasons.get(name, ())),
            "stop": _breaker(stop) if stop is not None else None,
            "breakers": tuple(
                _breaker(self.held.opened[key], blocked)
                for key, blocked in self.held.behind.get(name, {}).items()
            ),
            "cases": tuple(self.cases.get(name, ())),
            "unaccounted": self.unaccounted.get(name),
        }


def _silent_since(
    compiled: Compiled,
    found: _Ledger,
    looks: Mapping[str, Look],
    cursor: WatchCursor,
    now: datetime,
) -> datetime | None:
    """When the source last made something available, as far as anybody has seen it."""
    if compiled.outcome.source.expect is None:
        return None
    times = [seen.available_at for seen in looks[compiled.name].sightings]
    if compiled.name in found.arrived:
        times.append(found.arrived[compiled.name])
    return max(times) if times else cursor.begun_at(compiled.name, now)


def overdue_probes(
    connection: Connection, outcomes: Mapping[str, Compiled], now: datetime, patience: timedelta
) -> set[str]:
    """Outcomes whose batches wait behind a breaker that somebody should have probed by now."""
    held = standing.held_back(connection, dict.fromkeys(outcomes, ""))
    overdue = set()
    for name, behind in held.behind.items():
        rows = [held.opened[key] for key, blocked in behind.items() if blocked]
        times = [row.probe_until or row.retry_at for row in rows]
        if any(at is not None and now - at > patience for at in times):
            overdue.add(name)
    return overdue


def untaken_notices(
    connection: Connection, outcomes: Mapping[str, Compiled]
) -> tuple[UntakenNotices, ...]:
    """Notices of this location that no channel takes, by owner."""
    by_owner: dict[str, list[Row[Any]]] = {}
    for row in notices.failing(connection, FAILED_SENDINGS):
        if row.outcome is None or row.outcome in outcomes:
            by_owner.setdefault(row.owner, []).append(row)
    return tuple(
        UntakenNotices(
            owner=owner,
            number=len(rows),
            attempts=max(row.attempts for row in rows),
            since=min(row.decided_at for row in rows),
            failure=next((row.failure for row in reversed(rows) if row.failure), "none"),
            outcome=next((row.outcome for row in rows if row.outcome is not None), None),
        )
        for owner, rows in by_owner.items()
    )


def _failing(row: Row[Any]) -> Failing:
    return Failing(
        batches=row.batches,
        reason=row.reason,
        failure_class=row.failure_class,
        attempts=row.attempts,
        next_attempt_at=row.next_at,
        is_given_up=bool(row.is_given_up),
    )


def _breaker(row: Row[Any], blocked: int = 0) -> OpenBreaker:
    return OpenBreaker(
        name=row.name,
        since=row.opened_at or row.changed_at,
        reason=row.reason,
        failures=row.failures,
        retry_at=row.probe_until or row.retry_at,
        blocked=blocked,
    )


def _case(row: Row[Any], facts: Mapping[str, Any]) -> WaitingCase:
    return WaitingCase(
        failure_mode=row.failure_mode,
        cause=row.cause,
        name=cases.typed_name(cases.name_of(row.outcome, row.failure_mode, row.cause), row.id),
        owner=row.owner,
        opened_at=row.opened_at,
        records=int(row.open_rows),
        episode=row.episode,
        due_at=cases.due_at(row, facts),
    )
