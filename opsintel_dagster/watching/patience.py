"""How long the watcher waits before something counts as wrong."""

from datetime import datetime, timedelta
from typing import Final

CASE_PATIENCE: Final = timedelta(hours=24)
SHORTEST_SILENCE: Final = timedelta(minutes=5)
INTERVALS_OF_SILENCE: Final = 10
DAEMON_PATIENCE: Final = timedelta(minutes=5)
"""A daemon gives a heartbeat every half minute."""

FAILED_TICKS: Final = 3
"""So many failures in a row are no accident."""

FAILED_SENDINGS: Final = 3
_SHORTEST_BREAKER: Final = timedelta(minutes=5)
_LONGEST_BREAKER: Final = timedelta(hours=1)


def case_due_at(opened_at: datetime, within: timedelta) -> datetime:
    """When a case that has no clock of its own should have been answered."""
    return opened_at + max(CASE_PATIENCE, within)


def sensor_patience(interval: timedelta) -> timedelta:
    """How long a sensor may not tick: a few minutes, or many of its intervals."""
    return max(SHORTEST_SILENCE, INTERVALS_OF_SILENCE * interval)


def breaker_patience(within: timedelta) -> timedelta:
    """How long what an outcome depends on may be down: told well before the promise is late."""
    return min(max(_SHORTEST_BREAKER, within / 2), _LONGEST_BREAKER)
