"""Cases in the ledger: one open question per cause, however many records ask it.

The cause is the failure mode; where that is told apart, it is one text within the failure mode, and
at most a hundred of them have a case of their own: one more case is about all the others. A case
counts its rows per batch, arrival and combination of broken rules; when none is open it closes, and
when its cause comes back it opens again as a new episode of the same case.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.ledger.tables import case, case_rows
from opsintel_dagster.ledger.tables import outcome as outcome_table

_NONE: Mapping[str, int] = {}
VALUES_KEPT = 100
OTHER_VALUES = "(other values)"
CAUSES_KEPT = 100
"""How many causes of one failure mode have a case of their own."""
OTHER_CAUSES = "(other causes)"
"""The cause of the one case about all others."""
MORE_CAUSES = "more_causes"
LONGEST_TYPED = 80
SHORT_ID = 12
RULES_SEPARATOR = " "
THINGS = ("unreadable", "stopped")
"""What a case may be about that are no rows: arrivals, batches."""
DECLARATION = "_declaration"
"""Beside the versions of references: the declaration that a case's rows were last judged by."""


class CaseState(StrEnum):
    """Whether somebody or something still has to answer."""

    OPEN = "open"
    CLOSED = "closed"


class About(NamedTuple):
    """What a case of an outcome asks about; most failure modes are not told apart by cause."""

    failure_mode: str
    cause: str = ""


@dataclass(frozen=True)
class QuarantinedGroup:
    """Rows of one batch and arrival that broke the same rules, and belong to one case."""

    about: About
    arrival: str
    rules: tuple[str, ...]
    rows: int


def case_id(outcome: str, failure_mode: str, cause: str = "") -> str:
    """The case of a cause keeps its id through all its episodes."""
    return stable_id("case", outcome, failure_mode, *([cause] if cause else []))


def about(row: Row[*tuple[Any, ...]]) -> str:
    """What a case of an outcome is about, in a word."""
    return f"{row.failure_mode}:{row.cause}" if row.cause else str(row.failure_mode)


def name_of(outcome: str, failure_mode: str, cause: str) -> str:
    """What people call the case."""
    return f"{outcome}.{failure_mode}" + (f":{cause}" if cause else "")


def typed_name(name: str, identity: str) -> str:
    """How a case is named in a command: quoted; by its id where nobody would type the name."""
    is_short = len(name) <= LONGEST_TYPED and name.isprintable() and not set(name) & set("`|")
    return shlex.quote(name) if is_short else identity[:SHORT_ID]


def open_with_rows(
    connection: Connection,
    outcome: str,
    batch_id: str,
    *,
    groups: Sequence[QuarantinedGroup],
    values: Mapping[About, Mapping[str, int]],
    owners: Mapping[str, str],
    judged_by: Mapping[str, str],
    more_causes: Mapping[str, int] = _NONE,
) -> list[About]:
    """Add quarantined rows to the cases they belong to; returns those newly opened.

    `values` counts the offending values among the new rows of each case; `owners` says who is asked
    about a failure mode; `judged_by` are the versions of the references the rows were judged by;
    `more_causes` are, by failure mode, the causes in this batch that have no case of their own.
    """
    opened = []
    identities = {group.about: case_id(outcome, *group.about) for group in groups}
    for about in identities:
        is_rest = about.cause == OTHER_CAUSES
        if raise_case(
            connection,
            outcome,
            about.failure_mode,
            cause=about.cause,
            owner=owners[about.failure_mode],
            values=values.get(about, {}),
            judged_by=judged_by,
            more_causes=more_causes.get(about.failure_mode, 0) if is_rest else 0,
        ):
            opened.append(about)
    if groups:
        query = select(case.c.id, case.c.revision).where(case.c.id.in_(identities.values()))
        revisions = {row.id: row.revision for row in connection.execute(query)}
        connection.execute(
            insert(case_rows),
            [
                {
                    "case_id": identities[group.about],
                    "batch_id": batch_id,
                    "arrival_id": group.arrival,
                    "rules_id": stable_id("rules", *group.rules),
                    "rules": RULES_SEPARATOR.join(group.rules),
                    "rows": group.rows,
                    "resolved": 0,
                    "revision": revisions[identities[group.about]],
                }
                for group in groups
            ],
        )
    return opened


