"""Arrivals in the ledger: what a source made available, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from opsintel_dagster.ledger.tables import arrival, batch, batch_arrival, sighting

UNREAD = ""
"""The content of an arrival nothing could be read from."""

_NAMES_PER_QUERY = 500  # below SQLite's limit on bound values, whatever its build


class ArrivalState(StrEnum):
    """Exactly one of these is true of every arrival that was seen."""

    BATCHED = "batched"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True)
class NewArrival:
    """An arrival as it is about to be registered; `seq` is given by the ledger."""

    id: str
    name: str
    identity: str
    state: ArrivalState
    content: str
    size: int
    mark: str
    records: int
    columns: tuple[str, ...]
    available_at: datetime
    reason: str | None = None
    duplicate_of: str | None = None
    supersedes: str | None = None
    profile: Mapping[str, Any] | None = None
    symptoms: Mapping[str, Any] | None = None


def known_marks(
    connection: Connection, outcome: str, names: Sequence[str]
) -> dict[str, tuple[int, str]]:
    """Size and modification mark under which each of `names` was last seen, if it ever was."""
    known: dict[str, tuple[int, str]] = {}
    for start in range(0, len(names), _NAMES_PER_QUERY):
        query = select(sighting.c.name, sighting.c.size, sighting.c.mark).where(
            sighting.c.outcome == outcome,
            sighting.c.name.in_(names[start : start + _NAMES_PER_QUERY]),
        )
        known.update({row.name: (row.size, row.mark) for row in connection.execute(query)})
    return known


def head_of(connection: Connection, outcome: str, name: str) -> Row[Any] | None:
    """The newest arrival under this name that was read and is no duplicate: what one corrects."""
    query = (
        select(arrival)
        .where(
            arrival.c.outcome == outcome,
            arrival.c.name == name,
            arrival.c.state != ArrivalState.DUPLICATE,
            arrival.c.content != UNREAD,
        )
        .order_by(arrival.c.seq.desc())
        .limit(1)
    )
    return connection.execute(query).one_or_none()


def names(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """What these arrivals are called."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), _NAMES_PER_QUERY):
        some = ids[start : start + _NAMES_PER_QUERY]
        query = select(arrival.c.id, arrival.c.name).where(arrival.c.id.in_(some))
        found |= {row.id: row.name for row in connection.execute(query)}
    return found


def last_under(connection: Connection, outcome: str, name: str) -> str | None:
    """The id of the arrival that was last seen under this name, whatever became of it."""
    query = select(sighting.c.arrival_id).where(
        sighting.c.outcome == outcome, sighting.c.name == name
    )
    return connection.execute(query).scalar()


def by_identity(connection: Connection, outcome: str, identity: str) -> Row[Any] | None:
    """The arrival that has this identity, duplicates of it aside."""
    query = select(arrival).where(
        arrival.c.outcome == outcome,
        arrival.c.identity == identity,
        arrival.c.state != ArrivalState.DUPLICATE,
    )
    return connection.execute(query).first()


def register(
    connection: Connection, outcome: str, news: Sequence[NewArrival], run_id: str | None
) -> None:
    """Write arrivals and their sightings; a later arrival relieves unreadable ones of its name.

    The caller's transaction holds the lease, so the sequence has one writer.
    """
    if not news:
        return
    last = connection.execute(
        select(func.max(arrival.c.seq)).where(arrival.c.outcome == outcome)
    ).scalar()
    claimed_at = datetime.now(UTC)
    _relieve_unreadable(connection, outcome, {new.name: new.id for new in news})
    connection.execute(
        insert(arrival),
        [
            {
                "id": new.id,
                "outcome": outcome,
                "seq": (last or 0) + place,
                "name": new.name,
                "identity": new.identity,
                "state": new.state,
                "content": new.content,
                "size": new.size,
                "records": new.records,
                "columns": list(new.columns),
                "available_at": new.available_at,
                "claimed_at": claimed_at,
                "is_late": False,
                "run_id": run_id,
                "reason": new.reason,
                "duplicate_of": new.duplicate_of,
                "supersedes": new.supersedes,
                "profile": new.profile,
                "symptoms": new.symptoms,
            }
            for place, new in enumerate(news, start=1)
        ],
    )
    names = [new.name for new in news]
    for start in range(0, len(names), _NAMES_PER_QUERY):
        some = names[start : start + _NAMES_PER_QUERY]
        connection.execute(
            delete(sighting).where(sighting.c.outcome == outcome, sighting.c.name.in_(some))
        )
    connection.execute(
        insert(sighting),
        [
            {
                "outcome": outcome,
                "name": new.name,
                "size": new.size,
                "mark": new.mark,
                "arrival_id": new.id,
            }
            for new in news
        ],
    )
    for new in news:
        if new.supersedes is not None:
            supersede(connection, new.supersedes, new.id)


