"""One attempt of one batch at one stage: tried again in place, noted, planned, or given up.

Whatever goes wrong with a batch, the others of the drain go on. Only the loss of the lease and of
the ledger end the drain: without them nothing can be noted.
"""

from collections.abc import Callable, MutableMapping
from itertools import count
from typing import Any, Final, TypeVar

from sqlalchemy import Row
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from opsintel_dagster.errors import LeaseLost, LedgerError, ReferenceDown, StoreError
from opsintel_dagster.healing import Failure
from opsintel_dagster.healing.retry_plan import IN_PLACE, OF_A_DEPENDENCY, plan
from opsintel_dagster.ledger import attempts, batches, entries
from opsintel_dagster.ledger.breakers import BreakerKind
from opsintel_dagster.orchestration import stopping
from opsintel_dagster.orchestration.dependencies import Dependency
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome import FailureClass

T = TypeVar("T")

MOST_KILLS: Final = 2
"""A batch during which the process died so often is taken for the reason."""

_BACKOFF: Final = wait_random_exponential(multiplier=0.2, max=4)


def attempt(
    work: Work,
    stage: str,
    batch: Row[Any],
    act: Callable[[], None],
    failures: MutableMapping[str, str],
) -> bool:
    """Do `act` for the batch; false if it did not come through, which `failures` then tells.

    Raises:
        LeaseLost: another drain has taken over.
        LedgerError: the ledger cannot be reached.
        ReferenceDown: the batch has to wait; waiting is no failure.
    """
    if not may_begin(work, stage, batch, failures):
        return False
    store = store_of(work)
    tries = count(1)

    def act_once() -> None:
        """Do it, unless an attempt that seemed to fail has brought it about."""
        if next(tries) == 1 or not _has_moved(work, batch):
            act()

    try:
        patiently(work, act_once)
    except (LeaseLost, LedgerError, ReferenceDown):
        raise
    except Exception as error:  # noqa: BLE001  # the classes tell what it is; the others go on
        failure = work.classify(error)
        dependency = store if isinstance(error, StoreError) else None
        failures[batch.id] = failed(work, stage, batch, failure, dependency)
        return False
    work.breakers.is_back(store)
    return True


def _has_moved(work: Work, batch: Row[Any]) -> bool:
    """Whether the ledger has taken in the stage's result, although its answer was lost."""
    with work.installation.ledger.read() as connection:
        state: str = batch.state
        return batches.state_of(connection, batch.id) != state


def may_begin(work: Work, stage: str, batch: Row[Any], failures: MutableMapping[str, str]) -> bool:
    """Whether the batch may be tried now; marks that it is, while the drain has to be careful."""
    if work.stopped is not None:
        return False
    if batch.kills >= MOST_KILLS:
        reason = f"the process died {batch.kills} times while it was at this batch"
        failure = Failure(FailureClass.BUG, reason, "a batch during which the process dies twice")
        failures[batch.id] = failed(work, stage, batch, failure)
        return False
    if not work.breakers.passes(store_of(work)):
        failures[batch.id] = blocked(work, batch, store_of(work))
        return False
    if work.is_careful:
        with work.lease.write() as connection:
            batches.begin(connection, work.name, batch.id, work.lease.epoch)
    return True


def patiently(work: Work, act: Callable[[], T]) -> T:
    """Do it, and do it again after a pause while the failure is one that passes in seconds.

    The pauses are taken from what the whole drain may spend on them, so that many batches that fail
    do not add up to a drain that never ends.
    """

    def passes_soon(error: BaseException) -> bool:
        if isinstance(error, LeaseLost | ReferenceDown) or not isinstance(error, Exception):
            return False
        failure = work.classify(error)
        asked = failure.retry_after.total_seconds() if failure.retry_after else 0.0
        return failure.failure_class in IN_PLACE and asked <= work.patience_seconds

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        wanted = work.classify(error).retry_after if error is not None else None
        return max(_BACKOFF(state), wanted.total_seconds() if wanted is not None else 0.0)

    def is_over(_state: RetryCallState) -> bool:
        return work.patience_seconds <= 0

    def sleep(seconds: float) -> None:
        seconds = min(seconds, work.patience_seconds)
        work.patience_seconds -= seconds
        work.sleep(seconds)

    again = Retrying(
        retry=retry_if_exception(passes_soon), wait=pause, stop=is_over, sleep=sleep, reraise=True
    )
    return again(act)


