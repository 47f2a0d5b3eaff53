"""Decisions about cases, as people make them: looked at first, made once, by one person.

A decision is a request in the ledger, which the next drain carries out. It is about the rows that
its case had at the revision the person saw; what has come since stays. Everything that faces people
(the command line, a page) decides here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row

from opsintel_dagster.errors import DecisionRefused, DeclarationError, EditsRefused
from opsintel_dagster.ledger import Ledger, bindings, cases, decisions
from opsintel_dagster.ledger.cases import CaseState
from opsintel_dagster.ledger.decisions import DecisionKind, DecisionState
from opsintel_dagster.orchestration import keeping, trying_again
from opsintel_dagster.orchestration.case_rows import CaseRows
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.decision_plans import Plan, kept, plan_of
from opsintel_dagster.orchestration.edits import Edited
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.judging_again import JudgingAgain
from opsintel_dagster.orchestration.troubles import dependencies_of
from opsintel_dagster.outcome import Amendment

NEEDS_REASON: Final = (DecisionKind.DISCARD, DecisionKind.ACCEPT)
_KEPT_AT_ONCE: Final = "somebody else has kept a decision at the same moment; decide once more"
_NO_ARGUMENTS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True)
class Decided:
    """A decision that was written down; `result` says what came of it, once it was carried out."""

    id: str
    state: DecisionState
    result: str | None
    amendments: tuple[int, ...] = ()
    """What it is called from now on, if it was kept."""


@dataclass(frozen=True)
class Preview:
    """What a decision would do, and the revision of the case it was seen at."""

    revision: int
    plan: Plan
    stopped: int = 0
    """How many batches that were given up would be tried again."""
    amendments: tuple[int, ...] = ()
    """What the decision would be called from then on, if it is to be kept."""


def preview(
    installation: Installation,
    compiled: Compiled,
    case_id: str,
    kind: DecisionKind,
    *,
    arguments: Mapping[str, Any] = _NO_ARGUMENTS,
    edits: Edited | None = None,
    revision: int | None = None,
    keeps: bool = False,
) -> Preview:
    """What the decision would do to the rows that the case has now, or had at `revision`.

    With `keeps` it is to be applied from then on; a rename always is.

    Raises:
        DecisionRefused: the case is closed.
        ReferenceDown: nobody can say: a reference is not to be trusted now.
        StoreError: a file the ledger names is missing.
    """
    with installation.ledger.read() as connection:
        case = _open_case(connection, case_id)
        seen = case.revision if revision is None else revision
        rows = CaseRows.of(installation, connection, case).seen_at(seen)
        now = keeping.in_force(connection, compiled)
        why = _never(kind, arguments, keeps=keeps)
        numbers: list[int] = []
        news: list[Amendment] = []
        if not why and arguments and (keeps or kind is DecisionKind.REPAIR):
            news = _amendments(_told(case), kind, arguments)
            why = _personal(now, news, keeps=keeps)
        if not why and keeps:
            why = keeping.refusal(connection, now, news)
            if not why:
                now, numbers = keeping.with_new(connection, now, news)
    if why:
        return Preview(seen, Plan(rows.rows, refusal=why))
    stopped = len(case.facts.get("stopped", {})) if kind is DecisionKind.REPLAY else 0
    if not rows.rows:
        why = None if stopped else "no row of it lies in quarantine, so there is nothing to decide"
        return Preview(seen, Plan(0, refusal=why), stopped)
    again = None if kind is DecisionKind.DISCARD else JudgingAgain.now(now, installation)
    if again is not None and numbers:
        labels = [keeping.label_of(number) for number in numbers]
        plan = kept(again, rows, kind, arguments, labels)
    else:
        plan = plan_of(again, rows, kind, arguments, edits)
    return Preview(seen, plan, stopped, tuple(numbers))


def decide(
    installation: Installation,
    compiled: Compiled,
    case_id: str,
    kind: DecisionKind,
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    arguments: Mapping[str, Any] = _NO_ARGUMENTS,
    edits: Edited | None = None,
    revision: int | None = None,
    previewed: Preview | None = None,
    keeps: bool = False,
) -> Decided:
    """Write a decision down; the next drain carries it out.

    Args:
        installation: Where.
        compiled: The case's outcome.
        case_id: The case.
        kind: What is to be done with its rows.
        actor: Who decides.
        now: When.
        reason: Why; to discard or to accept there has to be one.
        arguments: Of a repair `values` (column → old value → new value), or `column`,
            `expression` and perhaps `when`; of a rename `columns` (new name → column); `to` of a
            route, with `when` if it is kept.
        edits: The edited rows of a repair.
        revision: The revision of the case that the person saw; else what it has now.
        previewed: What the person was shown, so that it is not worked out twice.
        keeps: Whether it is applied from then on, as an amendment.

    Raises:
        DecisionRefused: it cannot be carried out, the case is closed, or somebody was faster.
        EditsRefused: edited rows cannot be taken.
        ReferenceDown: a reference is not to be trusted now.
    """
    name = _told_name(installation.ledger, case_id)
    if kind in NEEDS_REASON and not reason.strip():
        raise DecisionRefused(name, f"to {kind} its rows there has to be a reason")
    shown = previewed or preview(
        installation,
        compiled,
        case_id,
        kind,
        arguments=arguments,
        edits=edits,
        revision=revision,
        keeps=keeps,
    )
    if shown.plan.problems:
        raise EditsRefused(name, shown.plan.problems)
    if shown.plan.refusal:
        raise DecisionRefused(name, shown.plan.refusal)
    known = dict(arguments)
    if edits is not None:
        file = installation.store.write(compiled.name, "decisions", "edits", edits.frame)
        known["files"] = [file.path]
    with installation.ledger.write() as connection:
        case = _open_case(connection, case_id)
        identity = _request(
            connection,
            case,
            kind,
            arguments=known,
            actor=actor,
            reason=reason,
            now=now,
            revision=shown.revision,
        )
        numbers: Sequence[int] = ()
        if keeps:
            numbers = _keep(connection, compiled, case, identity, kind, known, actor, reason, now)
        if shown.stopped:
            names = dependencies_of(installation, compiled)
            found = trying_again.decided(connection, compiled.name, actor, names, is_touch=False)
            if not shown.plan.rows:
                row = decisions.find(connection, identity)
                count = len(found)
                result = f"{count:,} batch{'es are' if count != 1 else ' is'} tried once more"
                decisions.settle(connection, row, DecisionState.EXECUTED, result, now)
        row = decisions.find(connection, identity)
    return Decided(row.id, DecisionState(row.state), row.result, tuple(numbers))


def assign(
    ledger: Ledger, case_id: str, owner: str, *, actor: str, now: datetime, reason: str = ""
) -> Decided:
    """Ask somebody else, at once and for the rest of the episode; no row is changed.

    Raises:
        DecisionRefused: the case is closed.
    """
    arguments = {"owner": owner}
    with ledger.write() as connection:
        case = _open_case(connection, case_id)
        decisions.assign(connection, case.id, owner, actor)
        result = f"{owner} is asked instead of {case.owner}"
        return _at_once(
            connection, case, DecisionKind.ASSIGN, arguments, actor, reason, now, result
        )


def snooze(
    ledger: Ledger, case_id: str, until: datetime, *, actor: str, now: datetime, reason: str = ""
) -> Decided:
    """Let the case's clock run out later, at once; no row is changed.

    Raises:
        DecisionRefused: the case is closed, or `until` is past.
    """
    if until <= now:
        raise DecisionRefused(_told_name(ledger, case_id), "it cannot be put off until the past")
    arguments = {"until": until.isoformat()}
    with ledger.write() as connection:
        case = _open_case(connection, case_id)
        decisions.snooze(connection, case.id, until)
        result = f"due {until:%Y-%m-%d %H:%M} UTC"
        return _at_once(
            connection, case, DecisionKind.SNOOZE, arguments, actor, reason, now, result
        )


def _personal(compiled: Compiled, news: Sequence[Amendment], *, keeps: bool) -> str | None:
    columns = [column for one in news if (column := keeping.personal(compiled, one))]
    if not columns:
        return None
    fix = "write it into the declaration, below `amendments`" if keeps else "edit an export"
    return f"`{columns[0]}` is personal data, which the ledger keeps none of; {fix}"


def _never(kind: DecisionKind, arguments: Mapping[str, Any], *, keeps: bool) -> str | None:
    """Why nobody can decide this, whatever the rows are."""
    if kind is DecisionKind.RENAME and not keeps:
        return "a rename is about the arrivals to come, too, and so is always kept"
    if not keeps:
        is_kept_only = kind is DecisionKind.ROUTE and "when" in arguments
        return "a condition says which rows from then on; keep it" if is_kept_only else None
    if kind is DecisionKind.ROUTE and "when" not in arguments:
        return "to keep a route there has to be a condition that says which rows go there"
    if kind is DecisionKind.REPAIR and not arguments:
        return "an edited export is about its own rows; keep a value map or an expression"
    return keeping.NOT_KEPT.get(kind)


def _amendments(case: str, kind: DecisionKind, arguments: Mapping[str, Any]) -> list[Amendment]:
    try:
        return keeping.amendments_of(kind, arguments)
    except DeclarationError as error:
        raise DecisionRefused(case, "; ".join(str(one) for one in error.findings)) from error


def _keep(
    connection: Connection,
    compiled: Compiled,
    case: Row[Any],
    identity: str,
    kind: DecisionKind,
    arguments: Mapping[str, Any],
    actor: str,
    reason: str,
    now: datetime,
) -> Sequence[int]:
    """Keep the decision in its transaction; what others have kept since it was shown counts."""
    news = _amendments(_told(case), kind, arguments)
    why = keeping.refusal(connection, compiled, news)
    numbers = keeping.keep(
        connection,
        compiled,
        () if why else news,
        actor=actor,
        reason=reason,
        case_id=case.id,
        decision_id=identity,
        now=now,
    )
    if why or numbers is None:
        raise DecisionRefused(_told(case), why or _KEPT_AT_ONCE)
    decisions.kept_as(connection, identity, numbers)
    return numbers


def _request(
    connection: Connection,
    case: Row[Any],
    kind: DecisionKind,
    *,
    arguments: Mapping[str, Any],
    actor: str,
    reason: str,
    now: datetime,
    revision: int,
) -> str:
    """Write it down, unless somebody was faster."""
    declared = bindings.bound(connection, case.outcome)
    modes = {} if declared is None else declared.facts["failure_modes"]
    identity = decisions.request(
        connection,
        case,
        kind=kind,
        revision=revision,
        arguments=arguments,
        actor=actor,
        reason=reason,
        now=now,
        minutes=modes.get(case.failure_mode, {}).get("minutes"),
    )
    if identity is None:
        faster = decisions.open_of_case(connection, case.id)
        who = "somebody" if faster is None else faster.actor
        what = "" if faster is None else f" to {faster.kind} it ({faster.reason or 'no reason'})"
        raise DecisionRefused(
            _told(case), f"{who} was faster and decided{what}; the next drain carries it out"
        )
    return identity


def _at_once(
    connection: Connection,
    case: Row[Any],
    kind: DecisionKind,
    arguments: Mapping[str, Any],
    actor: str,
    reason: str,
    now: datetime,
    result: str,
) -> Decided:
    """Keep a decision that has been carried out already."""
    identity = decisions.done(
        connection,
        case,
        kind=kind,
        arguments=arguments,
        actor=actor,
        reason=reason,
        now=now,
        result=result,
    )
    return Decided(identity or "", DecisionState.EXECUTED, result)


def _open_case(connection: Connection, case_id: str) -> Row[Any]:
    case = cases.find(connection, case_id)
    why = closed(case, None)
    if case is None or why:
        raise DecisionRefused(case_id if case is None else _told(case), why)
    return case


def closed(case: Row[Any] | None, episode: int | None) -> str:
    """Why nothing can be decided about this episode of the case any more; empty: it is open."""
    if case is None:
        return "there is no such case"
    if case.state != CaseState.OPEN:
        return f"it was closed {case.closed_at:%Y-%m-%d %H:%M} UTC by: {case.closed_by}"
    if episode is not None and case.episode != episode:
        return f"it was closed before, and has come back as episode {case.episode}"
    return ""


def _told(case: Row[Any]) -> str:
    return cases.name_of(case.outcome, case.failure_mode, case.cause)


def _told_name(ledger: Ledger, case_id: str) -> str:
    with ledger.read() as connection:
        case = cases.find(connection, case_id)
    return case_id if case is None else _told(case)
