"""Whether and when a failure is tried again: the plan is the failure class's, the bounds declared.

Exponential backoff keeps a dependency that is down from being asked by everybody at once; within a
step the pauses are drawn with full jitter (Brooker, "Exponential Backoff and Jitter", 2015), where
many drains would else come back together. Across runs the sensor's own interval spreads them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from opsintel_dagster.healing.failure import Failure
from opsintel_dagster.outcome import FailureClass

FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)

IN_PLACE: Final = frozenset({FailureClass.TRANSIENT, FailureClass.RATE_LIMITED})
"""Over in seconds, most of the time: tried again where it happened."""

LATER: Final = IN_PLACE | {
    FailureClass.DEPENDENCY_DOWN,
    FailureClass.UNREADABLE,
    FailureClass.UNKNOWN,
}
"""May be over by itself, or be put back: tried again in later runs."""

OF_A_DEPENDENCY: Final = IN_PLACE | {FailureClass.DEPENDENCY_DOWN}
"""Say that the other side cannot serve anybody now, not that it minds these records."""


@dataclass(frozen=True)
class Plan:
    """What comes after a failed attempt; without a time nothing does until somebody decides."""

    next_attempt_at: datetime | None
    why: str


def plan(failure: Failure, attempts: int, most_attempts: int, now: datetime) -> Plan:
    """When to try again what has failed `attempts` times, this one included.

    `Retry-After` is honoured where it asks for more than our own pause, which is 30 s and doubles
    up to 1 h.
    """
    if failure.failure_class not in LATER:
        return Plan(None, f"{failure.failure_class} is not tried again by itself")
    if attempts >= most_attempts:
        return Plan(None, f"all {most_attempts} attempts are spent")
    pause = pause_after(attempts)
    if failure.retry_after is not None and failure.retry_after > pause:
        return Plan(now + failure.retry_after, "the other side says when")
    return Plan(now + pause, f"attempt {attempts} of {most_attempts}")


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: 30 s, doubling, at most 1 h."""
    pause: timedelta = FIRST_PAUSE * 2 ** min(max(failures - 1, 0), 10)
    return min(pause, LONGEST_PAUSE)
