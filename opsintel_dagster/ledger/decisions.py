"""Decisions in the ledger: requests to do something about a case, each answered once.

At most one request about an episode of a case is open, which the database itself sees to: of two
people who decide at the same moment, the second learns who was faster.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from opsintel_dagster.ledger import entries
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.ledger.tables import UtcDateTime, case, metadata

AMENDMENTS = "amendments"
"""The argument of a decision that was kept: the numbers of its amendments."""

DECISION = "decision"
"""What a row says that was changed, or sent somewhere, by a decision that was made once."""

DEFAULT = "default"
"""The actor of what is done when nobody has answered in time."""


class DecisionKind(StrEnum):
    """What can be answered to a case."""

    DISCARD = "discard"
    ACCEPT = "accept"
    REPLAY = "replay"
    REPAIR = "repair"
    RENAME = "rename"
    ROUTE = "route"
    ASSIGN = "assign"
    SNOOZE = "snooze"


class DecisionState(StrEnum):
    """Whether a decision has been carried out."""

    REQUESTED = "requested"
    EXECUTED = "executed"
    REFUSED = "refused"


decision = Table(
    "opsintel_decision",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("outcome", String(200), nullable=False),
    Column("case_id", String(32), ForeignKey("opsintel_case.id"), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("state", String(20), nullable=False),
    Column("executed_at", UtcDateTime),
    Column("result", Text),
    Index("ix_opsintel_decision_case", "case_id", "decided_at"),
)
_is_requested = decision.c.state == DecisionState.REQUESTED.value
Index(
    "uq_opsintel_decision_requested",
    decision.c.case_id,
    decision.c.episode,
    unique=True,
    sqlite_where=_is_requested,
    postgresql_where=_is_requested,
)
Index(
    "ix_opsintel_decision_open",
    decision.c.outcome,
    sqlite_where=_is_requested,
    postgresql_where=_is_requested,
)


def request(
    connection: Connection,
    about: Row[Any],
    *,
    kind: DecisionKind,
    revision: int,
    arguments: Mapping[str, Any],
    actor: str,
    reason: str,
    now: datetime,
    minutes: float | None = None,
) -> str | None:
    """Write down a decision about a case; returns its id, or None if another one is still open.

    It is an entry, and a touch unless nobody acted; `minutes` are what its failure mode's human
    step is said to take.
    """
    identity = _insert(connection, about, kind, revision, arguments, actor, reason, now)
    if identity is not None:
        _account(connection, about, kind, actor, reason, minutes)
    return identity


def done(
    connection: Connection,
    about: Row[Any],
    *,
    kind: DecisionKind,
    arguments: Mapping[str, Any],
    actor: str,
    reason: str,
    now: datetime,
    result: str,
) -> str | None:
    """Write down a decision that was carried out when it was made; another may still be open."""
    revision = about.revision
    identity = _insert(
        connection, about, kind, revision, arguments, actor, reason, now, result=result
    )
    _account(connection, about, kind, actor, f"{result}. {reason}".rstrip(". "), None)
    return identity


def _insert(
    connection: Connection,
    about: Row[Any],
    kind: DecisionKind,
    revision: int,
    arguments: Mapping[str, Any],
    actor: str,
    reason: str,
    now: datetime,
    *,
    result: str | None = None,
) -> str | None:
    when = 0 if actor == DEFAULT else now.timestamp()
    identity = stable_id("decision", about.id, about.episode, kind, actor, when)
    is_done = result is not None
    try:
        with connection.begin_nested():
            connection.execute(
                insert(decision).values(
                    id=identity,
                    outcome=about.outcome,
                    case_id=about.id,
                    episode=about.episode,
                    revision=revision,
                    kind=kind,
                    arguments=dict(arguments),
                    actor=actor,
                    reason=reason,
                    decided_at=now,
                    state=DecisionState.EXECUTED if is_done else DecisionState.REQUESTED,
                    executed_at=now if is_done else None,
                    result=result,
                )
            )
    except IntegrityError:
        return None
    return identity


def _account(
    connection: Connection,
    about: Row[Any],
    kind: DecisionKind,
    actor: str,
    reason: str,
    minutes: float | None,
) -> None:
    said = f"{kind}: {reason}" if reason else str(kind)
    entries.append(connection, about.outcome, actor, "decision", about.id, said)
    if actor != DEFAULT:
        entries.touched(
            connection,
            about.outcome,
            actor,
            kind,
            about.id,
            minutes=minutes,
            is_estimate=minutes is not None,
        )


def kept_as(connection: Connection, identity: str, numbers: Sequence[int]) -> None:
    """Say which amendments a decision was kept as, in its transaction."""
    mine = decision.c.id == identity
    arguments = connection.execute(select(decision.c.arguments).where(mine)).scalar_one()
    known = {**arguments, AMENDMENTS: list(numbers)}
    connection.execute(update(decision).where(mine).values(arguments=known))


def open_of_case(connection: Connection, identity: str) -> Row[Any] | None:
    """The decision about the case that is still to be carried out."""
    query = select(decision).where(decision.c.case_id == identity, _is_requested)
    return connection.execute(query).first()


def requested(connection: Connection, outcome: str) -> list[Row[Any]]:
    """What is still to be carried out for the outcome, in the order in which it was decided."""
    query = select(decision).where(decision.c.outcome == outcome, _is_requested)
    return list(connection.execute(query.order_by(decision.c.decided_at, decision.c.id)))


def outcomes_with_requests(connection: Connection) -> dict[str, list[str]]:
    """The outcomes for which something is still to be carried out, each with the decisions."""
    found: dict[str, list[str]] = {}
    for row in connection.execute(select(decision.c.outcome, decision.c.id).where(_is_requested)):
        found.setdefault(row.outcome, []).append(row.id)
    return found


def carried_out(
    connection: Connection, outcome: str, kinds: Collection[DecisionKind], since: datetime | None
) -> list[Row[Any]]:
    """What people decided and drains carried out, oldest first, with the case's `failure_mode`."""
    query = (
        select(decision, case.c.failure_mode)
        .join(case, case.c.id == decision.c.case_id)
        .where(
            decision.c.outcome == outcome,
            decision.c.state == DecisionState.EXECUTED,
            decision.c.kind.in_(kinds),
            decision.c.actor != DEFAULT,
        )
        .order_by(decision.c.decided_at, decision.c.id)
    )
    if since is not None:
        query = query.where(decision.c.decided_at >= since)
    return list(connection.execute(query))


