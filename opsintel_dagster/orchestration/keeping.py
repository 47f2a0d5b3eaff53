"""Decisions that are kept: which amendments they become, whether they may, and which apply now."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row

from opsintel_dagster.errors import DecisionRefused, DeclarationError
from opsintel_dagster.ledger import Ledger, amendments
from opsintel_dagster.ledger.decisions import DecisionKind
from opsintel_dagster.orchestration.amending import InForce
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.outcome import (
    Amendment,
    Repair,
    Reroute,
    content_of,
    contradiction,
    parse_amendment,
)
from opsintel_dagster.outcome.amendment_checks import amendment_problems
from opsintel_dagster.outcome.conditions import ConditionError, parse_value

NOT_KEPT: Final[Mapping[DecisionKind, str]] = {
    DecisionKind.ACCEPT: (
        "to accept is not kept, it would switch a rule off where nobody sees it; make the rule a "
        "warning in the contract (`raise_warning=True`), with `remedy: {kind: go_on}`"
    ),
    DecisionKind.DISCARD: (
        "to discard is not kept, records would vanish where nobody sees it; send those that keep "
        "the contract to `nowhere` (`--to nowhere --when SQL --keep`), or change the contract"
    ),
    DecisionKind.REPLAY: "to try again as it is changes nothing, so there is nothing to keep",
}
_LABEL: Final = re.compile(r"amendment (\d+)")
_TEXT: Final = re.compile(r"'(?:[^']|'')*'")


def label_of(number: int) -> str:
    """What an amendment is called where it has done something."""
    return f"amendment {number}"


def numbers_of(counts: Mapping[str, int]) -> dict[int, int]:
    """Counts by label as counts by number, of those amendments that lie in the ledger."""
    found = {label: _LABEL.fullmatch(label) for label in counts}
    return {int(match[1]): counts[label] for label, match in found.items() if match}


def named(numbers: Sequence[int]) -> str:
    """`amendment 3`, or `amendments 3 and 4`."""
    if len(numbers) == 1:
        return label_of(numbers[0])
    *first, last = map(str, numbers)
    return f"amendments {', '.join(first)} and {last}"


def in_force(connection: Connection, compiled: Compiled) -> Compiled:
    """The outcome as it is judged now: with the amendments that are active in the ledger."""
    (found,) = all_in_force(connection, [compiled])
    return found


def all_in_force(connection: Connection, outcomes: Sequence[Compiled]) -> list[Compiled]:
    """The same of many outcomes, in one query."""
    names = [one.name for one in outcomes]
    active = amendments.active(connection, names) if names else {}
    return [one.amended(*_read(active.get(one.name, ()))) for one in outcomes]


def _read(rows: Sequence[Row[Any]]) -> tuple[list[InForce], dict[str, str]]:
    """What lies in the ledger; what this version does not understand does not fit."""
    found: list[InForce] = []
    unfit: dict[str, str] = {}
    for row in rows:
        try:
            found.append(InForce(label_of(row.number), parse_amendment(row.content)))
        except DeclarationError as error:
            unfit[label_of(row.number)] = "; ".join(one.what for one in error.findings)
    return found, unfit


def amendments_of(kind: DecisionKind, arguments: Mapping[str, Any]) -> list[Amendment]:
    """What a decision says as amendments.

    Raises:
        DeclarationError: it is none.
    """
    if kind is DecisionKind.REPAIR and "values" in arguments:
        return [
            parse_amendment({"kind": "repair", "column": column, "values": dict(values)})
            for column, values in arguments["values"].items()
        ]
    kinds = {DecisionKind.REPAIR: "repair", DecisionKind.RENAME: "rename"}
    said = {name: value for name, value in arguments.items() if name != "amendments"}
    return [parse_amendment({"kind": kinds.get(kind, "route"), **said})]


def with_new(
    connection: Connection, compiled: Compiled, news: Sequence[Amendment]
) -> tuple[Compiled, list[int]]:
    """The outcome as it would be judged with these, and the numbers they would have."""
    first = amendments.next_number(connection, compiled.name)
    numbers = list(range(first, first + len(news)))
    kept, unfit = _read(amendments.active(connection, [compiled.name]).get(compiled.name, ()))
    kept += [InForce(label_of(number), one) for number, one in zip(numbers, news, strict=True)]
    return compiled.amended(kept, unfit), numbers


def refusal(connection: Connection, compiled: Compiled, news: Sequence[Amendment]) -> str | None:
    """Why these cannot be kept; None: they can."""
    outcome = compiled.outcome
    for one in news:
        columns, handoff = compiled.contract.columns, outcome.handoff
        for problem in amendment_problems(one, columns, handoff, outcome.source):
            return f"{problem.what}; {problem.fix}"
        if why := _is_said(connection, compiled, one):
            return why
    return None


def _is_said(connection: Connection, compiled: Compiled, one: Amendment) -> str | None:
    """Whether another one says the same, or something else about the same; names it."""
    others = [
        (
            label_of(number),
            other,
            f"retire it first: opsintel amendments retire {compiled.name} {number}",
        )
        for number, other in _active(connection, compiled.name)
    ]
    others += [
        (f"amendments[{number}] of the declaration", other, "change it there")
        for number, other in enumerate(compiled.outcome.amendments)
    ]
    for label, other, fix in others:
        if one == other:
            return f"{label} says so already"
        if said := contradiction(one, other):
            return f"{label} says that {said}; {fix}"
    return None


def keep(
    connection: Connection,
    compiled: Compiled,
    news: Sequence[Amendment],
    *,
    actor: str,
    reason: str,
    case_id: str,
    decision_id: str,
    now: datetime,
) -> list[int] | None:
    """Write them down, in the decision's transaction; None if somebody else just kept one."""
    numbers = []
    for one in news:
        number = amendments.keep(
            connection,
            compiled.name,
            content_of(one),
            actor=actor,
            reason=reason,
            case_id=case_id,
            decision_id=decision_id,
            now=now,
        )
        if number is None:
            return None
        numbers.append(number)
    return numbers