def failed(
    work: Work,
    stage: str,
    batch: Row[Any],
    failure: Failure,
    dependency: Dependency | None = None,
    *,
    held_by: Dependency | None = None,
) -> str:
    """Note a failed attempt and plan the next one; returns both in words.

    What is due to a dependency opens its breaker. It counts against the batch only if the breaker
    was closed before: a probe that fails says nothing new about these records. With `held_by` the
    batch waits for that one, whatever it failed of.
    """
    is_theirs = dependency is not None and failure.failure_class in OF_A_DEPENDENCY
    is_probe = dependency is not None and dependency.name in work.breakers.opened
    tried = batch.attempts + (0 if is_theirs and is_probe else 1)
    limits = work.compiled.outcome.healing
    planned = plan(failure, tried, limits.attempts_per_batch, work.clock())
    next_at = planned.next_attempt_at
    if is_theirs and next_at is not None:
        held_by = dependency
    is_given_up = next_at is None and held_by is None
    if is_theirs and dependency is not None:
        probe_at = work.breakers.is_down(dependency, failure)
        next_at = probe_at if next_at is not None else None
    with work.lease.write() as connection:
        batches.fail(
            connection,
            batch.id,
            failure_class=failure.failure_class,
            reason=failure.reason,
            attempts=tried,
            next_attempt_at=None if held_by is not None else next_at,
            is_given_up=is_given_up,
        )
        if held_by is not None:
            batches.block(connection, batch.id, held_by.name)
        attempts.note(
            connection,
            work.name,
            at=work.clock(),
            batch_id=batch.id,
            stage=stage,
            failure_class=failure.failure_class,
            reason=failure.reason,
            dependency=dependency.name if is_theirs and dependency is not None else None,
            run_id=work.run_id,
            next_attempt_at=next_at,
        )
        if is_given_up:
            reason = f"{failure.reason} ({planned.why})"
            entries.append(connection, work.name, work.actor, "gave up", batch.id, reason)
    most = limits.attempts_per_hour
    if not is_theirs and work.spend_attempt() >= most:
        reason = f"{most} attempts failed within an hour, the last one: {failure.reason}"
        stopping.stop(work, failure.failure_class, reason)
    if is_given_up:
        stopping.settle(work)
        return f"{failure.reason} ({planned.why}; it waits for a decision)"
    if next_at is None:
        where = held_by.address if held_by is not None else ""
        return f"{failure.reason} ({planned.why}; {where} is waited for first)"
    when = f"{next_at:%H:%M:%S} UTC"
    if held_by is not None:
        return f"{failure.reason} (nothing more is sent to {held_by.address} before {when})"
    return f"{failure.reason} ({planned.why}; the next one at {when})"


def blocked(work: Work, batch: Row[Any], dependency: Dependency) -> str:
    """Leave the batch alone while the breaker of what it needs is open."""
    if batch.blocked_by != dependency.name:
        with work.lease.write() as connection:
            batches.block(connection, batch.id, dependency.name)
    row = work.breakers.opened.get(dependency.name)
    why = f": {row.reason}" if row is not None else ""
    until = f" until {row.retry_at:%H:%M:%S} UTC" if row is not None and row.retry_at else ""
    return f"{dependency.kind} {dependency.address} is left alone{until}{why}"


def store_of(work: Work) -> Dependency:
    """The store, which every stage reads and writes."""
    return Dependency(BreakerKind.STORE, work.installation.store.address)
