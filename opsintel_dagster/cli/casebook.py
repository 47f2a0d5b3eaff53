"""What the ledger knows about cases: the questions, who is asked, and what closes them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from opsintel_dagster.errors import UnknownName
from opsintel_dagster.ledger import bindings, case_listing, cases, decisions
from opsintel_dagster.ledger.cases import CaseState
from opsintel_dagster.ledger.tables import arrival, case
from opsintel_dagster.outcome.acceptance import obstacle
from opsintel_dagster.outcome.findings import did_you_mean
from opsintel_dagster.outcome.names import IN_DOUBT, UNROUTED

MOST_CASES: Final = 1_000
MOST_NAMED: Final = 20
MOST_HELD: Final = 20
_ID: Final = re.compile(r"[0-9a-f]{1,32}")
_OF_ARRIVALS: Final = "arrival."
_EMPTY: Final[Mapping[str, Any]] = {}
_NOTHING: Final = (
    "by itself nothing closes {}: give the failure mode a `replay_when`, or let the source take "
    "corrections (`same_name: correction`)"
)
_BY_COLUMNS: Final = frozenset({"arrival.columns", "arrival.drift"})
_DECIDES: Final = "somebody decides"
_CHANGES: Final = "a changed declaration lets its records pass"


@dataclass(frozen=True, kw_only=True)
class HeldArrival:
    """An arrival of which all records wait: what was found, and columns that seem renamed."""

    file: str
    says: Sequence[str]
    renames: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class CaseView:
    """One case as people see it; `minutes` is what its open records would cost a person."""

    case: str
    outcome: str
    failure_mode: str
    cause: str
    more_causes: str
    state: str
    episode: int
    owner: str
    records: int
    values: Mapping[str, int]
    unreadable: Sequence[str]
    stopped: Mapping[str, str]
    rules: Mapping[str, int]
    held: Sequence[HeldArrival]
    human_step: str | None
    minutes_each: float | None
    opened_at: datetime
    last_seen_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    due_at: datetime | None
    default: str | None
    revision: int
    decided: Sequence[str]
    options: Sequence[tuple[str, str]]
    closes_when: str
    cost_per_hour: float
    pii: Sequence[str]
    columns: Sequence[str]

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return cases.name_of(self.outcome, self.failure_mode, self.cause)

    @property
    def minutes(self) -> float | None:
        """Human minutes the open records would take."""
        return None if self.minutes_each is None else self.minutes_each * self.records


@dataclass(frozen=True)
class Listed:
    """Cases as they are listed; `more_open` and `more_closed` are those the list leaves out."""

    cases: Sequence[CaseView]
    more_open: int = 0
    more_closed: int = 0


def listed_cases(
    connection: Connection, outcomes: Sequence[str] | None, *, with_closed: bool
) -> Listed:
    """Open cases of these outcomes, those with most records first; then those closed last."""
    rows = case_listing.listing(connection, outcomes, limit=MOST_CASES)
    more_open = more_closed = 0
    if len(rows) == MOST_CASES:
        more_open = case_listing.count_open(connection, outcomes) - len(rows)
    if with_closed:
        shut = case_listing.closed(connection, outcomes, limit=MOST_CASES - len(rows))
        more_closed = case_listing.count_closed(connection, outcomes) - len(shut)
        rows += shut
    facts = {row.name: row.facts for row in bindings.all_bound(connection)}
    groups = {name: _groups(connection, name) for name in {row.outcome for row in rows}}
    views = [
        _view(connection, row, facts.get(row.outcome, _EMPTY), groups[row.outcome].get(row.id, []))
        for row in rows
    ]
    return Listed(views, more_open, more_closed)


def find_case(connection: Connection, name: str) -> CaseView:
    """The case a person means: its id, the beginning of one, or `outcome.failure_mode[:cause]`.

    Without the cause, it is the only open case of the failure mode.

    Raises:
        UnknownName: there is none, or it may be several.
    """
    outcome, dot, about = name.partition(".")
    identity = _named(connection, outcome, about) if dot else _beginning(connection, name)
    found = cases.find(connection, identity) if identity else None
    if found is None:
        raise UnknownName("case", name, did_you_mean(name, _names(connection), plural="cases"))
    declared = bindings.bound(connection, found.outcome)
    groups = cases.groups_of_case(connection, found.id)
    return _view(connection, found, _EMPTY if declared is None else declared.facts, groups)


def _named(connection: Connection, outcome: str, about: str) -> str | None:
    failure_mode, _, cause = about.partition(":")
    identity = cases.case_id(outcome, failure_mode, cause)
    exact = cases.find(connection, identity)
    if exact is not None and (cause or exact.state == CaseState.OPEN):
        return identity
    for state in () if cause else CaseState:
        fitting = case_listing.of_failure_mode(
            connection, outcome, failure_mode, state, limit=MOST_NAMED + 1
        )
        if len(fitting) == 1:
            return str(fitting[0].id)
        if fitting and (state == CaseState.OPEN or exact is None):
            names = [_typed(row) for row in fitting[:MOST_NAMED]]
            more = ", …" if len(fitting) > MOST_NAMED else ""
            raise UnknownName(
                "single case",
                f"{outcome}.{failure_mode}",
                f"{state} ones are {', '.join(names)}{more}; write one of them",
            )
    return None if exact is None else identity


def _beginning(connection: Connection, text: str) -> str | None:
    """The id that begins so; a range of ids, which an index answers."""
    if not _ID.fullmatch(text):
        return None
    query = select(case.c.id).where(case.c.id.between(text, text.ljust(32, "f"))).limit(2)
    identities = list(connection.execute(query).scalars())
    if len(identities) > 1:
        raise UnknownName("single case", text, "several ids begin so; write more of it")
    return identities[0] if identities else None


def _names(connection: Connection) -> list[str]:
    rows = case_listing.listing(connection, limit=MOST_CASES)
    rows += case_listing.closed(connection, limit=MOST_CASES)
    return [cases.name_of(row.outcome, row.failure_mode, row.cause) for row in rows]


def _typed(row: Row[Any]) -> str:
    return cases.typed_name(cases.name_of(row.outcome, row.failure_mode, row.cause), row.id)


def _groups(connection: Connection, outcome: str) -> dict[str, list[Row[Any]]]:
    """Groups of open records, by case."""
    groups: dict[str, list[Row[Any]]] = {}
    for group in cases.open_groups(connection, outcome):
        groups.setdefault(group.case_id, []).append(group)
    return groups


def _view(
    connection: Connection, row: Row[Any], facts: Mapping[str, Any], groups: Sequence[Row[Any]]
) -> CaseView:
    mode = facts.get("failure_modes", _EMPTY).get(row.failure_mode, _EMPTY)
    by_rule: Counter[str] = Counter()
    for group in groups:
        lying = group.rows - group.resolved
        by_rule.update(dict.fromkeys(group.rules.split(cases.RULES_SEPARATOR), lying))
    records = sum(group.rows - group.resolved for group in groups)
    unreadable = row.facts.get("unreadable", [])
    held = _held(connection, groups)
    proposed = [rename for one in held for rename in one.renames]
    renames = [one for at, one in enumerate(proposed) if one not in proposed[:at]]
    is_open = row.state == CaseState.OPEN
    return CaseView(
        case=row.id,
        outcome=row.outcome,
        failure_mode=row.failure_mode,
        cause=row.cause,
        more_causes=cases.told_more(row.facts),
        state=row.state,
        episode=row.episode,
        owner=row.owner,
        records=records,
        values=row.facts.get("values", {}),
        unreadable=unreadable,
        stopped=row.facts.get("stopped", _EMPTY),
        rules=dict(by_rule.most_common()),
        held=held,
        human_step=mode.get("human_step"),
        minutes_each=mode.get("minutes"),
        opened_at=row.opened_at,
        last_seen_at=row.last_seen_at,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        due_at=cases.due_at(row, facts),
        default=mode.get("default"),
        revision=row.revision,
        decided=_decided(connection, row),
        options=_options(row, by_rule, records, renames) if is_open else (),
        closes_when=_closes_when(row, mode, facts, records),
        cost_per_hour=facts.get("cost_per_hour", 0.0),
        pii=facts.get("pii", ()),
        columns=facts.get("columns", ()),
    )


def _held(connection: Connection, groups: Sequence[Row[Any]]) -> list[HeldArrival]:
    """Arrivals that lie here as a whole."""
    names = [
        group.arrival_id
        for group in groups
        if any(rule.startswith(_OF_ARRIVALS) for rule in group.rules.split(cases.RULES_SEPARATOR))
    ]
    ids = list(dict.fromkeys(names))[:MOST_HELD]
    query = select(arrival.c.name, arrival.c.symptoms).where(arrival.c.id.in_(ids))
    found = []
    for row in connection.execute(query.order_by(arrival.c.seq)):
        symptoms = row.symptoms or _EMPTY
        renames = [one for one in symptoms.get("drift", ()) if one["kind"] == "renamed"]
        found.append(HeldArrival(file=row.name, says=symptoms.get("says", ()), renames=renames))
    return found


def _closes_when(
    row: Row[Any], mode: Mapping[str, Any], facts: Mapping[str, Any], records: int
) -> str:
    """What has to happen, in a sentence."""
    ways = []
    if row.facts.get("stopped"):
        ways.append(
            f"what stopped has gone on: mend the reason and run `opsintel heal {row.outcome}`, or "
            "deploy a changed declaration"
        )
    if row.facts.get("unreadable"):
        ways.append("every unreadable file is replaced by a readable one of its name")
    if row.failure_mode == IN_DOUBT:
        ways.append("somebody asks the receiver whether it has the delivery")
    if mode.get("replay_when"):
        reference = mode["replay_when"]
        ways.append(
            f"{reference} delivers something new that heals the records; the next drain judges "
            "them again"
        )
    if records and facts.get("takes_corrections"):
        ways.append("a corrected file of the same name arrives; it supersedes its open records")
    default = [mode["default"]] if mode.get("default") else []
    by_hand = [_CHANGES, *(f"its clock runs out: {one}" for one in default), _DECIDES]
    if not ways and records:
        return f"{'; or '.join(by_hand)}; {_NOTHING.format('it')}"
    if not ways:
        return _NOTHING.format("it")
    heals = mode.get("replay_when") or facts.get("takes_corrections")
    if records and not heals and row.failure_mode != IN_DOUBT:
        return f"{'; or '.join([*ways, *by_hand])}; {_NOTHING.format('its records')}"
    return "; or ".join([*ways, *(by_hand if records else [])])


def _decided(connection: Connection, row: Row[Any]) -> list[str]:
    """What was decided in this episode of the case, the newest first."""
    told = []
    for one in decisions.of_case(connection, row.id):
        if one.episode == row.episode:
            why = f" ({one.reason})" if one.reason else ""
            came = one.result or "the next drain carries it out"
            told.append(f"{one.decided_at:%Y-%m-%d %H:%M} {one.kind} by {one.actor}{why}: {came}")
    return told


def _options(
    row: Row[Any],
    rules: Mapping[str, int],
    records: int,
    renames: Sequence[Mapping[str, Any]],
) -> list[tuple[str, str]]:
    """What can be decided, each with the command for it."""
    name = _typed(row)
    command = f"opsintel cases resolve {name}"
    options = []
    if records or row.facts.get("stopped"):
        options.append(("try again as it is", f"{command} --replay"))
    if records:
        if UNROUTED in rules:
            options.append(("send them somewhere", f"{command} --to ROUTE"))
        options += [
            ("take the new name", f"{command} --rename {one['now']}={one['column']}")
            for one in renames
        ]
        if not renames and _BY_COLUMNS & rules.keys():
            options.append(("take another name", f"{command} --rename NEW=COLUMN"))
        if any(obstacle(rule) is None for rule in rules):
            options.append(("deliver all the same", f"{command} --accept --reason TEXT"))
        options += [
            ("repair a value", f"{command} --set COLUMN=OLD=NEW"),
            ("… from now on", f"{command} --set COLUMN=OLD=NEW --keep"),
            ("repair in a file", f"opsintel cases export {name} FILE.csv"),
            ("… and take it back", f"{command} --file FILE.csv"),
            ("leave them out", f"{command} --discard --reason TEXT"),
        ]
    return [
        *options,
        ("ask somebody else", f"opsintel cases assign {name} OWNER"),
        ("answer later", f"opsintel cases snooze {name} 2h"),
    ]
