"""Batches in the ledger: arrivals drained together, how far they are, and the files they own."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from opsintel_dagster.ledger import attempts, decisions
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.ledger.tables import (
    batch,
    batch_arrival,
    declaration,
    stage_file,
)

if TYPE_CHECKING:  # the ledger alone answers most commands, and needs no Polars for it
    from opsintel_dagster.store import StoredFile


class BatchKind(StrEnum):
    """Where the rows of a batch come from."""

    ARRIVALS = "arrivals"
    REPLAY = "replay"
    DISCARD = "discard"


class BatchState(StrEnum):
    """The last stage that has a result in the ledger."""

    CLAIMED = "claimed"
    VERIFIED = "verified"
    ROUTED = "routed"
    CLOSED = "closed"


class Role(StrEnum):
    """What a file of a batch holds."""

    RAW = "raw"
    VERIFIED = "verified"
    QUARANTINE = "quarantine"
    UNCHANGED = "unchanged"
    ROUTED = "routed"
    UNROUTED = "unrouted"
    REFUSED = "refused"
    DISCARDED = "discarded"


QUARANTINE_ROLES = (Role.QUARANTINE, Role.UNROUTED, Role.REFUSED)

_FRESH: dict[str, Any] = {
    "waits_for": None,
    "attempts": 0,
    "next_attempt_at": None,
    "failure": None,
    "failure_class": None,
    "is_given_up": False,
    "blocked_by": None,
    "begun_epoch": None,
    "kills": 0,
}
"""What a batch looks like that has failed of nothing and waits for nothing."""


def create(
    connection: Connection,
    outcome: str,
    batch_id: str,
    *,
    kind: BatchKind,
    declaration_id: str,
    arrivals: Mapping[str, int],
    available_at: datetime,
    files: "Sequence[StoredFile]",
    case_id: str | None = None,
    decision_id: str | None = None,
) -> None:
    """Register a claimed batch with its raw files; `arrivals` maps arrival ids to row counts."""
    last = connection.execute(
        select(func.max(batch.c.seq)).where(batch.c.outcome == outcome)
    ).scalar()
    connection.execute(
        insert(batch).values(
            id=batch_id,
            outcome=outcome,
            seq=(last or 0) + 1,
            kind=kind,
            state=BatchState.CLAIMED,
            declaration=declaration_id,
            records=sum(arrivals.values()),
            case_id=case_id,
            decision_id=decision_id,
            reference_versions={},
            available_at=available_at,
            claimed_at=datetime.now(UTC),
            attempts=0,
        )
    )
    connection.execute(
        insert(batch_arrival),
        [
            {"batch_id": batch_id, "arrival_id": arrival_id, "records": records}
            for arrival_id, records in arrivals.items()
        ],
    )
    add_files(connection, batch_id, Role.RAW, files)


def exists(connection: Connection, batch_id: str) -> bool:
    """Whether the batch was registered before."""
    return connection.execute(select(batch.c.id).where(batch.c.id == batch_id)).first() is not None


def state_of(connection: Connection, batch_id: str) -> str:
    """How far the batch is."""
    return str(connection.execute(select(batch.c.state).where(batch.c.id == batch_id)).scalar_one())


def pin_declaration(
    connection: Connection, outcome: str, declaration_id: str, routes: list[dict[str, Any]]
) -> None:
    """Keep the routes of a declaration under its hash, for the batches that are pinned to it."""
    known = select(declaration.c.id).where(declaration.c.id == declaration_id)
    if connection.execute(known).first() is None:
        connection.execute(
            insert(declaration).values(
                id=declaration_id, outcome=outcome, routes=routes, pinned_at=datetime.now(UTC)
            )
        )


def pinned_routes(connection: Connection, declaration_id: str) -> list[dict[str, Any]]:
    """The routes of the declaration a batch was claimed under."""
    query = select(declaration.c.routes).where(declaration.c.id == declaration_id)
    return list(connection.execute(query).scalar_one())


def due(connection: Connection, outcome: str, state: BatchState, now: datetime) -> list[Row[Any]]:
    """Batches that wait for the stage after `state` and whose next attempt is due, oldest first.

    Those that a breaker holds back are among them: only who asks the breaker knows whether it still
    does.
    """
    query = (
        select(batch)
        .where(
            batch.c.outcome == outcome,
            batch.c.state == state,
            ~batch.c.is_given_up,
            or_(batch.c.next_attempt_at.is_(None), batch.c.next_attempt_at <= now),
        )
        .order_by(batch.c.seq)
    )
    return list(connection.execute(query))


def outstanding(connection: Connection, outcome: str) -> list[Row[Any]]:
    """All batches that are not closed, oldest first."""
    query = (
        select(batch)
        .where(batch.c.outcome == outcome, batch.c.state != BatchState.CLOSED)
        .order_by(batch.c.seq)
    )
    return list(connection.execute(query))


def count_in_state(connection: Connection, outcome: str, state: BatchState) -> int:
    """How many batches of the outcome are in this state."""
    query = select(func.count()).where(batch.c.outcome == outcome, batch.c.state == state)
    return int(connection.execute(query).scalar_one())


def advance(connection: Connection, batch_id: str, state: BatchState, **values: object) -> None:
    """Move the batch on to `state`; what it waited for and failed of is over."""
    connection.execute(
        update(batch).where(batch.c.id == batch_id).values(state=state, **_FRESH).values(**values)
    )
    attempts.settle_batch(connection, batch_id, datetime.now(UTC), "drain")


def close(connection: Connection, outcome: str, batch_id: str, closed_at: datetime) -> None:
    """Close the batch: everything in it has reached its place."""
    last = connection.execute(
        select(func.max(batch.c.closed_seq)).where(batch.c.outcome == outcome)
    ).scalar()
    advance(
        connection, batch_id, BatchState.CLOSED, closed_at=closed_at, closed_seq=(last or 0) + 1
    )


def repin(connection: Connection, batch_id: str, declaration_id: str) -> None:
    """Pin the batch to the declaration it is really judged by."""
    connection.execute(
        update(batch).where(batch.c.id == batch_id).values(declaration=declaration_id)
    )


def wait(connection: Connection, batch_id: str, reason: str, versions: Mapping[str, str]) -> None:
    """Let the batch wait until one of the outcomes in `versions` is at another version."""
    connection.execute(
        update(batch)
        .where(batch.c.id == batch_id)
        .values(waits_for=reason, reference_versions=dict(versions), failure=None)
    )


def waiting(connection: Connection, outcome: str) -> list[Row[Any]]:
    """Batches that wait for another outcome, or for another batch of their own."""
    query = select(batch).where(
        batch.c.outcome == outcome,
        batch.c.state != BatchState.CLOSED,
        batch.c.waits_for.is_not(None),
    )
    return list(connection.execute(query))


def fail(
    connection: Connection,
    batch_id: str,
    *,
    failure_class: str,
    reason: str,
    attempts: int,
    next_attempt_at: datetime | None,
    is_given_up: bool = False,
) -> None:
    """Note a failed attempt; after one that gives the batch up somebody has to decide."""
    connection.execute(
        update(batch)
        .where(batch.c.id == batch_id)
        .values(
            attempts=attempts,
            next_attempt_at=next_attempt_at,
            failure=reason[:2000],
            failure_class=failure_class,
            is_given_up=is_given_up,
            waits_for=None,
            blocked_by=None,
            begun_epoch=None,
        )
    )


def block(connection: Connection, batch_id: str, breaker: str) -> None:
    """Hold the batch back until this breaker closes; that is no attempt of its own."""
    connection.execute(
        update(batch)
        .where(batch.c.id == batch_id)
        .values(blocked_by=breaker, next_attempt_at=None, waits_for=None, begun_epoch=None)
    )


def begin(connection: Connection, outcome: str, batch_id: str, epoch: int) -> None:
    """Say before a stage begins that it does: if the process dies of it, it is known of which.

    It is done with the one before, whatever came of it.
    """
    before = (batch.c.outcome == outcome) & batch.c.begun_epoch.is_not(None)
    connection.execute(update(batch).where(before).values(begun_epoch=None))
    connection.execute(update(batch).where(batch.c.id == batch_id).values(begun_epoch=epoch))


def count_kills(connection: Connection, outcome: str, epoch: int) -> None:
    """The process of this epoch died; the batch that it was at may have been the reason."""
    connection.execute(
        update(batch)
        .where(batch.c.outcome == outcome, batch.c.begun_epoch == epoch)
        .values(kills=batch.c.kills + 1, begun_epoch=None)
    )


def given_up(connection: Connection, outcome: str) -> list[Row[Any]]:
    """Batches that are not tried again until somebody decides, oldest first."""
    query = (
        select(batch)
        .where(
            batch.c.outcome == outcome,
            batch.c.state != BatchState.CLOSED,
            batch.c.is_given_up,
        )
        .order_by(batch.c.seq)
    )
    return list(connection.execute(query))


def try_again(
    connection: Connection, outcome: str, *, by: str, only_given_up: bool = False
) -> list[str]:
    """Let every batch of the outcome that failed be tried at once; returns their ids.

    `only_given_up` leaves alone what will be tried again anyway. Deliveries in doubt are never sent
    again.
    """
    failed = (
        (batch.c.outcome == outcome)
        & (batch.c.state != BatchState.CLOSED)
        & (batch.c.attempts > 0)
        & (func.coalesce(batch.c.failure_class, "") != "in_doubt")
    )
    if only_given_up:
        failed &= batch.c.is_given_up
    found = list(connection.execute(select(batch.c.id).where(failed)).scalars())
    connection.execute(update(batch).where(failed).values(**_FRESH))
    for batch_id in found:
        attempts.settle_batch(connection, batch_id, datetime.now(UTC), by)
    return found


def version(connection: Connection, outcome: str) -> str:
    """Names the set of closed batches; changes exactly when one closes. Empty: none has."""
    query = (
        select(batch.c.id, batch.c.closed_seq)
        .where(batch.c.outcome == outcome, batch.c.closed_seq.is_not(None))
        .order_by(batch.c.closed_seq.desc())
        .limit(1)
    )
    last = connection.execute(query).first()
    return "" if last is None else version_made_by(outcome, last.closed_seq, last.id)


def version_made_by(outcome: str, closed_seq: int, batch_id: str) -> str:
    """The version of an outcome that begins when this batch closes."""
    return stable_id("closed", outcome, closed_seq, batch_id)[:16]


def warned(connection: Connection, outcome: str) -> dict[str, int]:
    """How many records went on although they broke a warning rule, by rule, ever."""
    total: Counter[str] = Counter()
    for counts in connection.execute(select(batch.c.warned).where(batch.c.outcome == outcome)):
        total.update(counts.warned)
    return dict(total)


def add_files(
    connection: Connection, batch_id: str, role: Role, files: "Sequence[StoredFile]"
) -> None:
    """Name the files of a stage's result: with this transaction they become real."""
    if files:
        connection.execute(
            insert(stage_file),
            [
                {
                    "batch_id": batch_id,
                    "role": role,
                    "part": part,
                    "path": file.path,
                    "rows": file.rows,
                    "bytes": file.bytes,
                    "sha256": file.sha256,
                }
                for part, file in enumerate(files)
            ],
        )


