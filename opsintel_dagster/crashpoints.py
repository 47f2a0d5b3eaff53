"""Named points of the drain at which a process may die, so that tests can kill it there.

In production `reached` does nothing. The fault tests put a function into `on_reached` that stops
the process and lets the parent kill it; the names are the contract between the two.
"""

from collections.abc import Callable
from typing import Final

CRASH_POINTS: Final = (
    "claim.read",
    "claim.written",
    "claim.registered",
    "verify.begun",
    "verify.written",
    "verify.registered",
    "route.begun",
    "route.written",
    "route.registered",
    "deliver.begun",
    "deliver.intent",
    "deliver.staged",
    "deliver.sent",
    "deliver.refused",
    "deliver.receipt",
    "deliver.confirmed",
    "deliver.closed",
    "decide.written",
    "decide.registered",
    "replay.begun",
    "replay.written",
    "replay.registered",
)

on_reached: Callable[[str], None] | None = None


def reached(point: str) -> None:
    """Tell the fault tests, where there are any, that the drain has come to `point`."""
    if on_reached is not None:
        on_reached(point)
