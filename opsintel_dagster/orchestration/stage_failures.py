"""A failure of a whole stage, or run, in the ledger: when the outcome may be woken again."""

from datetime import datetime

from sqlalchemy import Connection

from opsintel_dagster.healing import Failure
from opsintel_dagster.healing.retry_plan import Plan, plan
from opsintel_dagster.ledger import attempts, breakers, entries
from opsintel_dagster.ledger.breakers import BreakerKind, outcome_breaker
from opsintel_dagster.orchestration.compiled import Compiled


def note_failure(
    connection: Connection,
    compiled: Compiled,
    stage: str,
    failure: Failure,
    *,
    actor: str,
    run_id: str | None,
    now: datetime,
) -> Plan:
    """Keep what failed and open the outcome's own breaker until it is tried again, if ever."""
    name = outcome_breaker(compiled.name)
    before = breakers.find(connection, name)
    failures = (before.failures if before is not None else 0) + 1
    planned = plan(failure, failures, compiled.outcome.healing.attempts_per_batch, now)
    attempts.note(
        connection,
        compiled.name,
        at=now,
        batch_id=None,
        stage=stage,
        failure_class=failure.failure_class,
        reason=failure.reason,
        dependency=None,
        run_id=run_id,
        next_attempt_at=planned.next_attempt_at,
    )
    breakers.open_(
        connection,
        name,
        BreakerKind.OUTCOME,
        failure_class=failure.failure_class,
        reason=f"{stage}: {failure.reason} ({planned.why})",
        retry_at=planned.next_attempt_at,
        now=now,
    )
    kind = "failed" if planned.next_attempt_at else "stopped"
    entries.append(connection, compiled.name, actor, kind, compiled.name, failure.reason)
    return planned
