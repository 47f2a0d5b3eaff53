"""Which outcomes have work now, asked of their sources and of the ledger; plain Python.

It is level-triggered: what is outstanding is looked up anew every time, so a missed look, a lost
cursor or two looks at once end in the same state. Nothing here writes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from sqlalchemy import Connection, select

from opsintel_dagster.ingestion import Sighting
from opsintel_dagster.ledger import batches, breakers, decisions
from opsintel_dagster.ledger.batches import BatchState
from opsintel_dagster.ledger.breakers import outcome_breaker
from opsintel_dagster.ledger.cases import CaseState, about
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.ledger.tables import batch, case, case_rows
from opsintel_dagster.orchestration.carrying_out import due_defaults
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.intake import open_arrival_source, unknown_sightings
from opsintel_dagster.orchestration.keeping import all_in_force
from opsintel_dagster.orchestration.replay import untried
from opsintel_dagster.orchestration.work import FeedOpener

POLL_THREADS: Final = 16


@dataclass(frozen=True)
class State:
    """What is known of one outcome at one look.

    `reason` says in words why it should drain now; `digest` names the work, so that the same
    work met again and again can be told from new work. `oldest` is when the oldest outstanding
    record became available; `source_error` is set while nobody knows whether there is more.
    `attempt` and `failure_class` tell of the work that has failed most often before; `stopped` says
    why the outcome is not to be woken.
    """

    name: str
    reason: str | None = None
    digest: str = ""
    oldest: datetime | None = None
    source_error: str | None = None
    attempt: int = 1
    failure_class: str | None = None
    stopped: str | None = None

    def is_late(self, within: timedelta, now: datetime) -> bool:
        """Whether something outstanding is older than promised."""
        return self.oldest is not None and now - self.oldest > within


@dataclass(frozen=True)
class Look:
    """What one poll of a source found: arrivals nobody claimed yet, or why nothing is known."""

    sightings: tuple[Sighting, ...] = ()
    error: str | None = None


@dataclass
class Polls:
    """Polls many sources at once; one that hangs keeps its thread and starves nobody else.

    A source that has not answered when the time is over is not asked again until it has.
    """

    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(POLL_THREADS, "opsintel-poll")
    )
    _pending: dict[int, Future[Look]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def look(
        self,
        outcomes: Sequence[Compiled],
        poll: Callable[[Compiled], Iterable[Sighting]],
        seconds: float,
    ) -> dict[str, Look]:
        """What each source offers now, asked by `poll`, within so many seconds for all of them."""
        with self._lock:
            for compiled in outcomes:
                if id(compiled) not in self._pending:
                    self._pending[id(compiled)] = self._pool.submit(_look, compiled, poll)
            mine = [(compiled, self._pending[id(compiled)]) for compiled in outcomes]
        wait([future for _, future in mine], timeout=seconds)
        looks = {}
        for compiled, future in mine:
            if future.done():
                looks[compiled.name] = future.result()
                self._pending.pop(id(compiled), None)
            else:
                looks[compiled.name] = Look(error="the source has not answered yet")
        return looks


def _look(compiled: Compiled, poll: Callable[[Compiled], Iterable[Sighting]]) -> Look:
    try:
        return Look(tuple(poll(compiled)))
    except Exception as error:  # noqa: BLE001  # whatever one source raises must not stop others
        return Look(error=f"{type(error).__name__}: {error}")


def new_arrivals(
    compiled: Compiled, installation: Installation, open_feed: FeedOpener | None = None
) -> list[Sighting]:
    """What the source offers that was not claimed yet; creates no ledger where there is none.

    Raises:
        SourceDown: it cannot be reached.
        SettingsError: its path comes from a variable that is not set.
    """
    source = open_arrival_source(compiled, installation, open_feed)
    if installation.ledger.exists():
        return unknown_sightings(compiled, installation, source)
    return source.poll()


def states(
    installation: Installation,
    outcomes: Sequence[Compiled],
    looks: Mapping[str, Look],
    now: datetime | None = None,
) -> list[State]:
    """Put together what the sources offer and what the ledger still holds for each outcome."""
    unfinished: Mapping[str, _Unfinished] = {}
    if installation.ledger.exists():
        with installation.ledger.read() as connection:
            unfinished = _unfinished(connection, outcomes, now or datetime.now(UTC))
    nothing = _Unfinished()
    return [
        _state(one.name, looks[one.name], unfinished.get(one.name, nothing)) for one in outcomes
    ]


@dataclass
class _Unfinished:
    """What the ledger holds of one outcome that is not over; `due` can go on now."""

    due: list[str] = field(default_factory=list)
    oldest: datetime | None = None
    attempt: int = 1
    failure_class: str | None = None
    stopped: str | None = None


def _state(name: str, look: Look, unfinished: _Unfinished) -> State:
    times = [seen.available_at for seen in look.sightings]
    times += [unfinished.oldest] if unfinished.oldest is not None else []
    work = [f"{seen.name} {seen.size} {seen.mark}" for seen in look.sightings] + unfinished.due
    reasons = [f"{len(look.sightings)} new arrivals"] if look.sightings else []
    reasons += [f"{len(unfinished.due)} outstanding in the ledger"] if unfinished.due else []
    return State(
        name,
        None if unfinished.stopped else "; ".join(reasons) or None,
        stable_id("work", name, sorted(work))[:16],
        min(times, default=None),
        look.error,
        unfinished.attempt,
        unfinished.failure_class,
        unfinished.stopped,
    )


def _unfinished(
    connection: Connection, outcomes: Sequence[Compiled], now: datetime
) -> dict[str, _Unfinished]:
    """Everything that is not over, for all outcomes at once, each query answered from an index."""
    versions = _Versions(connection)
    opened = breakers.all_open(connection)
    found: dict[str, _Unfinished] = {}
    for row in connection.execute(select(batch).where(batch.c.state != BatchState.CLOSED)):
        mine = found.setdefault(row.outcome, _Unfinished())
        if mine.oldest is None or row.available_at < mine.oldest:
            mine.oldest = row.available_at
        if row.is_given_up:
            is_due = False
        elif row.blocked_by is not None:
            held = opened.get(row.blocked_by)
            is_due = held is None or breakers.lets_probe(held, now)
        elif row.waits_for is not None:
            is_due = any(versions[name] != known for name, known in row.reference_versions.items())
        else:
            is_due = row.next_attempt_at is None or row.next_attempt_at <= now
        if is_due:
            mine.due.append(f"batch {row.id} {row.state} {row.attempts}")
            if row.attempts >= mine.attempt:
                mine.attempt, mine.failure_class = row.attempts + 1, row.failure_class
    for outcome, what in (
        *_healed(connection, outcomes, versions),
        *_decided(connection, outcomes, now),
    ):
        found.setdefault(outcome, _Unfinished()).due.append(what)
    for one in outcomes:
        stop = opened.get(outcome_breaker(one.name))
        if stop is not None:
            mine = found.setdefault(one.name, _Unfinished())
            mine.attempt = max(mine.attempt, stop.failures + 1)
            mine.failure_class = stop.failure_class
            if not breakers.lets_probe(stop, now):
                mine.stopped = stop.reason
    return found


class _Versions(dict[str, str]):
    """The current version of each outcome that somebody waits for, asked once."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def __missing__(self, name: str) -> str:
        self[name] = batches.version(self._connection, name)
        return self[name]


