"""The append-only account: who did what to which subject, and why, beside every change of state."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select

from opsintel_dagster.ledger.tables import entry, touch


def append(
    connection: Connection, outcome: str, actor: str, kind: str, subject: str, reason: str
) -> None:
    """Add one entry to the transaction that makes the change it speaks of."""
    connection.execute(
        insert(entry).values(
            at=datetime.now(UTC),
            outcome=outcome,
            actor=actor,
            kind=kind,
            subject=subject,
            reason=reason,
        )
    )


def last(connection: Connection, outcome: str, subject: str, kind: str) -> datetime | None:
    """When something of this kind was last done to the subject; None: never."""
    query = select(func.max(entry.c.at)).where(
        entry.c.outcome == outcome, entry.c.subject == subject, entry.c.kind == kind
    )
    return connection.execute(query).scalar()


def is_there(connection: Connection, outcome: str, kind: str, subject: str, reason: str) -> bool:
    """Whether exactly this was said before."""
    query = select(entry.c.id).where(
        entry.c.outcome == outcome,
        entry.c.subject == subject,
        entry.c.kind == kind,
        entry.c.reason == reason,
    )
    return connection.execute(query.limit(1)).first() is not None


def touched(
    connection: Connection,
    outcome: str,
    actor: str,
    kind: str,
    subject: str,
    *,
    minutes: float | None = None,
    is_estimate: bool = False,
) -> None:
    """Count one time a person acted; `minutes` is what it took, if anybody knows."""
    connection.execute(
        insert(touch).values(
            at=datetime.now(UTC),
            outcome=outcome,
            actor=actor,
            kind=kind,
            subject=subject,
            minutes=minutes,
            is_estimate=is_estimate,
        )
    )