def raise_case(
    connection: Connection,
    outcome: str,
    failure_mode: str,
    *,
    cause: str = "",
    owner: str,
    values: Mapping[str, int],
    judged_by: Mapping[str, str],
    more_causes: int = 0,
) -> bool:
    """Open the case, or add to it if it is open; true if a new episode began.

    Rows are tried again when a reference has another version than all of them were judged by: a
    new episode begins with the versions of its first rows, and an open one keeps its older ones.
    Of the declaration it keeps none where not all rows were judged by the same.
    """
    now = datetime.now(UTC)
    identity = case_id(outcome, failure_mode, cause)
    row = connection.execute(select(case).where(case.c.id == identity)).one_or_none()
    if row is None:
        connection.execute(
            insert(case).values(
                id=identity,
                outcome=outcome,
                failure_mode=failure_mode,
                cause=cause,
                episode=1,
                revision=1,
                state=CaseState.OPEN,
                owner=owner,
                facts={"values": most_common(values), **_more({}, more_causes)},
                opened_at=now,
                last_seen_at=now,
                tried_version=dict(judged_by),
            )
        )
        return True
    is_new_episode = bool(row.state == CaseState.CLOSED)
    before = {} if is_new_episode else row.facts
    together = dict(before.get("values", {}))
    for value, count in values.items():
        together[value] = together.get(value, 0) + count
    changed: dict[str, Any] = {
        "revision": row.revision + 1,
        "facts": {
            **row.facts,
            "values": most_common(together),
            **_more(before, more_causes),
        },
        "last_seen_at": now,
    }
    if row.assigned_by is None or is_new_episode:
        changed["owner"] = owner
    tried = row.tried_version
    if tried.get(DECLARATION) != judged_by.get(DECLARATION, tried.get(DECLARATION)):
        changed["tried_version"] = {k: v for k, v in tried.items() if k != DECLARATION}
    if is_new_episode:
        changed |= {
            "tried_version": dict(judged_by),
            "episode": row.episode + 1,
            "state": CaseState.OPEN,
            "opened_at": now,
            "closed_at": None,
            "closed_by": None,
            "assigned_by": None,
            "snoozed_until": None,
        }
    connection.execute(update(case).where(case.c.id == identity).values(**changed))
    return is_new_episode


def _more(before: Mapping[str, Any], causes: int) -> dict[str, Any]:
    """How many causes have no case of their own; of several batches nobody has counted them all."""
    if not causes:
        return {}
    known = before.get(MORE_CAUSES)
    if not known:
        return {MORE_CAUSES: {"count": causes, "is_exact": True}}
    return {MORE_CAUSES: {"count": max(known["count"], causes), "is_exact": False}}


def told_more(facts: Mapping[str, Any]) -> str:
    """How many causes have no case of their own, in words; empty: all have."""
    known = facts.get(MORE_CAUSES)
    if not known or not known["count"]:
        return ""
    few = "" if known["is_exact"] else "at least "
    return f"and {few}{known['count']:,} more cause{'s' if known['count'] != 1 else ''}"


def most_common(values: Mapping[str, int]) -> dict[str, int]:
    """The most frequent values and one entry for all others, so that a case stays a row."""
    ranked = sorted(values.items(), key=lambda item: (item[0] == OTHER_VALUES, -item[1], item[0]))
    kept = dict(ranked[:VALUES_KEPT])
    rest = sum(count for _, count in ranked[VALUES_KEPT:])
    if rest:
        kept[OTHER_VALUES] = kept.get(OTHER_VALUES, 0) + rest
    return kept


def resolve_rows(
    connection: Connection,
    identity: str,
    groups: Mapping[tuple[str, str, tuple[str, ...]], int],
    values_left: Mapping[str, int],
    closed_by: str,
    causes_left: Mapping[str, Any] | None = None,
) -> bool:
    """Take rows out of a case, by (batch, arrival, rules); true if that closed it.

    `values_left` counts the offending values among the rows that stay open, `causes_left` their
    causes where the case is about those without one of their own.
    """
    statement = (
        update(case_rows)
        .where(
            case_rows.c.case_id == identity,
            case_rows.c.batch_id == bindparam("in_batch"),
            case_rows.c.arrival_id == bindparam("of_arrival"),
            case_rows.c.rules_id == bindparam("with_rules"),
        )
        .values(resolved=case_rows.c.resolved + bindparam("taken"))
    )
    if groups:
        connection.execute(
            statement,
            [
                {
                    "in_batch": batch_id,
                    "of_arrival": arrival_id,
                    "with_rules": stable_id("rules", *rules),
                    "taken": rows,
                }
                for (batch_id, arrival_id, rules), rows in groups.items()
            ],
        )
    row = connection.execute(select(case).where(case.c.id == identity)).one()
    changed: dict[str, Any] = {
        "revision": row.revision + 1,
        "facts": {**row.facts, "values": most_common(values_left)},
    }
    if causes_left is not None:
        changed["facts"][MORE_CAUSES] = dict(causes_left)
    has_things = any(row.facts.get(name) for name in THINGS)
    is_closed = open_rows(connection, identity) == 0 and not has_things
    if is_closed:
        changed |= {
            "state": CaseState.CLOSED,
            "closed_at": datetime.now(UTC),
            "closed_by": closed_by,
        }
    connection.execute(update(case).where(case.c.id == identity).values(**changed))
    return is_closed


