"""The notice outbox in the ledger: decided, then sent, then recorded.

A notice is claimed before it is sent: its next attempt moves ahead by as long as sending may
take, so that no other process sends it, and somebody does if this one dies. What was sent and not
recorded is sent once more under the same id.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.ledger.tables import episode, notice

FIRST_RETRY: Final = timedelta(minutes=1)
LONGEST_RETRY: Final = timedelta(hours=1)
_DOUBLINGS: Final = 6  # past the longest


class NoticeState(StrEnum):
    """How far a notice has come."""

    DECIDED = "decided"
    """It is to be sent; with a reason, if it cannot be."""
    SENDING = "sending"
    """Somebody is sending it now, or died over it."""
    FAILED = "failed"
    """A channel did not take it; it is tried again, however often."""
    SENT = "sent"
    """Every channel has taken it."""
    WITHDRAWN = "withdrawn"
    """There was no channel while it mattered."""


class NoticeKind(StrEnum):
    """What a notice tells."""

    BEGUN = "begun"
    RESOLVED = "resolved"


def notice_id(identity: str, kind: NoticeKind, step: int, owner: str) -> str:
    """The notice of an episode, step and recipient; what receivers recognise a repetition by."""
    return stable_id("notice", identity, kind, step, owner)


def decided(
    connection: Connection,
    identity: str,
    *,
    outcome: str | None,
    episode_id: str,
    kind: NoticeKind,
    step: int,
    owner: str,
    title: str,
    body: str,
    now: datetime,
) -> bool:
    """Put a notice into the outbox; false if it is there already."""
    try:
        with connection.begin_nested():
            connection.execute(
                insert(notice).values(
                    id=identity,
                    outcome=outcome,
                    episode_id=episode_id,
                    kind=kind,
                    step=step,
                    owner=owner,
                    title=title,
                    body=body,
                    state=NoticeState.DECIDED,
                    decided_at=now,
                    attempts=0,
                    next_attempt_at=now,
                    accepted=[],
                )
            )
    except IntegrityError:
        return False
    return True


def of_episodes(connection: Connection, identities: Sequence[str]) -> list[Row[Any]]:
    """What was told of these episodes, in the order in which it was decided."""
    query = select(notice).where(notice.c.episode_id.in_(identities))
    return list(connection.execute(query.order_by(notice.c.decided_at, notice.c.step)))


def due(
    connection: Connection, outcomes: Collection[str | None], now: datetime, limit: int
) -> list[Row[Any]]:
    """Notices of these outcomes to be sent now, with `over_at` of their episode.

    That something is resolved is told to nobody who has not been told that it began. Asked for
    outcomes, the database would look through all they were ever told; few notices are due.
    """
    before = notice.alias()
    is_next = ~(
        select(before.c.id)
        .where(
            before.c.episode_id == notice.c.episode_id,
            before.c.owner == notice.c.owner,
            before.c.kind == NoticeKind.BEGUN,
            before.c.next_attempt_at.is_not(None),
        )
        .exists()
    )
    query = (
        select(notice, episode.c.over_at)
        .join(episode, episode.c.id == notice.c.episode_id)
        .where(
            notice.c.next_attempt_at <= now,
            or_(notice.c.kind == NoticeKind.BEGUN, is_next),
        )
        .order_by(notice.c.next_attempt_at, notice.c.id)
    )
    mine = (row for row in connection.execute(query) if row.outcome in outcomes)
    return list(islice(mine, limit))


def claim(connection: Connection, row: Row[Any], until: datetime) -> bool:
    """Count an attempt and keep others off until then; false if somebody else was faster."""
    result = connection.execute(
        update(notice)
        .where(notice.c.id == row.id, notice.c.next_attempt_at == row.next_attempt_at)
        .values(state=NoticeState.SENDING, attempts=row.attempts + 1, next_attempt_at=until)
    )
    return bool(result.rowcount == 1)


def accepted(connection: Connection, identity: str, channels: Sequence[str]) -> None:
    """Keep which channels have taken it, so that they are not sent it again."""
    connection.execute(
        update(notice).where(notice.c.id == identity).values(accepted=list(channels))
    )


def sent(connection: Connection, identity: str, channels: Sequence[str], now: datetime) -> None:
    """Record that every channel has taken it."""
    connection.execute(
        update(notice)
        .where(notice.c.id == identity)
        .values(
            state=NoticeState.SENT,
            accepted=list(channels),
            sent_at=now,
            next_attempt_at=None,
            failure=None,
        )
    )


def failed(
    connection: Connection, identity: str, attempts: int, failure: str, now: datetime
) -> None:
    """Record that attempt number `attempts` failed; the next one comes after a longer pause.

    A process whose claim has expired changes nothing.
    """
    mine = (notice.c.id == identity) & (notice.c.attempts == attempts)
    values = {
        "state": NoticeState.FAILED,
        "failure": failure,
        "next_attempt_at": now + pause_after(attempts),
    }
    still_waits = notice.c.state == NoticeState.SENDING
    connection.execute(update(notice).where(mine, still_waits).values(**values))


def pause_after(attempts: int) -> timedelta:
    """A minute, doubled with each attempt, up to an hour."""
    doublings = min(max(attempts - 1, 0), _DOUBLINGS)
    return min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)


def unsendable(connection: Connection, identity: str, reason: str, again_at: datetime) -> None:
    """Keep why it cannot be sent now; it stays decided and is looked at again then."""
    values = {"failure": reason, "next_attempt_at": again_at}
    connection.execute(update(notice).where(notice.c.id == identity).values(**values))


def withdraw(connection: Connection, row: Row[Any], reason: str) -> int:
    """Never send it, nor that it is over: it is long past, and nobody was told that it began.

    Returns:
        How many notices that were.
    """
    values = {"state": NoticeState.WITHDRAWN, "failure": reason, "next_attempt_at": None}
    to_the_same = (notice.c.episode_id == row.episode_id) & (notice.c.owner == row.owner)
    waiting = notice.c.next_attempt_at.is_not(None)
    result = connection.execute(update(notice).where(to_the_same, waiting).values(**values))
    return result.rowcount


def failing(connection: Connection, attempts: int) -> list[Row[Any]]:
    """Notices that were tried so often or more and have still not been taken by every channel."""
    waits = notice.c.next_attempt_at.is_not(None)
    query = select(notice).where(waits, notice.c.attempts >= attempts)
    return list(connection.execute(query.order_by(notice.c.decided_at)))


def waiting(connection: Connection) -> list[Row[Any]]:
    """Notices that still have to be sent, for whatever reason, in the order of their decision."""
    query = select(notice).where(notice.c.next_attempt_at.is_not(None))
    return list(connection.execute(query.order_by(notice.c.decided_at)))


def listing(
    connection: Connection,
    outcomes: Sequence[str] | None = None,
    *,
    with_past: bool = False,
    limit: int = 1_000,
) -> list[Row[Any]]:
    """Notices with what became of their episode, the newest first.

    Without the past: those of open episodes, and those that still have to be sent.
    """
    query = (
        select(
            notice,
            episode.c.began_at,
            episode.c.over_at,
            episode.c.acknowledged_at,
            episode.c.acknowledged_by,
            episode.c.kind.label("symptom"),
            episode.c.subject,
        )
        .join(episode, episode.c.id == notice.c.episode_id)
        .order_by(notice.c.decided_at.desc(), notice.c.id)
        .limit(limit)
    )
    if outcomes is not None:
        query = query.where(notice.c.outcome.in_(outcomes))
    if not with_past:
        query = query.where(or_(episode.c.over_at.is_(None), notice.c.next_attempt_at.is_not(None)))
    return list(connection.execute(query))


def find(connection: Connection, beginning: str) -> list[str]:
    """At most two episodes whose id, or the id of one of whose notices, begins so."""
    begins = notice.c.id.startswith(beginning, autoescape=True)
    begins |= notice.c.episode_id.startswith(beginning, autoescape=True)
    query = select(notice.c.episode_id).distinct().where(begins).limit(2)
    return list(connection.execute(query).scalars())
