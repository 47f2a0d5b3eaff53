"""Durations as people write them: `15m`, `1h30m`, `P1D`; and back to text."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from opsintel_dagster.outcome.findings import refusal

_NUMBER: Final = r"(?:[0-9]+(?:\.[0-9]+)?)"
_SHORT = re.compile(
    rf"(?:(?P<d>{_NUMBER})d\s*)?(?:(?P<h>{_NUMBER})h\s*)?(?:(?P<m>{_NUMBER})m\s*)?(?:(?P<s>{_NUMBER})s)?"
)
_ISO = re.compile(
    rf"P(?:(?P<w>{_NUMBER})W)?(?:(?P<d>{_NUMBER})D)?"
    rf"(?:T(?:(?P<h>{_NUMBER})H)?(?:(?P<m>{_NUMBER})M)?(?:(?P<s>{_NUMBER})S)?)?"
)
_MICROSECONDS: Final = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
}
_SHAPE: Final = "write it like `15m`, `2h`, `1h30m`, `90s`, `1d` or `PT15M`"
_MINUTE: Final = timedelta(minutes=1)


class DurationError(ValueError):
    """A text that is no duration; `what` says why and `fix` what to write instead."""

    def __init__(self, what: str, fix: str = _SHAPE) -> None:
        self.what = what
        self.fix = fix
        super().__init__(f"{what}; {fix}")


def parse_duration(text: str) -> timedelta:
    """Read `15m`, `1h30m`, `90s`, `1d` or ISO 8601 (`PT15M`, `P1D`, `P2W`).

    Months and years are refused: they have no fixed length, and a promise must have one.

    Raises:
        DurationError: The text is none of these; the error says what to write.
    """
    stripped = text.strip()
    if re.fullmatch(_NUMBER, stripped):
        raise DurationError(f"`{stripped}` has no unit", _with_units(stripped))
    if re.match(r"-", stripped):
        raise DurationError(f"`{stripped}` is negative", "write a length of time, without a sign")
    match = _SHORT.fullmatch(stripped) or _ISO.fullmatch(stripped)
    parts = {unit: n for unit, n in match.groupdict().items() if n} if match else {}
    if not parts:
        if re.fullmatch(r"P[0-9.YMWD]*[YM][0-9.YMWDTHS]*", stripped):
            raise DurationError(f"`{stripped}` has no fixed length", "write it in days: `30d`")
        raise DurationError(f"`{stripped}` is not a duration")
    microseconds = sum((Decimal(n) * _MICROSECONDS[unit] for unit, n in parts.items()), Decimal(0))
    try:
        return timedelta(microseconds=int(microseconds.to_integral_value()))
    except OverflowError:
        raise DurationError(f"`{stripped}` is longer than can be counted") from None


def format_duration(duration: timedelta) -> str:
    """Write a duration so that `parse_duration` reads the same one: `1d2h30m`, `1.5s`, `0s`.

    A negative one, which only the display of lateness can meet, gets a leading minus.
    """
    sign = "-" if duration < timedelta(0) else ""
    left = abs(duration)
    text = f"{left.days}d" if left.days else ""
    hours, rest = divmod(left.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    text += f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes else ""
    if left.microseconds:
        text += f"{seconds}.{left.microseconds:06d}".rstrip("0") + "s"
    elif seconds or not text:
        text += f"{seconds}s"
    return sign + text


def _with_units(number: str) -> str:
    return f"write `{number}m` for minutes or `{number}s` for seconds"


def _read(value: Any) -> Any:
    """Read what stands in a declaration; pydantic's own reading of bare numbers is refused."""
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise refusal(f"`{format_duration(value)}` is negative", "write a length of time")
        return value
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except DurationError as error:
            raise refusal(error.what, error.fix) from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise refusal(f"`{value}` has no unit", _with_units(f"{value:g}"))
    raise refusal(f"{type(value).__name__} is not a duration", _SHAPE)


def _at_least_a_minute(value: timedelta) -> timedelta:
    if value < _MINUTE:
        raise refusal(
            f"`{format_duration(value)}` is under a minute, and freshness is judged by the minute",
            "write `1m` or more",
        )
    return value


def _more_than_nothing(value: timedelta) -> timedelta:
    if not value:
        raise refusal("`0s` leaves no time at all", "write a length of time, such as `20s`")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["15m", "2h", "1h30m", "PT15M"]}),
]
"""A length of time, zero included."""

PositiveDuration = Annotated[Duration, AfterValidator(_more_than_nothing)]
"""A length of time above zero."""

Deadline = Annotated[Duration, AfterValidator(_at_least_a_minute)]
"""A length of time Dagster can judge freshness by: a minute or more."""
