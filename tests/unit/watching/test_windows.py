"""Maintenance windows: once and weekly, past midnight, and on the days clocks are moved."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsintel_dagster.outcome import WeeklyWindow, Window
from opsintel_dagster.watching import is_in_maintenance, maintenance_ends

BERLIN = {"timezone": "Europe/Berlin"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def weekly(days: str, begins: str, ends: str, **changes: Any) -> WeeklyWindow:
    return WeeklyWindow(**{"days": days.split(), "from": begins, "to": ends, **BERLIN, **changes})


ONCE = Window(begins=at("2026-06-01T10:00Z"), ends=at("2026-06-01T12:00Z"))
NIGHT = weekly("fri", "22:00", "02:00")


@pytest.mark.parametrize(
    ("window", "now", "is_inside"),
    [
        (ONCE, "2026-06-01T09:59:59Z", False),
        (ONCE, "2026-06-01T10:00Z", True),
        (ONCE, "2026-06-01T13:59+02:00", True),
        (ONCE, "2026-06-01T12:00Z", False),
        (NIGHT, "2026-06-05T21:59+02:00", False),  # a Friday
        (NIGHT, "2026-06-05T22:00+02:00", True),
        (NIGHT, "2026-06-05T23:59:30Z", True),
        (NIGHT, "2026-06-06T02:00+02:00", False),
        (NIGHT, "2026-06-06T23:00+02:00", False),
        (NIGHT, "2026-06-05T01:00+02:00", False),  # the end of a Thursday
        (weekly("sat", "00:00", "00:00"), "2026-06-06T00:00+02:00", True),
        (weekly("sat", "00:00", "00:00"), "2026-06-06T23:59+02:00", True),
        (weekly("sat", "00:00", "00:00"), "2026-06-07T00:00+02:00", False),
        # 22:00 in winter is an hour later in UTC than in summer.
        (NIGHT, "2026-12-04T20:30Z", False),
        (NIGHT, "2026-12-04T21:30Z", True),
    ],
)
def test_a_moment_lies_in_a_window_or_not(
    window: Window | WeeklyWindow, now: str, *, is_inside: bool
) -> None:
    assert is_in_maintenance([window], at(now)) is is_inside
    assert (maintenance_ends([window], at(now)) is not None) is is_inside


def test_when_the_clock_is_put_back_the_window_lasts_until_it_shows_the_end_again() -> None:
    window = weekly("sat", "22:00", "02:30")  # 2026-10-25 03:00 becomes 02:00
    assert maintenance_ends([window], at("2026-10-24T23:00+02:00")) == at("2026-10-25T01:30Z")
    assert is_in_maintenance([window], at("2026-10-25T02:45+02:00"))


def test_when_the_clock_skips_the_end_the_window_keeps_its_length() -> None:
    window = weekly("sat", "22:00", "02:30")  # 2026-03-29 02:00 becomes 03:00
    assert maintenance_ends([window], at("2026-03-28T23:00+01:00")) == at("2026-03-29T01:30Z")
    skipped = weekly("sun", "02:10", "02:50")
    assert is_in_maintenance([skipped], at("2026-03-29T03:10+02:00"))
    assert maintenance_ends([skipped], at("2026-03-29T03:10+02:00")) == at("2026-03-29T03:50+02:00")


def test_windows_that_touch_end_together() -> None:
    next_one = Window(begins=ONCE.ends, ends=ONCE.ends + timedelta(hours=3))
    assert maintenance_ends([next_one, ONCE], ONCE.begins) == next_one.ends


def test_maintenance_without_an_end_is_looked_ahead_for_so_long_only() -> None:
    every = weekly("mon tue wed thu fri sat sun", "00:00", "00:00")
    ends = maintenance_ends([every], datetime(2026, 6, 1, tzinfo=UTC))
    assert ends is not None
    assert ends - datetime(2026, 6, 1, tzinfo=UTC) < timedelta(days=101)