def of_case(connection: Connection, identity: str, most: int = 20) -> list[Row[Any]]:
    """What was decided about the case, the newest first."""
    query = select(decision).where(decision.c.case_id == identity)
    return list(connection.execute(query.order_by(decision.c.decided_at.desc()).limit(most)))


def find(connection: Connection, identity: str) -> Row[Any]:
    """The decision of this id."""
    return connection.execute(select(decision).where(decision.c.id == identity)).one()


def has_default(connection: Connection, identity: str, episode: int) -> bool:
    """Whether the default was already taken in this episode of the case."""
    query = select(decision.c.id).where(
        decision.c.case_id == identity,
        decision.c.episode == episode,
        decision.c.actor == DEFAULT,
    )
    return connection.execute(query).first() is not None


def settle(
    connection: Connection, row: Row[Any], state: DecisionState, result: str, now: datetime
) -> None:
    """Say what came of a decision, and when."""
    values = {"state": state, "result": result, "executed_at": now}
    connection.execute(update(decision).where(decision.c.id == row.id).values(**values))
    entries.append(connection, row.outcome, row.actor, str(state), row.case_id, result)


def assign(connection: Connection, identity: str, owner: str, actor: str) -> None:
    """Ask somebody else, for the rest of the case's episode."""
    values = {"owner": owner, "assigned_by": actor, "revision": case.c.revision + 1}
    connection.execute(update(case).where(case.c.id == identity).values(**values))


def snooze(connection: Connection, identity: str, until: datetime) -> None:
    """Let the case's clock run out then, and not before."""
    values = {"snoozed_until": until, "revision": case.c.revision + 1}
    connection.execute(update(case).where(case.c.id == identity).values(**values))


def files(connection: Connection, outcome: str) -> set[str]:
    """The paths of edited rows that decisions still to be carried out refer to."""
    query = select(decision.c.arguments).where(decision.c.outcome == outcome, _is_requested)
    return {
        path
        for arguments in connection.execute(query).scalars()
        for path in arguments.get("files", ())
    }
