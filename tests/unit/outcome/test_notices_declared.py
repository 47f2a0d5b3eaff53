"""Who is told, through what and when not: as YAML says it, and what is wrong with it."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome import (
    Defaults,
    EnvValue,
    Notices,
    Outcome,
    WeeklyWindow,
    Window,
    declaration_fingerprint,
)
from opsintel_dagster.outcome.masking import mask_url

SLACK = "slack://T0SECRET/B0SECRET/xSECRETx"
WEEKLY = {"days": ["sat"], "from": "22:00", "to": "02:00", "timezone": "Europe/Berlin"}


def findings_of(data: dict[str, Any]) -> str:
    with pytest.raises(DeclarationError) as raised:
        Outcome(**data)
    return "\n".join(str(finding) for finding in raised.value.findings)


def test_what_yaml_says_is_what_python_says(declare: Any) -> None:
    written = {
        "channels": {"team:ops": [{"env": "SLACK_URL"}, "mailto://ops.example.com"]},
        "fallback": "duty@example.com",
        "escalate_after": "45m",
        "maintenance": [
            WEEKLY,
            {"begins": "2026-03-01T22:00:00+01:00", "ends": "2026-03-02T01:00:00Z"},
        ],
        "ping": {"env": "PING_URL"},
    }
    built = Notices(
        channels={"team:ops": (EnvValue(env="SLACK_URL"), "mailto://ops.example.com")},
        fallback="duty@example.com",
        escalate_after=timedelta(minutes=45),
        maintenance=(
            WeeklyWindow(days=("sat",), from_=time(22), to=time(2), timezone="Europe/Berlin"),
            Window(
                begins=datetime(2026, 3, 1, 21, tzinfo=UTC),
                ends=datetime(2026, 3, 2, 1, tzinfo=UTC),
            ),
        ),
        ping=EnvValue(env="PING_URL"),
    )
    assert Outcome(**declare(notices=written)).notices == built
    assert built.maintenance[0].crosses_midnight  # type: ignore[union-attr]
    assert built.channels_of("team:nobody") == ()


def test_house_channels_stay_where_an_outcome_says_something_of_its_own(declare: Any) -> None:
    house = Defaults(
        name="house", notices={"channels": {"team:ops": [SLACK]}, "maintenance": [WEEKLY]}
    )
    outcome = Outcome(**declare(extends=[house], notices={"fallback": "team:duty"}))
    assert outcome.notices.channels == {"team:ops": (SLACK,)}
    assert outcome.notices.fallback == "team:duty"
    assert outcome.notices.maintenance == (WeeklyWindow(**WEEKLY),)


@pytest.mark.parametrize(
    ("notices", "finding"),
    [
        ({"channels": {"ops": [SLACK]}}, "write `team:ops` or an address"),
        ({"channels": {"team:ops": SLACK}}, "this value is not a list; write a list"),
        ({"channels": {"team:ops": [" "]}}, "channels.team:ops[0]: this is empty"),
        ({"channels": {"team:ops": [7]}}, "this value is not a text; write a text"),
        ({"channels": {"team:ops": [{"env": "A B"}]}}, "is not the name of an environment var"),
        ({"fallback": "somebody else"}, "write `team:somebody-else`"),
        ({"escalate_after": "0s"}, "escalate_after: `0s` leaves no time at all"),
        ({"escalate_after": 30}, "write `30m` for minutes"),
        ({"ping": 5}, "ping: this value is not a text"),
        ({"chanels": {}}, "chanels: there is no field `chanels`; write `channels`"),
        ({"maintenance": [{"begins": "2026-03-01T22:00"}]}, "has no time zone; write it with its"),
        ({"maintenance": [{"begins": "tonight"}]}, "begins: `tonight` is not a moment"),
        ({"maintenance": [{"begins": "2026-03-01T22:00Z"}]}, "maintenance[0].ends: is missing"),
        (
            {"maintenance": [{"begins": "2026-03-01T22:00Z", "ends": "2026-03-01T22:00Z"}]},
            "maintenance[0].ends: it ends before it begins",
        ),
        (
            {"maintenance": [{**WEEKLY, "from": 1320}]},
            "from: int is not a time of day; write it in q",
        ),
        ({"maintenance": [{**WEEKLY, "to": "25:00"}]}, "to: `25:00` is not a time of day"),
        ({"maintenance": [{**WEEKLY, "to": "02:00Z"}]}, "name the zone in `timezone`"),
        ({"maintenance": [{**WEEKLY, "days": []}]}, "maintenance[0].days: this is empty"),
        ({"maintenance": [{**WEEKLY, "days": ["saturday"]}]}, "days[0]: `saturday` is not one of"),
        ({"maintenance": [{**WEEKLY, "timezone": "Europe/Belin"}]}, "write `Europe/Berlin`"),
        ({"maintenance": [{**WEEKLY, "form": "22:00"}]}, "no field `form`; write `from`"),
    ],
)
def test_each_mistake_says_where_it_is_and_what_to_write(
    declare: Any, notices: dict[str, Any], finding: str
) -> None:
    found = findings_of(declare(notices=notices))
    assert finding in found
    assert "SECRET" not in found


def test_no_part_of_a_channel_is_shown(declare: Any) -> None:
    notices = {"channels": {"team:ops": [SLACK]}, "ping": "https://hc.example.com/SECRET"}
    shown = repr(Outcome(**declare(notices=notices)))
    assert "SECRET" not in shown
    assert "slack://***" in shown
    assert "https://hc.example.com/***" in shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (SLACK, "slack://***"),
        ("https://hooks.example.com:8443/T/SECRET?x=SECRET", "https://hooks.example.com:8443/***"),
        ("json://127.0.0.1:80", "json://127.0.0.1:80/***"),
        ("json://user:SECRET@host/path", "json://***"),
        ("json://user:SEC/RET@host", "json://***"),
        ("mailto://ops:SECRET@example.com", "mailto://***"),
        ("SECRET", "***"),
    ],
)
def test_a_url_is_shown_by_scheme_and_host(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_who_is_told_changes_no_verdict(declare: Any) -> None:
    told = declare(notices={"fallback": "team:duty"})
    assert declaration_fingerprint(Outcome(**told), "c") == declaration_fingerprint(
        Outcome(**declare()), "c"
    )
