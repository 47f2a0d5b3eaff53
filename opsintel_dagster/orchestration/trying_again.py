"""What ends a stop: a decision by a person, or a deployment that may have mended the reason."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection

from opsintel_dagster.ledger import attempts, batches, breakers, entries
from opsintel_dagster.ledger.breakers import outcome_breaker
from opsintel_dagster.orchestration.troubles import TRIED_AGAIN

DEPLOYMENT: Final = "deployment"


@dataclass(frozen=True)
class Step:
    """One thing that trying again would do: to what, and why it stands still now."""

    does: str
    about: str
    why: str


def deployed(connection: Connection, outcome: str) -> None:
    """Try what was given up once more: another declaration, or receiver, may be the remedy."""
    found = batches.try_again(connection, outcome, by=DEPLOYMENT, only_given_up=True)
    is_stopped = _end_stop(connection, outcome, DEPLOYMENT)
    if found or is_stopped:
        reason = f"what is declared changed; {len(found)} batches are tried once more"
        entries.append(connection, outcome, DEPLOYMENT, TRIED_AGAIN, outcome, reason)


def decided(
    connection: Connection,
    outcome: str,
    actor: str,
    dependencies: list[str],
    *,
    is_touch: bool = True,
) -> list[str]:
    """Somebody wants everything that failed to be tried at once; returns the batches it is about.

    The budget of the hour begins anew, and what is down is probed at once. It counts as a touch,
    unless the decision behind it was counted already.
    """
    found = batches.try_again(connection, outcome, by=actor)
    _end_stop(connection, outcome, actor)
    breakers.probe_now(connection, dependencies, datetime.now(UTC))
    reason = f"{len(found)} batches are tried once more"
    entries.append(connection, outcome, actor, TRIED_AGAIN, outcome, reason)
    if is_touch:
        entries.touched(connection, outcome, actor, TRIED_AGAIN, outcome)
    return found


def planned(connection: Connection, outcome: str, dependencies: list[str]) -> list[Step]:
    """What `decided` would do now, in the order in which it matters."""
    steps = []
    opened = breakers.all_open(connection)
    stopped = opened.get(outcome_breaker(outcome))
    if stopped is not None:
        steps.append(Step("start again", outcome, stopped.reason))
    steps += [Step("probe", name, opened[name].reason) for name in dependencies if name in opened]
    for row in batches.outstanding(connection, outcome):
        if row.failure_class == "in_doubt":
            steps.append(Step("leave alone", f"batch {row.id}", row.failure or ""))
        elif row.is_given_up:
            steps.append(Step("try once more", f"batch {row.id}", row.failure or ""))
        elif row.attempts:
            steps.append(Step("try at once", f"batch {row.id}", row.failure or ""))
        elif row.blocked_by:
            steps.append(Step("go on with", f"batch {row.id}", f"held back by {row.blocked_by}"))
        elif row.waits_for:
            steps.append(Step("look whether to go on", f"batch {row.id}", row.waits_for))
        else:
            steps.append(Step("go on with", f"batch {row.id}", f"it is {row.state}"))
    return steps


def _end_stop(connection: Connection, outcome: str, by: str) -> bool:
    failed = {row.stage for row in attempts.unsettled(connection, [outcome]) if not row.batch_id}
    attempts.settle_stages(connection, outcome, failed, datetime.now(UTC), by)
    return breakers.close(connection, outcome_breaker(outcome))
