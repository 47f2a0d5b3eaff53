"""Carries out what was decided about cases, and what was declared for those nobody answered.

It is the drain's side of decisions: each is done in one transaction, so that a process that dies
anywhere leaves it requested or done, and never half done.
"""

from collections import Counter
from collections.abc import MutableMapping
from dataclasses import dataclass, field
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
from opsintel_dagster.orchestration import keeping
from opsintel_dagster.orchestration.case_rows import CaseRows
from opsintel_dagster.orchestration.causes import FAILURE_MODE, GROUP, TAIL
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.decision_plans import plan_of
from opsintel_dagster.orchestration.decisions import closed
from opsintel_dagster.orchestration.edits import Edited
from opsintel_dagster.orchestration.judging_again import JudgingAgain
from opsintel_dagster.orchestration.leaving import Leaving
from opsintel_dagster.orchestration.quarantine import ROW
from opsintel_dagster.orchestration.replay import Moving, counted
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome.durations import format_duration
from opsintel_dagster.store import StoredFile


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
        every = CaseRows.of(installation, connection, case)
    rows = every.seen_at(row.revision)
    if not rows.rows:
        return _refuse(work, row, "its rows have left quarantine")
    again = None
    if kind is not DecisionKind.DISCARD:
        again = JudgingAgain.now(work.compiled, installation, work.references)
    paths = row.arguments.get("files")
    edits = Edited(installation.store.read(paths)) if paths else None
    leaving = Leaving(work.compiled, case)
    moving = (
        Marking(work, row, case) if kind is DecisionKind.DISCARD else Moving(work, case, row.id)
    )

    def leaves(part: pl.DataFrame, gone: pl.DataFrame) -> None:
        moving.add(gone)
        leaving.add(part, gone)

    plan = plan_of(again, rows, kind, row.arguments, edits, leaves)
    if plan.refusal:
        return _refuse(work, row, plan.refusal)
    for part in every.come_since(row.revision):
        leaving.add(part, part.clear())
    why = f"{kind} by {row.actor}" + (f": {row.reason}" if row.reason else "")
    if numbers := row.arguments.get(decisions.AMENDMENTS):
        why += f"; kept as {keeping.named(numbers)}"
    reached("decide.written")
    with work.lease.write() as connection:
        moving.register(connection, why, row.actor, row.id)
        leaving.resolve(connection, why)
        decisions.settle(connection, row, DecisionState.EXECUTED, plan.told(), work.clock())
    reached("decide.registered")
    return moving.height if isinstance(moving, Moving) else 0


@dataclass
class Marking:
    """Rows that leave for good: a mark for each, while they stay where they lie."""

    work: Work
    decision: Row[Any]
    case: Row[Any]
    files: list[StoredFile] = field(default_factory=list)
    arrivals: Counter[str] = field(default_factory=Counter)

    @property
    def batch_id(self) -> str:
        """Named after the decision."""
        return stable_id("batch", self.work.name, "discard", self.decision.id)

    def add(self, rows: pl.DataFrame) -> None:
        """Write the marks of one part."""
        if rows.is_empty():
            return
        kept = [*ROW, "_rules", FAILURE_MODE, *(name for name in (GROUP, TAIL) if name in rows)]
        self.files.append(self.work.write(self.batch_id, Role.DISCARDED, rows.select(kept)))
        self.arrivals.update(counted(rows))

    def register(self, connection: Connection, why: str, actor: str, decision_id: str) -> None:
        """Make the marks real."""
        work = self.work
        discards.create(
            connection,
            work.name,
            self.batch_id,
            declaration_id=work.compiled.fingerprint,
            arrivals=self.arrivals,
            files=self.files,
            case_id=self.case.id,
            decision_id=decision_id,
            now=work.clock(),
        )
        reason = f"{sum(self.arrivals.values())} rows of {cases.about(self.case)}: {why}"
        entries.append(connection, work.name, actor, "discarded", self.batch_id, reason)


def _refuse(work: Work, row: Row[Any], why: str) -> int:
    with work.lease.write() as connection:
        decisions.settle(connection, row, DecisionState.REFUSED, why, work.clock())
    return 0
