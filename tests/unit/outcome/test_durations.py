from datetime import timedelta

import pytest

from opsintel_dagster.outcome import DurationError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15m", 900),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("90s", 90),
        ("1d", 86400),
        ("0s", 0),
        ("1.5s", 1.5),
        (" 5m ", 300),
        ("PT15M", 900),
        ("P1D", 86400),
        ("P2W", 1209600),
        ("P1DT2H", 93600),
        ("PT0.1S", 0.1),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("15", "write `15m` for minutes or `15s` for seconds"),
        ("1.5", "has no unit"),
        ("-5m", "negative"),
        ("-PT5M", "negative"),
        ("P1M", "no fixed length"),
        ("P1Y2D", "no fixed length"),
        ("15 minutes", "write it like `15m`"),
        ("30m1h", "not a duration"),
        ("15M", "not a duration"),
        ("P", "not a duration"),
        ("PT", "not a duration"),
        ("", "not a duration"),
        ("999999999999d", "longer than can be counted"),
        ("\u0661\u0665m", "not a duration"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(DurationError, match=r".+; .+") as raised:
        parse_duration(text)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(days=1, hours=2, minutes=30), "1d2h30m"),
        (timedelta(0), "0s"),
        (timedelta(seconds=1.5), "1.5s"),
        (timedelta(minutes=-90), "-1h30m"),
        (timedelta(microseconds=1), "0.000001s"),
    ],
)
def test_durations_are_written_short(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text
