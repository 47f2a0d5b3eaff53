"""Is a number like those before it? Robust bounds, learned from an outcome's own history.

Medians and median absolute deviations, so that outliers in the history neither hide the next one
nor have to be taken out by hand (Hampel 1974; the cut at 3.5 is that of Iglewicz and Hoaglin, "How
to detect and handle outliers", 1993). What was out of bounds stays in the history: when most of it
looks so, that is what is normal now. Too little history: no bounds, and no alarm.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Final

HISTORY: Final = 90
"""Arrivals that are looked back at."""

LEAST_ARRIVALS: Final = 8
LEAST_OF_A_WEEKDAY: Final = 4

_CUT: Final = 3.5
_MAD_TO_DEVIATION: Final = 1.4826
_LEAST_SPREAD: Final = 0.03
"""Of log counts: nobody is told of less than about a tenth more or less."""
_LEAST_RISE: Final = 0.02
"""Of shares: nobody is told of two percentage points."""
_FALSE_ALARMS: Final = 0.001
"""Of all columns of an arrival together."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number beside what was to be expected; `sample_size` counts the arrivals looked back at."""

    value: float
    baseline: float
    lower: float
    upper: float
    sample_size: int

    @property
    def is_outside(self) -> bool:
        """Whether the number is unlike those before it."""
        return not self.lower <= self.value <= self.upper


def volume_bounds(records: int, weekday: int, history: Sequence[tuple[int, int]]) -> Bounds | None:
    """How many records an arrival of this weekday has; None while there is too little history.

    Judged on logarithms, since volumes differ by factors. A weekday that was seen often enough has
    a median of its own; the spread around the medians is that of all arrivals together.

    Args:
        records: The arrival's.
        weekday: When it became available, 0 to 6.
        history: Weekday and records of the arrivals before.
    """
    if len(history) < LEAST_ARRIVALS:
        return None
    logs = [(day, math.log1p(count)) for day, count in history]
    middle = median(value for _, value in logs)
    of_day: dict[int, list[float]] = {}
    for day, value in logs:
        of_day.setdefault(day, []).append(value)
    medians = {
        day: median(values) for day, values in of_day.items() if len(values) >= LEAST_OF_A_WEEKDAY
    }
    center = medians.get(weekday, middle)
    residuals = [abs(value - medians.get(day, middle)) for day, value in logs]
    lost = max(1, len(medians))
    # Medians of few values lie close to them: the spread found around them is too small.
    spread = _MAD_TO_DEVIATION * median(residuals) * math.sqrt(len(logs) / (len(logs) - lost))
    typical = math.expm1(center)
    spread = max(spread, _LEAST_SPREAD, 1 / math.sqrt(typical + 1))
    seen = len(of_day[weekday]) if weekday in medians else len(logs)
    width = _CUT * (1 + 2 / seen) * spread
    lower, upper = math.expm1(center - width), math.expm1(center + width)
    return Bounds(records, typical, max(0.0, lower), upper, len(history))


def null_rate_bounds(
    empty: int, records: int, history: Sequence[tuple[int, int]], columns: int = 1
) -> Bounds | None:
    """Which share of a column's values is empty; None while there is too little to compare.

    The bounds allow for what varies from arrival to arrival, and for chance where there are few
    records. They are wide enough for all `columns` of an arrival together to be quiet.

    Args:
        empty: Empty values of the arrival.
        records: Its records.
        history: Empty values and records of the arrivals before.
        columns: How many columns are looked at.
    """
    past = [(missing, of) for missing, of in history if of]
    if len(past) < LEAST_ARRIVALS or not records:
        return None
    rates = [missing / of for missing, of in past]
    baseline = median(rates)
    spread = _MAD_TO_DEVIATION * median(abs(rate - baseline) for rate in rates)
    pooled = sum(missing for missing, _ in past) / sum(of for _, of in past)
    chance = min(max(pooled, 1 / (records + 2)), 1 - 1 / (records + 2))
    noise = chance * (1 - chance) / records
    cut = max(_CUT, NormalDist().inv_cdf(1 - _FALSE_ALARMS / (2 * columns)))
    width = max(_LEAST_RISE, cut * math.sqrt(spread**2 + noise))
    return Bounds(
        empty / records, baseline, max(0.0, baseline - width), min(1.0, baseline + width), len(past)
    )