def add(
    ledger: Ledger,
    compiled: Compiled,
    news: Sequence[Amendment],
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> list[int]:
    """Keep amendments that no decision has made; all of them or none. Returns their numbers.

    Raises:
        DecisionRefused: one of them cannot be kept; says which, and why.
    """
    numbers = []
    with ledger.write() as connection:
        for at, one in enumerate(news):
            number = None
            why = refusal(connection, compiled, [one])
            if why is None:
                number = amendments.keep(
                    connection, compiled.name, content_of(one), actor=actor, reason=reason, now=now
                )
            if number is None:
                why = why or "somebody else kept the same a moment ago"
                raise DecisionRefused(f"{compiled.name}, amendments[{at}]", why)
            numbers.append(number)
    return numbers


def idle(compiled: Compiled) -> dict[int, str]:
    """The amendments in the ledger that do nothing now, and why."""
    amending = compiled.amending
    why = {**amending.unfit, **dict.fromkeys(amending.declared_too, "it is declared, too")}
    found = {label: _LABEL.fullmatch(label) for label in why}
    return {int(match[1]): why[label] for label, match in found.items() if match}


def note_idle(connection: Connection, compiled: Compiled) -> dict[int, str | None]:
    """What the ledger should say of amendments that do nothing, where it says something else."""
    now = idle(compiled)
    rows = amendments.active(connection, [compiled.name]).get(compiled.name, ())
    return {row.number: now.get(row.number) for row in rows if row.idle != now.get(row.number)}


def _active(connection: Connection, outcome: str) -> list[tuple[int, Amendment]]:
    found, _ = _read(amendments.active(connection, [outcome]).get(outcome, ()))
    return [(int(one.label.rpartition(" ")[2]), one.amendment) for one in found]


def personal(compiled: Compiled, one: Amendment) -> str | None:
    """The column of personal data whose values it would bring into the ledger."""
    pii = compiled.contract.pii
    texts: list[str | None] = []
    if isinstance(one, Repair):
        if one.values and one.column in pii:
            return one.column
        texts = [one.expression, one.when]
    elif isinstance(one, Reroute):
        texts = [one.when]
    for text in texts:
        try:
            columns = pii & {*parse_value(text).meta.root_names()} if text else None
        except ConditionError:  # the checks say so
            continue
        if text and columns and _TEXT.search(text):
            return min(columns)
    return None