def files_of(connection: Connection, batch_id: str, *roles: Role) -> list[Row[Any]]:
    """The batch's files in these roles, in order."""
    query = (
        select(stage_file)
        .where(stage_file.c.batch_id == batch_id, stage_file.c.role.in_(roles))
        .order_by(stage_file.c.role, stage_file.c.part)
    )
    return list(connection.execute(query))


def named_paths(connection: Connection, outcome: str) -> set[str]:
    """Every path the ledger names for the outcome; what lies elsewhere is garbage."""
    query = select(stage_file.c.path).join(batch).where(batch.c.outcome == outcome)
    return set(connection.execute(query).scalars()) | decisions.files(connection, outcome)


def files_of_outcome(
    connection: Connection,
    outcome: str,
    *roles: Role,
    states: Collection[BatchState] = tuple(BatchState),
    kinds: Collection[BatchKind] = tuple(BatchKind),
) -> list[Row[Any]]:
    """Files of all the outcome's batches in these states, in the order of the batches."""
    query = (
        select(stage_file, batch.c.state, batch.c.kind, batch.c.seq, batch.c.closed_seq)
        .join(batch, batch.c.id == stage_file.c.batch_id)
        .where(
            batch.c.outcome == outcome,
            batch.c.state.in_(states),
            batch.c.kind.in_(kinds),
            stage_file.c.role.in_(roles),
        )
        .order_by(batch.c.seq, stage_file.c.role, stage_file.c.part)
    )
    return list(connection.execute(query))
