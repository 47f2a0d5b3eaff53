"""A stage that fails as a whole: noted in the ledger, so that it is not started again at once.

Single batches do not fail a stage (see `attempting`); this is about what every batch needs: the
source's folder, the store at the claim, the declaration's variables, our own bugs.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from opsintel_dagster.errors import LeaseLost, LedgerError
from opsintel_dagster.healing import Failure
from opsintel_dagster.healing.retry_plan import plan
from opsintel_dagster.ledger import attempts, breakers, entries
from opsintel_dagster.ledger.breakers import BreakerKind, outcome_breaker
from opsintel_dagster.orchestration import stopping
from opsintel_dagster.orchestration.reports import Stage, StageReport
from opsintel_dagster.orchestration.work import Work

WHOLE_RUN: Final = "run"
"""Stands for a stage where a run died and nobody knows in which; the last stage makes it good."""

Report = TypeVar("Report", bound=StageReport)


def watched(work: Work, stage: str, act: Callable[[Work], Report]) -> Report:
    """Do the stage; note if it fails, and that it is mended if it had failed before.

    Raises:
        Exception: whatever the stage raised.
    """
    try:
        report = act(work)
    except (LeaseLost, LedgerError):
        raise  # nothing can be noted
    except Exception as error:
        note(work, stage, work.classify(error))
        raise
    if outcome_breaker(work.name) in work.breakers.opened and work.stopped is None:
        _came_through(work, stage)
    return replace(report, stopped=work.stopped) if work.stopped is not None else report


def note(work: Work, stage: str, failure: Failure) -> None:
    """Keep the outcome from being woken before it makes sense to, or until somebody decides."""
    if work.stopped is not None:
        return  # what stopped it stands until somebody decides
    name = outcome_breaker(work.name)
    row = work.breakers.opened.get(name)
    failures = (row.failures if row is not None else 0) + 1
    limits = work.compiled.outcome.healing
    planned = plan(failure, failures, limits.attempts_per_batch, work.clock())
    with work.lease.write() as connection:
        attempts.note(
            connection,
            work.name,
            at=work.clock(),
            batch_id=None,
            stage=stage,
            failure_class=failure.failure_class,
            reason=failure.reason,
            dependency=None,
            run_id=work.run_id,
            next_attempt_at=planned.next_attempt_at,
        )
        breakers.open_(
            connection,
            name,
            BreakerKind.OUTCOME,
            failure_class=failure.failure_class,
            reason=f"{stage}: {failure.reason} ({planned.why})",
            retry_at=planned.next_attempt_at,
            now=work.clock(),
        )
        if planned.next_attempt_at is None:
            entries.append(connection, work.name, work.actor, "stopped", work.name, failure.reason)
    work.breakers.forget()
    if planned.next_attempt_at is None:
        stopping.settle(work)


def _came_through(work: Work, stage: str) -> None:
    stages = [stage, WHOLE_RUN] if stage == Stage.PROMISE else [stage]
    with work.lease.write() as connection:
        attempts.settle_stages(connection, work.name, stages, work.clock(), "drain")
        left = [row for row in attempts.unsettled(connection, [work.name]) if not row.batch_id]
        if not left:
            breakers.close(connection, outcome_breaker(work.name))
    work.breakers.forget()
