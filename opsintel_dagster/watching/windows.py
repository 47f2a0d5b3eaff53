"""When maintenance is, and until when, in a world that moves its clocks twice a year."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from opsintel_dagster.outcome import MaintenanceWindow, WeeklyWindow, Window

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOST_IN_A_ROW: Final = 100
"""Windows that follow each other without a gap may do so for ever."""


def is_in_maintenance(windows: Iterable[MaintenanceWindow], now: datetime) -> bool:
    """Whether `now` lies in one of the windows; the moment a window ends lies outside of it."""
    return bool(_ends(windows, now))


def maintenance_ends(windows: Sequence[MaintenanceWindow], now: datetime) -> datetime | None:
    """When the maintenance `now` lies in is over, windows that overlap or touch taken together.

    None: `now` lies in no window.
    """
    until: datetime | None = None
    here = now
    for _ in range(_MOST_IN_A_ROW):
        ends = _ends(windows, here)
        if not ends:
            break
        until = here = max(ends)
    return until


def _ends(windows: Iterable[MaintenanceWindow], now: datetime) -> list[datetime]:
    """When each window that `now` lies in ends."""
    return [
        ends
        for window in windows
        for begins, ends in _around(window, now.astimezone(UTC))
        if begins <= now < ends
    ]


def _around(window: MaintenanceWindow, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The times a window is open around `now`."""
    if isinstance(window, Window):
        yield window.begins, window.ends
    else:
        yield from _weekly(window, now)


def _weekly(window: WeeklyWindow, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """A window that began today or yesterday, by its own clock.

    It begins when the clock first shows `from`, and ends when it last shows `to`. A time that the
    clock skips is where it would have been had the clock gone on.
    """
    zone = window.zone
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        if _DAYS[day.weekday()] in window.days:
            last = day + timedelta(days=1) if window.crosses_midnight else day
            begins = _instant(datetime.combine(day, window.from_), zone, fold=0)
            earlier, later = (
                _instant(datetime.combine(last, window.to), zone, fold=fold) for fold in (0, 1)
            )
            yield begins, max(earlier, later)


def _instant(wall: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    """The instant at which a clock in the zone shows this time, before or after it is moved."""
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
