"""Breakers in the ledger: one for each source and receiver, shared by all outcomes that use it.

Closed: everything passes, and no row is kept. Open: nothing is attempted until `retry_at`; then one
drain may probe (half open). If the probe comes through the breaker closes, else it opens for
longer. An outcome that has stopped is an open breaker of its own, which closes when somebody
decides.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, delete, insert, or_, select, update

from opsintel_dagster.ledger.tables import batch, breaker

PROBE_LASTS: Final = timedelta(minutes=5)
"""A prober that has not answered by then has died, and another one may try."""


class BreakerKind(StrEnum):
    """What stands behind a breaker."""

    SOURCE = "source"
    RECEIVER = "receiver"
    STORE = "store"
    OUTCOME = "outcome"


class BreakerState(StrEnum):
    """How a breaker stands that is not closed."""

    OPEN = "open"
    HALF_OPEN = "half_open"


def outcome_breaker(outcome: str) -> str:
    """The name of the breaker that stops an outcome as a whole."""
    return f"outcome {outcome}"


def find(connection: Connection, name: str) -> Row[Any] | None:
    """The breaker, or None: it is closed."""
    return connection.execute(select(breaker).where(breaker.c.name == name)).one_or_none()


def all_open(connection: Connection) -> dict[str, Row[Any]]:
    """All breakers that hold something back, by name: as many as there are things that are down."""
    return {row.name: row for row in connection.execute(select(breaker))}


def lets_probe(row: Row[Any], now: datetime) -> bool:
    """Whether one attempt may be made now to see whether the dependency is back."""
    if row.state == BreakerState.HALF_OPEN:
        return bool(row.probe_until <= now)
    return row.retry_at is not None and bool(row.retry_at <= now)


def take_probe(connection: Connection, name: str, by: str, now: datetime) -> bool:
    """Be the one who probes; false if it is not time, or somebody else does."""
    is_due = or_(
        and_(breaker.c.state == BreakerState.OPEN, breaker.c.retry_at <= now),
        and_(breaker.c.state == BreakerState.HALF_OPEN, breaker.c.probe_until <= now),
    )
    taken = connection.execute(
        update(breaker)
        .where(breaker.c.name == name, is_due)
        .values(
            state=BreakerState.HALF_OPEN,
            probed_by=by,
            probe_until=now + PROBE_LASTS,
            changed_at=now,
        )
    )
    return taken.rowcount == 1


def open_(
    connection: Connection,
    name: str,
    kind: BreakerKind,
    *,
    failure_class: str,
    reason: str,
    retry_at: datetime | None,
    now: datetime,
) -> None:
    """Let nothing pass until `retry_at`; None: until somebody decides."""
    row = find(connection, name)
    values = {
        "kind": kind,
        "state": BreakerState.OPEN,
        "failures": (row.failures if row is not None else 0) + 1,
        "failure_class": failure_class,
        "reason": reason[:2000],
        "opened_at": (row.opened_at if row is not None else None) or now,
        "retry_at": retry_at,
        "probed_by": None,
        "probe_until": None,
        "changed_at": now,
    }
    if row is None:
        connection.execute(insert(breaker).values(name=name, **values))
    else:
        connection.execute(update(breaker).where(breaker.c.name == name).values(**values))


def close(connection: Connection, name: str) -> bool:
    """Let everything pass again, what it held back first; true if it was not closed before."""
    closed = connection.execute(delete(breaker).where(breaker.c.name == name))
    connection.execute(
        update(batch)
        .where(batch.c.blocked_by == name)
        .values(blocked_by=None, next_attempt_at=None)
    )
    return closed.rowcount > 0


def probe_now(connection: Connection, names: Collection[str], now: datetime) -> None:
    """Somebody wants to know now: the next attempt is a probe."""
    connection.execute(
        update(breaker)
        .where(breaker.c.name.in_(names), breaker.c.kind != BreakerKind.OUTCOME)
        .values(state=BreakerState.OPEN, retry_at=now, probed_by=None, probe_until=None)
    )
