"""Cases about what are no rows: files that cannot be read, batches that were given up."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, update

from opsintel_dagster.ledger.cases import (
    THINGS,
    About,
    CaseState,
    case_id,
    find,
    open_rows,
    raise_case,
)
from opsintel_dagster.ledger.tables import case


def about_arrivals(
    connection: Connection,
    outcome: str,
    about: About,
    owner: str,
    names: Sequence[str],
    closed_by: str = "every unreadable file was replaced",
) -> bool:
    """Make the case speak of exactly these unreadable arrivals; true if its state changed.

    It opens for the first one and closes when the last was replaced and no rows are open either.
    """
    return _about(connection, outcome, about, owner, "unreadable", list(names), closed_by)


def about_stopped(
    connection: Connection, outcome: str, about: About, owner: str, reasons: Mapping[str, str]
) -> bool:
    """Make the case speak of exactly what was given up and why; true if its state changed.

    `reasons` is by batch, and by the outcome's own name where all of it has stopped.
    """
    closed_by = "everything that was given up has gone on"
    return _about(connection, outcome, about, owner, "stopped", dict(reasons), closed_by)


def _about(
    connection: Connection,
    outcome: str,
    about: About,
    owner: str,
    fact: str,
    things: list[str] | dict[str, str],
    closed_by: str,
) -> bool:
    identity = case_id(outcome, *about)
    is_opened = bool(things) and raise_case(
        connection,
        outcome,
        about.failure_mode,
        cause=about.cause,
        owner=owner,
        values={},
        judged_by={},
    )
    row = find(connection, identity)
    if row is None:
        return False
    facts = {**row.facts, fact: things}
    changed: dict[str, Any] = {"facts": facts}
    is_over = not any(facts.get(name) for name in THINGS)
    is_closed = row.state == CaseState.OPEN and is_over and open_rows(connection, identity) == 0
    if is_closed:
        changed |= {
            "state": CaseState.CLOSED,
            "closed_at": datetime.now(UTC),
            "closed_by": closed_by,
            "revision": row.revision + 1,
        }
    connection.execute(update(case).where(case.c.id == identity).values(**changed))
    return is_opened or is_closed
