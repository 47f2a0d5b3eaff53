"""Notices as declared: who is told through which channel, when not, and who is told next."""

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from opsintel_dagster.outcome.declared import Declared
from opsintel_dagster.outcome.durations import PositiveDuration
from opsintel_dagster.outcome.environment import EnvValue, Resolvable
from opsintel_dagster.outcome.findings import Problem, did_you_mean, refusal, refusals
from opsintel_dagster.outcome.masking import mask_url
from opsintel_dagster.outcome.names import Owner

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_MOMENT = "write it with its offset, such as `2026-03-01T22:00:00+01:00` or `…Z`"
_TIME = 'write it in quotes, such as "22:00"'


def _read_moment(value: Any) -> Any:
    """Read a moment; one without an offset would mean another one on each machine."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise refusal(f"`{value[:40]}` is not a moment", _MOMENT) from None
    if not isinstance(value, datetime):
        raise refusal(f"{type(value).__name__} is not a moment", _MOMENT)
    if value.utcoffset() is None:
        raise refusal(f"`{value.isoformat()}` has no time zone", _MOMENT)
    return value


def _read_time(value: Any) -> Any:
    """Read a time of day; YAML makes a number of one that is not in quotes."""
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value.strip())
        except ValueError:
            raise refusal(f"`{value[:40]}` is not a time of day", _TIME) from None
    if not isinstance(value, time):
        raise refusal(f"{type(value).__name__} is not a time of day", _TIME)
    if value.tzinfo is not None:
        raise refusal(f"`{value.isoformat()}` has a time zone", "name the zone in `timezone`")
    return value


def _checked_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        fix = did_you_mean(name, available_timezones(), plural="time zones")
        raise refusal(f"there is no time zone `{name[:40]}`", fix) from None
    return name


Moment = Annotated[datetime, BeforeValidator(_read_moment)]
TimeOfDay = Annotated[time, BeforeValidator(_read_time)]


class Window(Declared):
    """Maintenance that happens once: nobody is told anything new from `begins` until `ends`."""

    begins: Moment
    ends: Moment

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.ends <= self.begins:
            raise refusals(
                [Problem(("ends",), "it ends before it begins", "write a later moment than begins")]
            )
        return self


class WeeklyWindow(Declared):
    """Maintenance of every week, by the clock on the wall of `timezone`.

    Attributes:
        days: The days on which it begins.
        from_: When it begins; written `from`.
        to: When it ends; not later than `from`: on the next day, so that the same time twice is
            a whole day.
        timezone: Whose clock, by its IANA name.
    """

    model_config = ConfigDict(populate_by_name=True)

    days: tuple[Day, ...] = Field(min_length=1)
    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay
    timezone: Annotated[str, AfterValidator(_checked_zone)]

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose clock counts."""
        return ZoneInfo(self.timezone)

    @property
    def crosses_midnight(self) -> bool:
        """Whether it ends on the day after it began."""
        return self.to <= self.from_


_WEEKLY = frozenset({"days", "from", "to", "timezone"})


def _once_or_weekly(value: Any) -> str:
    if isinstance(value, Mapping):
        return "<weekly>" if _WEEKLY.intersection(value) else "<once>"
    return "<weekly>" if isinstance(value, WeeklyWindow) else "<once>"


MaintenanceWindow: TypeAlias = Annotated[
    Annotated[Window, Tag("<once>")] | Annotated[WeeklyWindow, Tag("<weekly>")],
    Discriminator(_once_or_weekly),
]


class Notices(Declared):
    """Who is told what is wrong, through which channels, and who is told next.

    Secrets belong into the environment (`{env: SLACK_URL}`); a URL that is written out is taken,
    and never shown beyond its scheme and host. An owner without a channel is told nothing: the
    notices wait in the outbox, and `opsintel doctor` says so.

    Attributes:
        channels: Apprise URLs of each owner, each a text or `{env: NAME}`; all of them are told.
        fallback: Who is told when nobody acknowledged; None: nobody else.
        escalate_after: How long the owner has to acknowledge before the fallback is told.
        maintenance: When nobody is told anything new; what still stands at the end is told then.
        ping: A dead-man URL that is called at each tick of the watcher, so that somebody outside
            sees when it no longer ticks.
    """

    channels: dict[Owner, tuple[Resolvable, ...]] = Field(default_factory=dict)
    fallback: Owner | None = None
    escalate_after: PositiveDuration = timedelta(minutes=30)
    maintenance: tuple[MaintenanceWindow, ...] = ()
    ping: Resolvable | None = None

    def channels_of(self, owner: str) -> tuple[str | EnvValue, ...]:
        """The URLs through which an owner is told; empty: nobody said how."""
        return self.channels.get(owner, ())

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Show the fields; URLs of channels are secrets as a whole."""
        for name, value in super().__repr_args__():
            if name == "channels":
                yield name, {owner: shown_channels(urls) for owner, urls in value.items()}
            elif name == "ping" and value is not None:
                yield name, shown_channel(self.ping)
            else:
                yield name, value


def shown_channel(value: str | EnvValue | None) -> str:
    """A channel as anybody may see it: a variable by its name, a URL by its scheme and host."""
    if value is None:
        return "—"
    return str(value) if isinstance(value, EnvValue) else mask_url(value)


def shown_channels(values: Iterable[str | EnvValue]) -> list[str]:
    """Channels as anybody may see them, in their order."""
    return [shown_channel(value) for value in values]
