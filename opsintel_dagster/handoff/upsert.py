"""The statements of a delivery to a table; all of them run in the one transaction of the caller."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from opsintel_dagster.handoff.tables import DELIVERY, FENCE, RECEIPT, SEQUENCE


def insert_or(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what to do about a row that is there: `ON CONFLICT`."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def pass_fence(connection: Connection, outcome: str, route: str, epoch: int) -> bool:
    """Raise the fence to `epoch` and hold its lock, unless a higher epoch was here."""
    first = insert_or(connection, FENCE).values(outcome=outcome, route=route, epoch=epoch)
    connection.execute(first.on_conflict_do_nothing())
    raised = connection.execute(
        update(FENCE)
        .where(FENCE.c.outcome == outcome, FENCE.c.route == route, FENCE.c.epoch <= epoch)
        .values(epoch=epoch)
    )
    return raised.rowcount == 1


def upsert(
    connection: Connection, target: Table, staging: Table, key: tuple[str, ...], delivery: str
) -> dict[str, int]:
    """Move staged rows into the target where they are newer than what is there.

    Returns the number of rows of each earlier delivery that this one overwrote.
    """
    displaced = _displaced(connection, target, staging, key)
    columns = [column.name for column in staging.columns]
    source = select(*staging.c, literal(delivery)).where(staging.c[SEQUENCE].is_not(None))
    statement = insert_or(connection, target).from_select([*columns, DELIVERY], source)
    incoming = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=list(key),
            set_={column: incoming[column] for column in [*columns, DELIVERY] if column not in key},
            where=_is_older(target.c[SEQUENCE], incoming[SEQUENCE]),
        )
    )
    return displaced


def record_displaced(connection: Connection, displaced: dict[str, int]) -> None:
    """Keep on each earlier receipt how many of its rows are no longer in the table."""
    for delivery, rows in displaced.items():
        connection.execute(
            update(RECEIPT)
            .where(RECEIPT.c.delivery == delivery)
            .values(displaced=RECEIPT.c.displaced + rows)
        )


def rows_of(connection: Connection, target: Table, deliveries: list[str]) -> dict[str, int]:
    """Rows in the target now, by the delivery that wrote them."""
    found: dict[str, int] = {}
    written_by = target.c[DELIVERY]
    for start in range(0, len(deliveries), 500):
        counts = (
            select(written_by, func.count())
            .where(written_by.in_(deliveries[start : start + 500]))
            .group_by(written_by)
        )
        found |= {row[0]: row[1] for row in connection.execute(counts)}
    return found


def missing_rows(
    connection: Connection, target: Table, staging: Table, key: tuple[str, ...]
) -> int:
    """How many staged rows have no row of their key in the target that is as new."""
    as_new = (
        select(literal(1))
        .select_from(target)
        .where(_same_key(target, staging, key), target.c[SEQUENCE] >= staging.c[SEQUENCE])
    )
    statement = select(func.count()).select_from(staging).where(~as_new.exists())
    return int(connection.execute(statement).scalar_one())


def _displaced(
    connection: Connection, target: Table, staging: Table, key: tuple[str, ...]
) -> dict[str, int]:
    written_by = target.c[DELIVERY]
    counts = (
        select(written_by, func.count())
        .select_from(target.join(staging, _same_key(target, staging, key)))
        .where(target.c[SEQUENCE] < staging.c[SEQUENCE])
        .group_by(written_by)
    )
    return {row[0]: row[1] for row in connection.execute(counts) if row[0]}


def _is_older(stored: ColumnElement[Any], incoming: ColumnElement[Any]) -> ColumnElement[bool]:
    """Rows without a sequence were in the table before we came: anything of ours is newer."""
    return or_(stored.is_(None), stored < incoming)


def _same_key(target: Table, staging: Table, key: tuple[str, ...]) -> ColumnElement[bool]:
    return and_(*(target.c[column] == staging.c[column] for column in key))
