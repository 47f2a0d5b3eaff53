"""Binds an outcome's name to one code location, so that no two teams run the same automation."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from opsintel_dagster.errors import OutcomeClaimed, UnknownName
from opsintel_dagster.ledger.entries import append
from opsintel_dagster.ledger.tables import outcome, reference_use


def bind(
    connection: Connection,
    name: str,
    location: str,
    declaration_id: str,
    facts: Mapping[str, Any],
) -> None:
    """Claim the outcome for `location` and keep what others need to know of it.

    Raises:
        OutcomeClaimed: another code location has it.
    """
    values = {"location": location, "declaration": declaration_id, "facts": dict(facts)}
    mine = outcome.c.name == name
    row = connection.execute(select(outcome).where(mine)).one_or_none()
    if row is None:
        try:
            with connection.begin_nested():
                bound_at = datetime.now(UTC)
                connection.execute(insert(outcome).values(name=name, bound_at=bound_at, **values))
        except IntegrityError:  # another first drain of the outcome was faster, and has committed
            row = connection.execute(select(outcome).where(mine)).one()
        else:
            append(connection, name, location, "bound", name, f"declaration {declaration_id}")
            return
    if row.location != location:
        raise OutcomeClaimed(name, row.location, location)
    if row.declaration != declaration_id or row.facts != dict(facts):
        connection.execute(
            update(outcome).where(mine).values(declaration=declaration_id, facts=dict(facts))
        )
        changed = sorted(
            name for name in {*row.facts, *facts} if row.facts.get(name) != facts.get(name)
        )
        reason = f"declaration {row.declaration} → {declaration_id}"
        if row.declaration == declaration_id:
            reason = f"changed: {', '.join(changed)}"
        append(connection, name, location, "redeclared", name, reason)


def release(connection: Connection, name: str, actor: str) -> bool:
    """Free the name for another code location; false if nobody had it."""
    result = connection.execute(delete(outcome).where(outcome.c.name == name))
    if result.rowcount:
        append(connection, name, actor, "released", name, "the name may be claimed again")
    return bool(result.rowcount)


def bound(connection: Connection, name: str) -> Row[Any] | None:
    """The outcome as its code location last declared it."""
    return connection.execute(select(outcome).where(outcome.c.name == name)).one_or_none()


def declared(connection: Connection, name: str) -> Row[Any]:
    """The outcome a person named, as its code location last declared it.

    Raises:
        UnknownName: this ledger has never seen it; says which it has.
    """
    row = bound(connection, name)
    if row is None:
        # The models of declarations cost a fifth of a second to import: only an error pays it.
        from opsintel_dagster.outcome.findings import did_you_mean  # noqa: PLC0415

        names = [one.name for one in all_bound(connection)]
        fix = did_you_mean(name, names, plural="outcomes") if names else "none was drained yet"
        raise UnknownName("outcome", name, fix)
    return row


def all_bound(connection: Connection) -> list[Row[Any]]:
    """Every outcome of this ledger, by name."""
    return list(connection.execute(select(outcome).order_by(outcome.c.name)))


def last_use(connection: Connection, name: str, reference: str) -> Row[Any] | None:
    """Version and size of a reference when this outcome last judged by it."""
    query = select(reference_use).where(
        reference_use.c.outcome == name, reference_use.c.reference == reference
    )
    return connection.execute(query).one_or_none()


def used(connection: Connection, name: str, reference: str, version: str, rows: int) -> None:
    """Remember version and size of a reference this outcome has judged by."""
    values = {"version": version, "rows": rows, "used_at": datetime.now(UTC)}
    mine = (reference_use.c.outcome == name) & (reference_use.c.reference == reference)
    if connection.execute(update(reference_use).where(mine).values(**values)).rowcount == 0:
        connection.execute(
            insert(reference_use).values(outcome=name, reference=reference, **values)
        )
