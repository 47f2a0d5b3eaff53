"""Cases in the ledger: one open question per failure mode, however many records ask it.

A case counts its rows per batch, arrival and combination of broken rules; when none is open it
closes, and when its cause comes back it opens again as a new episode of the same case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.ledger.tables import case, case_rows
from opsintel_dagster.ledger.tables import outcome as outcome_table

VALUES_KEPT = 100
OTHER_VALUES = "(other values)"
RULES_SEPARATOR = " "
THINGS = ("unreadable", "stopped")
"""What a case may be about that are no rows: arrivals, batches."""
DECLARATION = "_declaration"
"""Beside the versions of references: the declaration that a case's rows were last judged by."""


class CaseState(StrEnum):
    """Whether somebody or something still has to answer."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True)
class QuarantinedGroup:
    """Rows of one batch and arrival that broke the same rules under one failure mode."""

    failure_mode: str
    arrival: str
    rules: tuple[str, ...]
    rows: int


def case_id(outcome: str, failure_mode: str) -> str:
    """The case of a failure mode keeps its id through all its episodes."""
    return stable_id("case", outcome, failure_mode)


def open_with_rows(
    connection: Connection,
    outcome: str,
    batch_id: str,
    *,
    groups: Sequence[QuarantinedGroup],
    values: Mapping[str, Mapping[str, int]],
    owners: Mapping[str, str],
    judged_by: Mapping[str, str],
) -> list[str]:
    """Add quarantined rows to the cases they belong to; returns the ids of cases newly opened.

    `values` counts, per failure mode, the offending values among the new rows; `owners` says who
    is asked; `judged_by` are the versions of the references the rows were judged by.
    """
    opened = []
    for failure_mode in dict.fromkeys(group.failure_mode for group in groups):
        identity = case_id(outcome, failure_mode)
        if raise_case(
            connection,
            outcome,
            failure_mode,
            owner=owners[failure_mode],
            values=values.get(failure_mode, {}),
            judged_by=judged_by,
        ):
            opened.append(identity)
    if groups:
        identities = {case_id(outcome, group.failure_mode) for group in groups}
        query = select(case.c.id, case.c.revision).where(case.c.id.in_(identities))
        revisions = {row.id: row.revision for row in connection.execute(query)}
        connection.execute(
            insert(case_rows),
            [
                {
                    "case_id": case_id(outcome, group.failure_mode),
                    "batch_id": batch_id,
                    "arrival_id": group.arrival,
                    "rules_id": stable_id("rules", *group.rules),
                    "rules": RULES_SEPARATOR.join(group.rules),
                    "rows": group.rows,
                    "resolved": 0,
                    "revision": revisions[case_id(outcome, group.failure_mode)],
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
    owner: str,
    values: Mapping[str, int],
    judged_by: Mapping[str, str],
) -> bool:
    """Open the case, or add to it if it is open; true if a new episode began.

    Rows are tried again when a reference has another version than all of them were judged by: a
    new episode begins with the versions of its first rows, and an open one keeps its older ones.
    Of the declaration it keeps none where not all rows were judged by the same.
    """
    now = datetime.now(UTC)
    identity = case_id(outcome, failure_mode)
    row = connection.execute(select(case).where(case.c.id == identity)).one_or_none()
    if row is None:
        connection.execute(
            insert(case).values(
                id=identity,
                outcome=outcome,
                failure_mode=failure_mode,
                episode=1,
                revision=1,
                state=CaseState.OPEN,
                owner=owner,
                facts={"values": most_common(values)},
                opened_at=now,
                last_seen_at=now,
                tried_version=dict(judged_by),
            )
        )
        return True
    is_new_episode = bool(row.state == CaseState.CLOSED)
    before = {} if is_new_episode else row.facts["values"]
    together = dict(before)
    for value, count in values.items():
        together[value] = together.get(value, 0) + count
    changed: dict[str, Any] = {
        "revision": row.revision + 1,
        "facts": {**row.facts, "values": most_common(together)},
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
) -> bool:
    """Take rows out of a case, by (batch, arrival, rules); true if that closed it.

    `values_left` counts the offending values among the rows that stay open.
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


def about_arrivals(
    connection: Connection, outcome: str, failure_mode: str, owner: str, names: Sequence[str]
) -> bool:
    """Make the case speak of exactly these unreadable arrivals; true if its state changed.

    It opens for the first one and closes when the last was replaced and no rows are open either.
    """
    closed_by = "every unreadable file was replaced"
    return _about(connection, outcome, failure_mode, owner, "unreadable", list(names), closed_by)


def about_stopped(
    connection: Connection, outcome: str, failure_mode: str, owner: str, reasons: Mapping[str, str]
) -> bool:
    """Make the case speak of exactly what was given up and why; true if its state changed.

    `reasons` is by batch, and by the outcome's own name where all of it has stopped.
    """
    closed_by = "everything that was given up has gone on"
    return _about(connection, outcome, failure_mode, owner, "stopped", dict(reasons), closed_by)


def _about(
    connection: Connection,
    outcome: str,
    failure_mode: str,
    owner: str,
    fact: str,
    things: list[str] | dict[str, str],
    closed_by: str,
) -> bool:
    identity = case_id(outcome, failure_mode)
    is_opened = bool(things) and raise_case(
        connection, outcome, failure_mode, owner=owner, values={}, judged_by={}
    )
    row = find(connection, identity)
    if row is None:
        return False
    facts = {**row.facts, fact: things}
    changed: dict[str, Any] = {"facts": facts}
    is_over = not any(facts.get(name) for name in THINGS)
    is_closed = row.state == CaseState.OPEN and is_over and open_rows(connection, identity) == 0
    if is_closed:
        changed |= {
            "state": CaseState.CLOSED,
            "closed_at": datetime.now(UTC),
            "closed_by": closed_by,
            "revision": row.revision + 1,
        }
    connection.execute(update(case).where(case.c.id == identity).values(**changed))
    return is_opened or is_closed


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
        case_rows.c.case_id == identity
    )
    return int(connection.execute(query).scalar_one())


def open_groups(
    connection: Connection, outcome: str, *, arrivals: Sequence[str] | None = None
) -> list[Row[Any]]:
    """Groups of rows that still lie in quarantine, with the failure mode of their case."""
    query = (
        select(case_rows, case.c.failure_mode)
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


def listing(
    connection: Connection,
    outcomes: Sequence[str] | None = None,
    *,
    states: Sequence[CaseState] = (CaseState.OPEN,),
    limit: int = 100,
) -> list[Row[Any]]:
    """Cases with their open rows (`open_rows`), the one with the most first."""
    open_count = func.coalesce(func.sum(case_rows.c.rows - case_rows.c.resolved), 0)
    query = (
        select(case, open_count.label("open_rows"))
        .outerjoin(case_rows, case_rows.c.case_id == case.c.id)
        .where(case.c.state.in_(states))
        .group_by(case.c.id)
        .order_by(open_count.desc(), case.c.opened_at)
        .limit(limit)
    )
    if outcomes is not None:
        query = query.where(case.c.outcome.in_(outcomes))
    return list(connection.execute(query))
