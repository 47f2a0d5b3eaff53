"""Does it run itself? Measured from the ledger, never typed in, and without Dagster.

A record is untouched when it never was in quarantine. Minutes are apart by how they are known:
those that people said, those that the human step of a failure mode stands for, and those that
what lies open now would still cost.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from opsintel_dagster.ledger import autonomy

MOST_PERIODS: Final = 14
"""So many are read at a glance, in one line of a terminal."""
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Period:
    """A stretch of time; records belong to the one they were claimed in.

    `minutes` are known, `estimated` ones the human step's; `untimed` touches have neither.
    """

    begins_at: datetime
    received: int = 0
    through: int = 0
    quarantined: int = 0
    touches: int = 0
    minutes: float = 0.0
    estimated: float = 0.0
    untimed: int = 0

    @property
    def share_untouched(self) -> float | None:
        """Of what came through; None while nothing did."""
        return 1 - self.quarantined / self.through if self.through else None

    @property
    def minutes_per_1000(self) -> float | None:
        """Minutes that people said they spent, per 1,000 records received."""
        return self.minutes * 1000 / self.received if self.received else None

    @property
    def estimated_per_1000(self) -> float | None:
        """Minutes that the human steps stand for, per 1,000 records received."""
        return self.estimated * 1000 / self.received if self.received else None


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One failure mode: `records` came into quarantine within the time, `open` lie there now.

    `minutes` is what the human step of the failure mode would take for all these records,
    `open_minutes` for those that lie open; None: nobody declared what a record takes.
    """

    failure_mode: str
    records: int
    open: int
    minutes: float | None
    open_minutes: float | None


@dataclass(frozen=True, kw_only=True)
class Autonomy:
    """One outcome over some time: `whole` is all of it, `trend` its periods, oldest first.

    `causes` come with the costliest first; `kinds` counts the touches by what was done.
    """

    outcome: str
    whole: Period
    trend: tuple[Period, ...]
    causes: tuple[Cause, ...]
    kinds: Mapping[str, int]

    @property
    def open_minutes(self) -> float:
        """What lies open now would cost people."""
        return sum(cause.open_minutes or 0.0 for cause in self.causes)


def read(
    connection: Connection, outcomes: Sequence[Row[Any]], now: datetime, days: int
) -> list[Autonomy]:
    """Measure the outcomes, as the ledger binds them, over so many days; in four queries."""
    names = [row.name for row in outcomes]
    begins = periods(now, days)
    found = {name: [Period(begins_at=begin) for begin in begins] for name in names}
    for row in autonomy.received(connection, names, begins):
        found[row.outcome][row.period] = replace(
            found[row.outcome][row.period], received=int(row.received), through=int(row.through)
        )
    came: dict[str, Counter[str]] = {name: Counter() for name in names}
    for row in autonomy.quarantined(connection, names, begins):
        period = found[row.outcome][row.period]
        found[row.outcome][row.period] = replace(
            period, quarantined=period.quarantined + int(row.through)
        )
        came[row.outcome][row.failure_mode] += int(row.records)
    lying: dict[str, dict[str, int]] = {name: {} for name in names}
    for row in autonomy.lying(connection, names):
        lying[row.outcome][row.failure_mode] = int(row.records)
    kinds: dict[str, Counter[str]] = {name: Counter() for name in names}
    for row in autonomy.touches(connection, names, begins):
        period = found[row.outcome][row.period]
        found[row.outcome][row.period] = replace(
            period,
            touches=period.touches + row.touches,
            minutes=period.minutes + row.minutes,
            estimated=period.estimated + row.estimated,
            untimed=period.untimed + row.untimed,
        )
        kinds[row.outcome][row.kind] += row.touches
    return [
        Autonomy(
            outcome=row.name,
            whole=together(found[row.name]),
            trend=tuple(found[row.name]),
            causes=causes(row.facts.get("failure_modes", {}), came[row.name], lying[row.name]),
            kinds=dict(kinds[row.name].most_common()),
        )
        for row in outcomes
    ]


def periods(now: datetime, days: int) -> list[datetime]:
    """The beginnings of the periods, oldest first: days, weeks, or as few as can be looked at.

    The last one ends now and all are equally long, so that they compare; only the first may be
    shorter, where the days do not fill it.
    """
    width = _DAY if days <= MOST_PERIODS else _WEEK
    if days * _DAY > MOST_PERIODS * width:
        width = _DAY * -(-days // MOST_PERIODS)
    count = -(-days * _DAY // width)
    first = now - days * _DAY
    return [max(first, now - place * width) for place in range(count, 0, -1)]


def together(parts: Sequence[Period]) -> Period:
    """Several periods, or the same one of several outcomes, as one."""
    return Period(
        begins_at=min(part.begins_at for part in parts),
        received=sum(part.received for part in parts),
        through=sum(part.through for part in parts),
        quarantined=sum(part.quarantined for part in parts),
        touches=sum(part.touches for part in parts),
        minutes=sum(part.minutes for part in parts),
        estimated=sum(part.estimated for part in parts),
        untimed=sum(part.untimed for part in parts),
    )


def causes(
    modes: Mapping[str, Mapping[str, Any]], came: Mapping[str, int], lying: Mapping[str, int]
) -> tuple[Cause, ...]:
    """The failure modes by what they cost, those without a human step by their records."""
    found = []
    for name in {*came, *lying}:
        records, still_open = came.get(name, 0), lying.get(name, 0)
        if not records and not still_open:
            continue
        each = modes.get(name, {}).get("minutes")
        found.append(
            Cause(
                failure_mode=name,
                records=records,
                open=still_open,
                minutes=None if each is None else each * records,
                open_minutes=None if each is None else each * still_open,
            )
        )
    return tuple(
        sorted(found, key=lambda one: (-(one.minutes or 0.0), -one.records, one.failure_mode))
    )