def find(connection: Connection, identity: str) -> Row[Any] | None:
    """The case of this id, open or closed."""
    return connection.execute(select(case).where(case.c.id == identity)).one_or_none()


def tried(connection: Connection, identity: str, versions: Mapping[str, str]) -> None:
    """Remember by which versions and which declaration the case's rows were last judged."""
    row = connection.execute(select(case.c.tried_version).where(case.c.id == identity)).one()
    connection.execute(
        update(case)
        .where(case.c.id == identity)
        .values(tried_version={**row.tried_version, **versions})
    )


def due_at(row: Row[Any], facts: Mapping[str, Any]) -> datetime | None:
    """When the case should be answered; None: at any time.

    `facts` are those of its outcome. The clock begins with the episode; a snooze moves it.
    """
    if row.snoozed_until is not None:
        moved: datetime = row.snoozed_until
        return moved
    mode = facts.get("failure_modes", {}).get(row.failure_mode, {})
    seconds = mode.get("answer_within_seconds")
    opened: datetime = row.opened_at
    return None if seconds is None else opened + timedelta(seconds=seconds)


def overdue(
    connection: Connection, outcomes: Sequence[str], now: datetime
) -> list[tuple[Row[Any], datetime]]:
    """Open cases of these outcomes whose clock has run out, each with when; the oldest first."""
    declared = select(outcome_table.c.name, outcome_table.c.facts)
    facts = {
        row.name: row.facts
        for row in connection.execute(declared.where(outcome_table.c.name.in_(outcomes)))
    }
    query = select(case).where(case.c.outcome.in_(outcomes), case.c.state == CaseState.OPEN)
    found = [
        (row, due)
        for row in connection.execute(query)
        if (due := due_at(row, facts.get(row.outcome, {}))) is not None and due <= now
    ]
    return sorted(found, key=lambda pair: pair[1])


def with_open_rows(connection: Connection, outcome: str) -> list[Row[Any]]:
    """Open cases of the outcome of which rows still lie in quarantine."""
    lying = select(case_rows.c.case_id).where(case_rows.c.rows > case_rows.c.resolved).distinct()
    query = select(case).where(
        case.c.outcome == outcome, case.c.state == CaseState.OPEN, case.c.id.in_(lying)
    )
    return list(connection.execute(query.order_by(case.c.opened_at, case.c.id)))


def open_rows(connection: Connection, identity: str) -> int:
    """How many rows of the case still lie in quarantine."""
    query = select(func.coalesce(func.sum(case_rows.c.rows - case_rows.c.resolved), 0)).where(
        case_rows.c.case_id == identity, case_rows.c.rows > case_rows.c.resolved
    )
    return int(connection.execute(query).scalar_one())


def open_groups(
    connection: Connection, outcome: str, *, arrivals: Sequence[str] | None = None
) -> list[Row[Any]]:
    """Groups of rows that still lie in quarantine, with what their case is about."""
    query = (
        select(case_rows, case.c.failure_mode, case.c.cause)
        .join(case, case.c.id == case_rows.c.case_id)
        .where(case.c.outcome == outcome, case_rows.c.rows > case_rows.c.resolved)
    )
    if arrivals is not None:
        query = query.where(case_rows.c.arrival_id.in_(arrivals))
    return list(connection.execute(query))


def groups_of_case(connection: Connection, identity: str) -> list[Row[Any]]:
    """Groups of rows of one case that still lie in quarantine."""
    query = select(case_rows).where(
        case_rows.c.case_id == identity, case_rows.c.rows > case_rows.c.resolved
    )
    return list(connection.execute(query))


def open_rows_by_rule(connection: Connection, outcome: str) -> dict[str, int]:
    """Rows in quarantine now, per rule they broke; a row that broke two counts under both."""
    counts: dict[str, int] = {}
    for group in open_groups(connection, outcome):
        for rule in group.rules.split(RULES_SEPARATOR):
            counts[rule] = counts.get(rule, 0) + group.rows - group.resolved
    return counts
