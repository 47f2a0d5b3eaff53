"""Which rules a record may be delivered in spite of."""

from typing import Final

from opsintel_dagster.outcome.names import (
    CRASHED,
    IN_DOUBT,
    READABLE,
    REFUSED_RULE,
    STOPPED,
    UNROUTED,
)

_NEVER: Final = {
    READABLE: "the line cannot be read",
    "arrival.columns": "columns of the contract are missing",
    UNROUTED: "no route takes it",
    REFUSED_RULE: "the receiver does not take it",
    CRASHED: "verification breaks down over it",
    STOPPED: "it is about batches, not records",
    IN_DOUBT: "it is about deliveries, not records",
}
_TYPING: Final = ".coerce"


def obstacle(rule: str) -> str | None:
    """Why nobody can accept a record that breaks the rule; None: it can be delivered all the same.

    What cannot be typed cannot be delivered, whatever anybody decides.
    """
    if rule.endswith(_TYPING):
        return f"a cell is no value of the type of `{rule.removesuffix(_TYPING)}`"
    return _NEVER.get(rule)
