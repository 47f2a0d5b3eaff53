"""Episodes in the ledger: what was wrong from when until when, and who said that they know.

A symptom that comes back after it was over is a new episode, so an id carries when it began; at
most one episode of a key is open, which the database itself sees to.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from opsintel_dagster.ledger import entries
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.ledger.tables import episode

INSTALLATION: Final = "opsintel"
"""What entries and touches call the installation as a whole; no outcome may be called so."""
ACKNOWLEDGED: Final = "acknowledged"
_LONGEST_SUBJECT: Final = 300


def episode_id(key: str, began_at: datetime) -> str:
    """The id of the episode of a symptom that began then."""
    return stable_id("episode", key, began_at.timestamp())


def begin(
    connection: Connection,
    identity: str,
    key: str,
    *,
    kind: str,
    outcome: str | None,
    subject: str,
    owner: str,
    title: str,
    facts: Mapping[str, Any],
    began_at: datetime,
) -> bool:
    """Open an episode; false if another process has just opened one of this key."""
    try:
        with connection.begin_nested():
            connection.execute(
                insert(episode).values(
                    id=identity,
                    key=key,
                    kind=kind,
                    outcome=outcome,
                    subject=subject[:_LONGEST_SUBJECT],
                    owner=owner,
                    title=title,
                    facts=dict(facts),
                    began_at=began_at,
                    last_seen_at=began_at,
                )
            )
    except IntegrityError:
        return False
    return True


def seen(
    connection: Connection,
    known: Iterable[tuple[str, str | None, Mapping[str, Any]]],
    now: datetime,
) -> None:
    """Keep what is known of open episodes now: the id, the outcome that sees it, the facts."""
    statement = (
        update(episode)
        .where(episode.c.id == bindparam("identity"))
        .values(last_seen_at=now, outcome=bindparam("seen_by"), facts=bindparam("facts_now"))
    )
    rows = [
        {"identity": identity, "seen_by": outcome, "facts_now": dict(facts)}
        for identity, outcome, facts in known
    ]
    if rows:
        connection.execute(statement, rows)


def end(connection: Connection, identities: Sequence[str], now: datetime) -> None:
    """Close episodes whose symptom is gone."""
    if identities:
        are_open = episode.c.id.in_(identities) & episode.c.over_at.is_(None)
        connection.execute(update(episode).where(are_open).values(over_at=now))


def still_open(
    connection: Connection,
    outcomes: Collection[str | None] | None = None,
    keys: Collection[str] = (),
) -> list[Row[Any]]:
    """Open episodes, the oldest first: all, or of these outcomes (None: the installation) or keys.

    The database would look through all that ever happened to the outcomes; few things are open.
    """
    query = select(episode).where(episode.c.over_at.is_(None))
    rows = connection.execute(query.order_by(episode.c.began_at, episode.c.id))
    return [row for row in rows if outcomes is None or row.outcome in outcomes or row.key in keys]


def find(connection: Connection, identity: str) -> Row[Any]:
    """The episode of this id; none is ever deleted."""
    return connection.execute(select(episode).where(episode.c.id == identity)).one()


def acknowledge(connection: Connection, identity: str, actor: str, now: datetime) -> bool:
    """Keep who knows of it, once; it counts as a touch. False: somebody already did."""
    unanswered = (episode.c.id == identity) & episode.c.acknowledged_at.is_(None)
    values = {"acknowledged_at": now, "acknowledged_by": actor}
    if connection.execute(update(episode).where(unanswered).values(**values)).rowcount == 0:
        return False
    row = find(connection, identity)
    outcome = row.outcome or INSTALLATION
    entries.append(connection, outcome, actor, ACKNOWLEDGED, identity, row.title)
    entries.touched(connection, outcome, actor, ACKNOWLEDGED, identity)
    return True
