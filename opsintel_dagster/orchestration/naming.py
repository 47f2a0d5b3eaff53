"""Decides what an arrival is: new, a correction of another, or one that is there already.

The id of an arrival is a hash of what makes it that arrival, so that claiming it again, after a
crash or by a second drain, names the same one.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from opsintel_dagster.ingestion import Sighting
from opsintel_dagster.ledger import arrivals
from opsintel_dagster.ledger.arrivals import UNREAD, ArrivalState, NewArrival
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.orchestration.reading_arrivals import ReadArrival
from opsintel_dagster.outcome import FilesSource, Outcome


def name_arrival(
    connection: Connection, outcome: Outcome, read: ReadArrival, earlier: Sequence[NewArrival]
) -> NewArrival:
    """Name one arrival; `earlier` are those that will be registered in the same transaction."""
    source, seen = outcome.source, read.seen
    by = source.identity if isinstance(source, FilesSource) else "name_and_content"
    corrects = isinstance(source, FilesSource) and source.same_name == "correction"
    parts = {"name_and_content": (seen.name, read.sha256), "content": (read.sha256,)}
    named = identity = stable_id("identity", *parts.get(by, (seen.name,)))
    original: str | None = None
    supersedes: str | None = None
    head = arrivals.head_of(connection, outcome.name, seen.name)
    if corrects and head is not None and head.content == read.sha256:
        original = head.id
    elif corrects and head is not None:
        supersedes = head.id
        named = stable_id("identity", seen.name, read.sha256, head.id)
    else:
        same = arrivals.by_identity(connection, outcome.name, identity)
        if same is not None:
            original = same.id
        for new in earlier:
            if new.identity == identity and new.state is ArrivalState.BATCHED:
                original = new.id
    if original is not None:
        last = arrivals.last_under(connection, outcome.name, seen.name)
        return _arrival(
            stable_id("duplicate", outcome.name, identity, seen.name, seen.mark, last),
            identity,
            read,
            ArrivalState.DUPLICATE,
            duplicate_of=original,
        )
    arrival_id = stable_id("arrival", outcome.name, named)
    return _arrival(arrival_id, identity, read, ArrivalState.BATCHED, supersedes=supersedes)


def unreadable_arrival(
    connection: Connection, outcome: str, seen: Sighting, reason: str
) -> NewArrival:
    """Name an arrival nothing can be read from; changed, it will be another one.

    A file that was replaced and put back with its old modification time is one more arrival, so
    what lay there before it is part of the name; so it is of duplicates.
    """
    last = arrivals.last_under(connection, outcome, seen.name)
    identity = stable_id("identity", "unreadable", seen.name, seen.size, seen.mark, last)
    return NewArrival(
        id=stable_id("arrival", outcome, identity),
        name=seen.name,
        identity=identity,
        state=ArrivalState.UNREADABLE,
        content=UNREAD,
        size=seen.size,
        mark=seen.mark,
        records=0,
        columns=(),
        available_at=seen.available_at,
        reason=reason,
    )


def _arrival(
    arrival_id: str,
    identity: str,
    read: ReadArrival,
    state: ArrivalState,
    *,
    duplicate_of: str | None = None,
    supersedes: str | None = None,
) -> NewArrival:
    return NewArrival(
        id=arrival_id,
        name=read.seen.name,
        identity=identity,
        state=state,
        content=read.sha256,
        size=read.size,
        mark=read.seen.mark,
        records=read.records if state is ArrivalState.BATCHED else 0,
        columns=read.columns,
        available_at=read.seen.available_at,
        duplicate_of=duplicate_of,
        supersedes=supersedes,
    )
