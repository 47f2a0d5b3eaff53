"""What a person started by hand is a touch: once a run of Dagster, and once a drain.

Imports no Dagster: `opsintel drain` counts here, too.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, select

from opsintel_dagster.ledger import Ledger, entries
from opsintel_dagster.ledger.tables import outcome as bound
from opsintel_dagster.ledger.tables import touch

MANUAL_RUN: Final = "manual run"
BY_HAND: Final = "drain by hand"

DEMO_TAG: Final = "opsintel/demo"
"""On the runs of `opsintel demo`, which stand in for those of the sensors."""

_NOT_BY_HAND: Final = (
    "opsintel/healed_by",
    DEMO_TAG,
    "dagster/sensor_name",
    "dagster/schedule_name",
    "dagster/backfill",
    "dagster/auto_materialize",
    "dagster/from_automation_condition",
)
"""A run with one of these tags was started by something, or is a re-execution of such a one."""

_PARENT_TAG: Final = "dagster/parent_run_id"
_RETRY_TAG: Final = "dagster/retry_number"

_USER_TAG: Final = "user"
"""Who started a run, where Dagster knows it; its open-source UI asks nobody for a name."""

SOMEBODY: Final = "somebody in Dagster"


def is_by_hand(tags: Mapping[str, str]) -> bool:
    """Whether a person started the run with these tags.

    A re-execution takes over who started its parent; it is a person's, unless Dagster's own retry
    has numbered it.
    """
    if _PARENT_TAG in tags:
        return _RETRY_TAG not in tags
    return not any(tag in tags for tag in _NOT_BY_HAND)


def count_run(ledger: Ledger, outcome: str, run_id: str, tags: Mapping[str, str]) -> None:
    """Count the run as one touch of the outcome, however many of its stages say so.

    Nothing is asked where something else started it. The outcome must be bound: its row keeps two
    steps of one run apart, which PostgreSQL would let count side by side.
    """
    if not is_by_hand(tags):
        return
    with ledger.read() as connection:
        is_new = not _is_counted(connection, outcome, run_id)
    if is_new:
        with ledger.write() as connection:
            connection.execute(
                select(bound.c.name).where(bound.c.name == outcome).with_for_update()
            )
            if not _is_counted(connection, outcome, run_id):
                actor = tags.get(_USER_TAG) or SOMEBODY
                entries.touched(connection, outcome, actor[:200], MANUAL_RUN, run_id)


def count_drain(ledger: Ledger, outcome: str, actor: str) -> None:
    """Count a drain that somebody started from the command line."""
    with ledger.write() as connection:
        entries.touched(connection, outcome, actor[:200], BY_HAND, outcome)


def _is_counted(connection: Connection, outcome: str, run_id: str) -> bool:
    query = select(touch.c.id).where(
        touch.c.outcome == outcome, touch.c.kind == MANUAL_RUN, touch.c.subject == run_id
    )
    return connection.execute(query.limit(1)).first() is not None