def _healed(
    connection: Connection, outcomes: Sequence[Compiled], versions: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Open rows whose reference or declaration has a version they were not yet judged by."""
    declared = {one.name: one for one in all_in_force(connection, outcomes)}
    open_rows = (
        select(case_rows.c.case_id).where(case_rows.c.rows > case_rows.c.resolved).distinct()
    )
    query = select(case.c.outcome, case.c.failure_mode, case.c.cause, case.c.tried_version).where(
        case.c.outcome.in_(declared), case.c.state == CaseState.OPEN, case.c.id.in_(open_rows)
    )
    for row in connection.execute(query) if declared else ():
        reference = declared[row.outcome].replayed_when().get(row.failure_mode)
        version = versions[reference] if reference else ""
        known = {reference: version} if reference and version else {}
        for name, now in untried(declared[row.outcome], row.tried_version, known).items():
            yield row.outcome, f"{about(row)} {name} {now}"


def _decided(
    connection: Connection, outcomes: Sequence[Compiled], now: datetime
) -> Iterator[tuple[str, str]]:
    """What was decided and not carried out yet, and cases whose default is to be taken."""
    names = {one.name for one in outcomes}
    for outcome, identities in decisions.outcomes_with_requests(connection).items():
        if outcome in names:
            yield from ((outcome, f"decision {identity}") for identity in identities)
    with_default = [one for one in outcomes if one.defaults()]
    for one in with_default:
        for row in due_defaults(connection, one, now):
            yield one.name, f"default of {about(row)} {row.episode}"
