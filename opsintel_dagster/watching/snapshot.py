"""What the watcher knows at one look: of each outcome, and of the machinery that runs them.

Plain values without Dagster and without a ledger, so that what follows from them can be tried
without either.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class Failing:
    """Batches that fail of the same, or wait for the same.

    `attempts` and `next_attempt_at` are those of the batch that was tried most often and of the one
    that is tried next; `failure_class` is None where they only wait.
    """

    batches: int
    reason: str
    failure_class: str | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    is_given_up: bool = False


@dataclass(frozen=True, kw_only=True)
class OpenBreaker:
    """A source, receiver or store that is not asked; `retry_at` None: until somebody decides."""

    name: str
    since: datetime
    reason: str
    failures: int
    retry_at: datetime | None = None
    blocked: int = 0


@dataclass(frozen=True, kw_only=True)
class WaitingCase:
    """A case that is open; `due_at` is when its own clock runs out, if it has one.

    `name` is what it is called in a command; None: `outcome.failure_mode`.
    """

    failure_mode: str
    cause: str = ""
    name: str | None = None
    owner: str
    opened_at: datetime
    records: int
    episode: int = 1
    due_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class StaleAsset:
    """An asset of which Dagster says that it is older than its freshness policy allows."""

    asset: str
    materialized_at: datetime
    window: timedelta


@dataclass(frozen=True, kw_only=True)
class LongRun:
    """A run that takes longer than a run may, and that was not ended; `beats`: its worker lives."""

    run_id: str
    since: datetime
    allowed: timedelta
    beats: bool


@dataclass(frozen=True, kw_only=True)
class WatchedOutcome:
    """One outcome at one look.

    `oldest` is when the oldest outstanding record became available, `unclaimed` of the arrivals
    nobody has claimed counted in. `silent_since` is when the source last made anything available,
    or when the watch began if it never did. `woken` says that this very look has woken it.
    """

    name: str
    owner: str
    within: timedelta
    cost_per_hour: float = 0.0
    expect: timedelta | None = None
    oldest: datetime | None = None
    outstanding: int = 0
    unclaimed: int = 0
    source_error: str | None = None
    failing: tuple[Failing, ...] = ()
    stop: OpenBreaker | None = None
    breakers: tuple[OpenBreaker, ...] = ()
    cases: tuple[WaitingCase, ...] = ()
    unaccounted: str | None = None
    silent_since: datetime | None = None
    stale: tuple[StaleAsset, ...] = ()
    long_runs: tuple[LongRun, ...] = ()
    woken: bool = False


@dataclass(frozen=True, kw_only=True)
class WatchedSensor:
    """A sensor of this code location, as Dagster's ticks tell.

    `silent_since` is its last tick, or when it was first missed if it never ticked. `failures` is
    how many of its last ticks failed in a row, `error` why the last of them did.
    """

    name: str
    location: str
    interval: timedelta
    silent_since: datetime
    has_ticked: bool = True
    is_stopped: bool = False
    failures: int = 0
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class WatchedDaemon:
    """A daemon of Dagster that this instance needs, and that gives no heartbeat since then."""

    name: str
    silent_since: datetime


@dataclass(frozen=True, kw_only=True)
class UntakenNotices:
    """Notices to one owner that were tried several times and that no channel takes."""

    owner: str
    number: int
    attempts: int
    since: datetime
    failure: str
    outcome: str | None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything at one look; `keeper` is who is told what concerns no single outcome."""

    now: datetime
    keeper: str
    fallback: str | None = None
    outcomes: tuple[WatchedOutcome, ...] = ()
    sensors: tuple[WatchedSensor, ...] = ()
    daemons: tuple[WatchedDaemon, ...] = ()
    untaken: tuple[UntakenNotices, ...] = ()