def recent(connection: Connection, outcome: str, most: int) -> list[Row[Any]]:
    """The last arrivals that were read and stand, newest first: what a new one is compared with."""
    query = (
        select(
            arrival.c.name,
            arrival.c.columns,
            arrival.c.records,
            arrival.c.available_at,
            arrival.c.profile,
            arrival.c.symptoms,
            arrival.c.id,
        )
        .where(
            arrival.c.outcome == outcome,
            arrival.c.state == ArrivalState.BATCHED,
            arrival.c.profile.is_not(None),
        )
        .order_by(arrival.c.seq.desc())
        .limit(most)
    )
    return list(connection.execute(query))


def _relieve_unreadable(connection: Connection, outcome: str, by_name: Mapping[str, str]) -> None:
    """What could not be read and lies there in another version now is superseded by that one."""
    for old in unreadable(connection, outcome):
        if old.name in by_name:
            connection.execute(
                update(arrival)
                .where(arrival.c.id == old.id)
                .values(state=ArrivalState.SUPERSEDED, superseded_by=by_name[old.name])
            )


def supersede(connection: Connection, old: str, new: str) -> None:
    """Say that `new` replaces `old`; what is open of `old` is settled when `new` is judged."""
    connection.execute(update(arrival).where(arrival.c.id == old).values(superseded_by=new))


def predecessors(connection: Connection, new: str) -> list[str]:
    """The arrivals that the correction `new` replaces and that no earlier correction has."""
    found: list[str] = []
    old = connection.execute(select(arrival.c.supersedes).where(arrival.c.id == new)).scalar()
    while old is not None:
        row = connection.execute(select(arrival).where(arrival.c.id == old)).one()
        if row.state != ArrivalState.BATCHED:
            break  # whoever superseded it has superseded everything before it
        found.append(row.id)
        old = row.supersedes
    return found


def versions_before(connection: Connection, new: str) -> list[str]:
    """Everything the correction `new` descends from, whoever has superseded it."""
    older = select(arrival.c.supersedes).where(arrival.c.id == new).cte(recursive=True)
    again = select(arrival.c.supersedes).join(older, arrival.c.id == older.c.supersedes)
    chain = older.union_all(again)
    query = select(chain.c.supersedes).where(chain.c.supersedes.is_not(None))
    return list(connection.execute(query).scalars())


def settle(connection: Connection, superseded: Sequence[str], new: str) -> None:
    """The correction `new` of these arrivals was judged: by it they are superseded from now on.

    An earlier correction of theirs that was held is among them, and supersedes nothing.
    """
    connection.execute(
        update(arrival)
        .where(arrival.c.id.in_(superseded))
        .values(state=ArrivalState.SUPERSEDED, superseded_by=new)
    )


def ids_in_state(connection: Connection, outcome: str, state: ArrivalState) -> list[str]:
    """The ids of all arrivals in one state."""
    query = select(arrival.c.id).where(arrival.c.outcome == outcome, arrival.c.state == state)
    return list(connection.execute(query).scalars())


def replaced(connection: Connection, outcome: str, *, until: int | None = None) -> list[str]:
    """Superseded arrivals whose correction has come through: their rows are no longer current.

    `until` is the `closed_seq` of the last batch to be looked at; None: of all.
    """
    newer = arrival.alias("newer")
    query = (
        select(arrival.c.id)
        .join(newer, newer.c.id == arrival.c.superseded_by)
        .join(batch_arrival, batch_arrival.c.arrival_id == newer.c.id)
        .join(batch, batch.c.id == batch_arrival.c.batch_id)
        .where(
            arrival.c.outcome == outcome,
            arrival.c.state == ArrivalState.SUPERSEDED,
            batch.c.kind == "arrivals",
            batch.c.state == "closed",
        )
    )
    if until is not None:
        query = query.where(batch.c.closed_seq <= until)
    return list(connection.execute(query).scalars())


