"""Does it heal itself? Measured from the failed attempts the ledger keeps, never typed in.

A trouble is one or more failed attempts of the same batch, or of a stage as a whole, from the first
one until it went on. It was healed if nobody had to decide anything in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

BY_ITSELF: Final = "drain"
"""Who settles attempts that nobody had to decide about."""

REGRET_WITHIN: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One thing that went wrong, until it was over.

    `cause` is what makes two of them the same again: stage, failure class, dependency. `due_at` is
    when the promise of the oldest record in it was broken; None: no record was known to wait.
    """

    outcome: str
    cause: tuple[str, ...]
    began_at: datetime
    settled_at: datetime | None
    settled_by: str | None
    attempts: int
    due_at: datetime | None

    @property
    def is_healed(self) -> bool:
        """Whether it is over, and nobody had to do anything for it."""
        return self.settled_at is not None and self.settled_by == BY_ITSELF


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What came of the troubles of some time.

    `regret` counts those that were healed and came back for the same cause within a day; `early` of
    `dated` were noted before the promise was broken. Seconds are None where nothing was healed.
    """

    troubles: int
    healed: int
    by_people: int
    open: int
    regret: int
    early: int
    dated: int
    median_seconds_to_heal: float | None
    longest_seconds_to_heal: float | None


def measure(troubles: Sequence[Trouble]) -> Measures:
    """Count them."""
    healed = [one for one in troubles if one.is_healed]
    seconds = [(one.settled_at - one.began_at).total_seconds() for one in healed if one.settled_at]
    dated = [one for one in troubles if one.due_at is not None]
    still_open = sum(one.settled_at is None for one in troubles)
    return Measures(
        troubles=len(troubles),
        healed=len(healed),
        by_people=len(troubles) - len(healed) - still_open,
        open=still_open,
        regret=sum(_came_back(one, troubles) for one in healed),
        early=sum(one.due_at is not None and one.began_at <= one.due_at for one in dated),
        dated=len(dated),
        median_seconds_to_heal=median(seconds) if seconds else None,
        longest_seconds_to_heal=max(seconds, default=None),
    )


def _came_back(one: Trouble, troubles: Sequence[Trouble]) -> bool:
    over = one.settled_at
    return over is not None and any(
        other.outcome == one.outcome
        and other.cause == one.cause
        and over < other.began_at <= over + REGRET_WITHIN
        for other in troubles
    )
