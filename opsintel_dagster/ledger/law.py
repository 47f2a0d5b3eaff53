"""What the law of conservation said last about an outcome: whether every record was found.

Counting the places takes a drain. Who asks later how an outcome stands gets the last answer from
here; it is written when it changes, never at every drain.
"""

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import Connection, func, select

from opsintel_dagster.ledger import entries
from opsintel_dagster.ledger.tables import entry

SUBJECT = "conservation"


class Verdict(StrEnum):
    """The kinds of entries about it."""

    HOLDS = "law holds"
    BROKEN = "law broken"


def broken(connection: Connection, outcomes: Sequence[str]) -> dict[str, str]:
    """Those of the outcomes whose records were not all found, with what was said about it."""
    newest = (
        select(func.max(entry.c.id))
        .where(entry.c.outcome.in_(outcomes), entry.c.subject == SUBJECT)
        .group_by(entry.c.outcome)
    )
    query = select(entry.c.outcome, entry.c.reason).where(
        entry.c.id.in_(newest), entry.c.kind == Verdict.BROKEN
    )
    return {row.outcome: row.reason for row in connection.execute(query)}


def note(connection: Connection, outcome: str, actor: str, verdict: Verdict, reason: str) -> None:
    """Keep what the count of this drain came to."""
    entries.append(connection, outcome, actor, verdict, SUBJECT, reason)
