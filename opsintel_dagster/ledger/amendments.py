"""Amendments in the ledger: decisions that were kept as rules, numbered within their outcome.

At most one with the same content is active in an outcome, which the database itself sees to. One
that was retired stays, with all it has done.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from opsintel_dagster.ledger import entries
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.ledger.tables import Count, UtcDateTime, metadata

KEPT = "amended"
RETIRED = "amendment_retired"

amendment = Table(
    "opsintel_amendment",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("outcome", String(200), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("content", JSON, nullable=False),
    Column("content_id", String(32), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("case_id", String(32)),
    Column("decision_id", String(32)),
    Column("kept_at", UtcDateTime, nullable=False),
    Column("retired_at", UtcDateTime),
    Column("retired_by", String(200)),
    Column("retired_reason", Text),
    Column("fired", Count, nullable=False),
    Column("last_fired_at", UtcDateTime),
    Column("idle", Text),
    UniqueConstraint("outcome", "number", name="uq_opsintel_amendment_number"),
)
_is_active = amendment.c.retired_at.is_(None)
Index(
    "uq_opsintel_amendment_active",
    amendment.c.outcome,
    amendment.c.content_id,
    unique=True,
    sqlite_where=_is_active,
    postgresql_where=_is_active,
)


def content_id(content: Mapping[str, Any]) -> str:
    """Names what an amendment says."""
    return stable_id("amendment", dict(content))


def next_number(connection: Connection, outcome: str) -> int:
    """What the next amendment of the outcome will be called."""
    query = select(func.max(amendment.c.number)).where(amendment.c.outcome == outcome)
    return (connection.execute(query).scalar() or 0) + 1


def keep(
    connection: Connection,
    outcome: str,
    content: Mapping[str, Any],
    *,
    actor: str,
    reason: str,
    now: datetime,
    case_id: str | None = None,
    decision_id: str | None = None,
) -> int | None:
    """Keep something as an amendment; returns its number.

    None if the same is kept already, or somebody else keeps one at this moment.

    It is an entry; the touch is the decision that it belongs to, or this where there is none.
    """
    number = next_number(connection, outcome)
    try:
        with connection.begin_nested():
            connection.execute(
                insert(amendment).values(
                    id=stable_id("amendment", outcome, number),
                    outcome=outcome,
                    number=number,
                    kind=content["kind"],
                    content=dict(content),
                    content_id=content_id(content),
                    actor=actor,
                    reason=reason,
                    case_id=case_id,
                    decision_id=decision_id,
                    kept_at=now,
                    fired=0,
                )
            )
    except IntegrityError:
        return None
    said = f"amendment {number} ({content['kind']}): {reason}".rstrip(": ")
    entries.append(connection, outcome, actor, KEPT, f"{outcome}/{number}", said)
    if decision_id is None:
        entries.touched(connection, outcome, actor, KEPT, f"{outcome}/{number}")
    return number


def retire(
    connection: Connection, outcome: str, number: int, *, actor: str, reason: str, now: datetime
) -> bool:
    """Apply it no longer; false if it is not active. It is an entry and a touch."""
    mine = (amendment.c.outcome == outcome) & (amendment.c.number == number) & _is_active
    values = {"retired_at": now, "retired_by": actor, "retired_reason": reason}
    if not connection.execute(update(amendment).where(mine).values(**values)).rowcount:
        return False
    subject = f"{outcome}/{number}"
    entries.append(connection, outcome, actor, RETIRED, subject, f"amendment {number}: {reason}")
    entries.touched(connection, outcome, actor, RETIRED, subject)
    return True


def active(connection: Connection, outcomes: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """The amendments that apply, by outcome, oldest first."""
    found: dict[str, list[Row[Any]]] = {}
    query = select(amendment).where(_is_active).order_by(amendment.c.outcome, amendment.c.number)
    if len(outcomes) == 1:
        query = query.where(amendment.c.outcome == outcomes[0])
    wanted = set(outcomes)
    for row in connection.execute(query):
        if row.outcome in wanted:
            found.setdefault(row.outcome, []).append(row)
    return found


def listing(
    connection: Connection, outcomes: Sequence[str] = (), *, with_retired: bool = False
) -> list[Row[Any]]:
    """Amendments of these outcomes, or of all, oldest first."""
    query = select(amendment).order_by(amendment.c.outcome, amendment.c.number)
    if outcomes:
        query = query.where(amendment.c.outcome.in_(outcomes))
    if not with_retired:
        query = query.where(_is_active)
    return list(connection.execute(query))


def find(connection: Connection, outcome: str, number: int) -> Row[Any] | None:
    """The amendment of this number."""
    mine = (amendment.c.outcome == outcome) & (amendment.c.number == number)
    return connection.execute(select(amendment).where(mine)).first()


def idle(connection: Connection, outcome: str, number: int, why: str | None) -> None:
    """Say why an amendment does nothing, as the last drain found; None: it applies."""
    mine = (amendment.c.outcome == outcome) & (amendment.c.number == number)
    connection.execute(update(amendment).where(mine).values(idle=why))


def fired(connection: Connection, outcome: str, rows: Mapping[int, int], now: datetime) -> None:
    """Count the rows that amendments have changed or taken, by number."""
    for number, count in rows.items():
        mine = (amendment.c.outcome == outcome) & (amendment.c.number == number)
        values = {"fired": amendment.c.fired + count, "last_fired_at": now}
        connection.execute(update(amendment).where(mine).values(**values))