def batches_of(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Batches that carry or carried rows of these arrivals, oldest first."""
    members = select(batch_arrival.c.batch_id).where(batch_arrival.c.arrival_id.in_(ids))
    query = select(batch.c.id).where(batch.c.id.in_(members)).order_by(batch.c.seq)
    return list(connection.execute(query).scalars())


def has_open_batches(connection: Connection, ids: Sequence[str]) -> bool:
    """Whether some batch still carries rows of these arrivals to their place."""
    query = (
        select(batch.c.id)
        .join(batch_arrival, batch_arrival.c.batch_id == batch.c.id)
        .where(batch_arrival.c.arrival_id.in_(ids), batch.c.state != "closed")
        .limit(1)
    )
    return connection.execute(query).first() is not None


def in_batch(connection: Connection, batch_id: str) -> list[Row[Any]]:
    """The arrivals whose rows the batch carries, oldest first."""
    query = (
        select(arrival)
        .join(batch_arrival, batch_arrival.c.arrival_id == arrival.c.id)
        .where(batch_arrival.c.batch_id == batch_id)
        .order_by(arrival.c.seq)
    )
    return list(connection.execute(query))


def sequence(connection: Connection, outcome: str) -> dict[str, int]:
    """In which order the arrivals that brought records were claimed, by their id."""
    query = select(arrival.c.id, arrival.c.seq).where(
        arrival.c.outcome == outcome, arrival.c.records > 0
    )
    return {row.id: row.seq for row in connection.execute(query)}


def columns_of(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The columns that these arrivals brought; arrivals without any are left out."""
    found: dict[str, tuple[str, ...]] = {}
    for start in range(0, len(ids), _NAMES_PER_QUERY):
        some = ids[start : start + _NAMES_PER_QUERY]
        query = select(arrival.c.id, arrival.c.columns).where(arrival.c.id.in_(some))
        found |= {row.id: tuple(row.columns) for row in connection.execute(query) if row.columns}
    return found


def symptoms_of(connection: Connection, ids: Sequence[str]) -> dict[str, Any]:
    """What the claims of these arrivals found."""
    found: dict[str, Any] = {}
    for start in range(0, len(ids), _NAMES_PER_QUERY):
        some = ids[start : start + _NAMES_PER_QUERY]
        query = select(arrival.c.id, arrival.c.symptoms).where(arrival.c.id.in_(some))
        found |= {row.id: row.symptoms for row in connection.execute(query)}
    return found


def records_of(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """How many records these arrivals brought."""
    found: dict[str, int] = {}
    for start in range(0, len(ids), _NAMES_PER_QUERY):
        some = ids[start : start + _NAMES_PER_QUERY]
        query = select(arrival.c.id, arrival.c.records).where(arrival.c.id.in_(some))
        found |= {row.id: row.records for row in connection.execute(query)}
    return found


def count_by_state(connection: Connection, outcome: str) -> Mapping[str, tuple[int, int]]:
    """Arrivals and their records, by state."""
    query = (
        select(arrival.c.state, func.count(), func.coalesce(func.sum(arrival.c.records), 0))
        .where(arrival.c.outcome == outcome)
        .group_by(arrival.c.state)
    )
    return {state: (int(n), int(records)) for state, n, records in connection.execute(query)}


def unreadable(connection: Connection, outcome: str) -> list[Row[Any]]:
    """Arrivals nothing could be read from and that no later file of their name has relieved."""
    query = (
        select(arrival)
        .where(arrival.c.outcome == outcome, arrival.c.state == ArrivalState.UNREADABLE)
        .order_by(arrival.c.seq)
    )
    return list(connection.execute(query))


def count_late(connection: Connection, outcome: str) -> int:
    """How many arrivals came out after the promise's deadline, ever."""
    query = select(func.count()).where(arrival.c.outcome == outcome, arrival.c.is_late.is_(True))
    return int(connection.execute(query).scalar_one())


def mark_late(connection: Connection, batch_id: str, available_before: datetime) -> int:
    """Mark the batch's arrivals that were available before this time: they came out too late."""
    ids = select(batch_arrival.c.arrival_id).where(batch_arrival.c.batch_id == batch_id)
    result = connection.execute(
        update(arrival)
        .where(
            arrival.c.id.in_(ids),
            arrival.c.available_at < available_before,
            arrival.c.is_late.is_(False),
        )
        .values(is_late=True)
    )
    return int(result.rowcount)
