"""Carries out what was decided about cases, and what was declared for those nobody answered.

It is the drain's side of decisions: each is done in one transaction, so that a process that dies
anywhere leaves it requested or done, and never half done.
"""

from collections.abc import MutableMapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.errors import LeaseLost, LedgerError, OpsintelError, ReferenceDown
from opsintel_dagster.ledger import cases, decisions, discards, entries
from opsintel_dagster.ledger.batches import Role
from opsintel_dagster.ledger.decisions import DEFAULT, DecisionKind, DecisionState
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.orchestration import keeping, quarantine
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.decision_plans import Plan, plan_of
from opsintel_dagster.orchestration.decisions import closed
from opsintel_dagster.orchestration.edits import Edited
from opsintel_dagster.orchestration.judging_again import JudgingAgain
from opsintel_dagster.orchestration.replay import Moving, counted, take_out
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome.durations import format_duration


def due_defaults(connection: Connection, compiled: Compiled, now: datetime) -> list[Row[Any]]:
    """Cases of the outcome whose default is to be taken now."""
    modes = compiled.defaults()
    return [
        case
        for case, _ in cases.overdue(connection, [compiled.name], now)
        if case.failure_mode in modes
        and cases.open_rows(connection, case.id)
        and decisions.open_of_case(connection, case.id) is None
        and not decisions.has_default(connection, case.id, case.episode)
    ]


def take_defaults(work: Work) -> int:
    """Decide what was declared for cases whose clock has run out; once an episode.

    Returns how many decisions that were.
    """
    modes = work.compiled.defaults()
    if not modes:
        return 0
    taken = 0
    with work.installation.ledger.read() as connection:
        due = due_defaults(connection, work.compiled, work.clock())
    for case in due:
        mode = modes[case.failure_mode]
        within = format_duration(mode.answer_within) if mode.answer_within else "its time"
        with work.lease.write() as connection:
            identity = decisions.request(
                connection,
                case,
                kind=DecisionKind(mode.default or ""),
                revision=case.revision,
                arguments={},
                actor=DEFAULT,
                reason=f"nobody answered within {within}",
                now=work.clock(),
            )
        taken += identity is not None
    return taken


def execute(
    work: Work, waiting: MutableMapping[str, str], failures: MutableMapping[str, str]
) -> int:
    """Carry out what was decided; returns how many rows go on.

    A reference that is down is noted in `waiting`, a file that is gone in `failures`: the decision
    stays requested, and keeps nothing else from being judged.

    Raises:
        LeaseLost: another drain has taken over.
        LedgerError: the ledger cannot be reached.
    """
    take_defaults(work)
    moved = 0
    with work.installation.ledger.read() as connection:
        rows = decisions.requested(connection, work.name)
    for row in rows:
        try:
            moved += _execute(work, row)
        except (LeaseLost, LedgerError):
            raise
        except ReferenceDown as error:
            waiting[f"decision {row.id}"] = str(error)
        except (OpsintelError, pl.exceptions.PolarsError) as error:
            failures[f"decision {row.id}"] = str(error)
    return moved


def _execute(work: Work, row: Row[Any]) -> int:
    """Carry one decision out, in one transaction."""
    installation, kind = work.installation, DecisionKind(row.kind)
    with installation.ledger.read() as connection:
        case = cases.find(connection, row.case_id)
        over = closed(case, row.episode)
        if case is None or over:
            return _refuse(work, row, over)
        every = quarantine.parts_of_case(installation, connection, case)
        parts = every
        if row.revision < case.revision:
            parts = quarantine.parts_of_case(installation, connection, case, revision=row.revision)
    if not parts:
        return _refuse(work, row, "its rows have left quarantine")
    again = None
    if kind is not DecisionKind.DISCARD:
        again = JudgingAgain.now(work.compiled, installation, work.references)
    paths = row.arguments.get("files")
    edits = Edited(installation.store.read(paths)) if paths else None
    plan = plan_of(again, parts, case.failure_mode, kind, row.arguments, edits)
    if plan.refusal:
        return _refuse(work, row, plan.refusal)
    why = f"{kind} by {row.actor}" + (f": {row.reason}" if row.reason else "")
    if numbers := row.arguments.get(decisions.AMENDMENTS):
        why += f"; kept as {keeping.named(numbers)}"
    if kind is DecisionKind.DISCARD:
        _discard(work, row, case, plan, every, why)
        return 0
    moving = Moving.written(work, case, plan.leaving, about=row.id)
    reached("decide.written")
    with work.lease.write() as connection:
        moving.register(connection, why, row.actor, row.id)
        moving.resolve(connection, every, why)
        decisions.settle(connection, row, DecisionState.EXECUTED, plan.told(), work.clock())
    reached("decide.registered")
    return moving.height


def _discard(
    work: Work,
    row: Row[Any],
    case: Row[Any],
    plan: Plan,
    every: Sequence[pl.DataFrame],
    why: str,
) -> None:
    """Mark the rows; they stay where they lie."""
    marks = pl.concat([part.select(*quarantine.ROW, "_rules", "_cause") for part in plan.leaving])
    batch_id = stable_id("batch", work.name, "discard", row.id)
    stored = work.write(batch_id, Role.DISCARDED, marks)
    reached("decide.written")
    with work.lease.write() as connection:
        discards.create(
            connection,
            work.name,
            batch_id,
            declaration_id=work.compiled.fingerprint,
            arrivals=counted(marks),
            files=[stored],
            case_id=case.id,
            decision_id=row.id,
            now=work.clock(),
        )
        reason = f"{marks.height} rows of {case.failure_mode}: {why}"
        entries.append(connection, work.name, row.actor, "discarded", batch_id, reason)
        take_out(work.compiled, connection, every, plan.leaving, why)
        decisions.settle(connection, row, DecisionState.EXECUTED, plan.told(), work.clock())
    reached("decide.registered")


def _refuse(work: Work, row: Row[Any], why: str) -> int:
    with work.lease.write() as connection:
        decisions.settle(connection, row, DecisionState.REFUSED, why, work.clock())
    return 0
