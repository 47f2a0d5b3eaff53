"""Where an outcome stops helping itself, loudly: one case, open until somebody decides.

A batch that is given up, and an outcome whose budget of failed attempts is spent, wait for a
decision. The case about both is kept true to the ledger, so it closes when they have gone on.
"""

from typing import Final

from opsintel_dagster.ledger import batches, breakers, case_things, cases, entries
from opsintel_dagster.ledger.breakers import BreakerKind, outcome_breaker
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome import FailureClass
from opsintel_dagster.outcome.names import STOPPED

BATCHES_NAMED: Final = 100


def stop(work: Work, failure_class: str, reason: str) -> None:
    """Let the outcome attempt nothing more until somebody decides."""
    name = outcome_breaker(work.name)
    with work.lease.write() as connection:
        breakers.open_(
            connection,
            name,
            BreakerKind.OUTCOME,
            failure_class=failure_class,
            reason=reason,
            retry_at=None,
            now=work.clock(),
        )
        entries.append(connection, work.name, work.actor, "stopped", work.name, reason)
    work.breakers.forget()
    settle(work)


def settle(work: Work) -> None:
    """Keep the case about what was given up true: its facts, and whether it is open."""
    subject = work.compiled.about(STOPPED)
    identity = cases.case_id(work.name, *subject)
    with work.installation.ledger.read() as connection:
        waiting = [
            row
            for row in batches.given_up(connection, work.name)
            if row.failure_class != FailureClass.IN_DOUBT  # has a case of its own
        ]
        stopped = breakers.find(connection, outcome_breaker(work.name))
        row = cases.find(connection, identity)
    about = {one.id: one.failure or "" for one in waiting[:BATCHES_NAMED]}
    if len(waiting) > BATCHES_NAMED:
        about["…"] = f"and {len(waiting) - BATCHES_NAMED:,} more batches"
    if stopped is not None and stopped.retry_at is None:
        about[work.name] = stopped.reason
    told = row.facts.get("stopped", {}) if row is not None else {}
    if about == told:
        return
    with work.lease.write() as connection:
        owner = work.compiled.owner_of(subject.failure_mode)
        if case_things.about_stopped(connection, work.name, subject, owner, about):
            reason = "; ".join(list(about.values())[:3]) or "everything goes on again"
            entries.append(connection, work.name, work.actor, "case", identity, reason)
