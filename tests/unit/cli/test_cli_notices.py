"""What was told to whom, who knows of it, and whether channels work."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from scenario import Operation
from sqlalchemy import select
from typer.testing import Result

from opsintel_dagster.ledger import Ledger
from opsintel_dagster.ledger.tables import entry, touch
from opsintel_dagster.outcome import Notices
from opsintel_dagster.settings import Settings
from opsintel_dagster.watching import Symptom, SymptomKind, put_decided, send_due

Run = Callable[..., Result]
Answer = Callable[..., Any]
NONE_STANDS = "No notice of anything that still stands.\n"


def late(subject: str, title: str) -> Symptom:
    return Symptom(
        kind=SymptomKind.PROMISE_LATE,
        outcome="parcels",
        subject=subject,
        title=title,
        detail="",
        tried="",
        next_action="opsintel status parcels",
        owner="team:parcels",
    )


def tell(root: Path, *symptoms: Symptom, now: datetime | None = None) -> None:
    """What the watcher does in a tick; nobody has a channel."""
    at = now or datetime.now(UTC)
    with Ledger(Settings.below(root).ledger_url) as ledger:
        with ledger.write() as connection:
            put_decided(connection, symptoms, {"parcels": Notices()}, at)
        send_due(ledger, {"parcels": Notices()}, Nobody(), at)


class Nobody:
    """There is no channel, so nothing is ever sent."""

    within_seconds = 1.0

    def send(self, url: str, title: str, body: str) -> str | None:
        raise AssertionError((url, title, body))


@pytest.fixture
def told(drained: Operation) -> Path:
    tell(drained.root, late("a", "12 records are late"), late("b", "A batch " + "waits " * 20))
    return drained.root


@pytest.mark.usefixtures("told")
def test_what_stands_is_listed_in_eighty_columns_and_with_why_it_was_not_sent(
    opsintel: Run, answer: Answer
) -> None:
    shown = opsintel("notices", "list").stdout
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "[parcels] 12 records are late" in shown
    assert "has no channel" in shown
    listed = answer("notices", "list", "parcels")["notices"]
    assert {(one["state"], one["owner"], one["symptom"]) for one in listed} == {
        ("decided", "team:parcels", "promise_late")
    }
    assert answer("notices", "list", "depots") == {"notices": []}


@pytest.mark.usefixtures("told")
def test_acknowledging_is_a_touch_with_an_entry_and_is_done_once(
    opsintel: Run, answer: Answer, told: Path
) -> None:
    identity = one_of(answer("notices", "list")["notices"], "12 records")["notice"]
    first = opsintel("notices", "ack", identity[:12], "--as", "ada")
    assert first.exit_code == 0
    assert first.stdout == "ada knows of it: 12 records are late. Nobody else is told.\n"
    second = opsintel("notices", "ack", identity, "--as", "bob")
    assert second.exit_code == 1
    assert second.stdout.startswith("ada did already, ")
    with Ledger(Settings.below(told).ledger_url) as ledger, ledger.read() as connection:
        kept = connection.execute(select(touch.c.actor).where(touch.c.kind == "acknowledged"))
        assert list(kept.scalars()) == ["ada"]
        query = select(entry.c.actor, entry.c.reason).where(entry.c.kind == "acknowledged")
        assert [tuple(row) for row in connection.execute(query)] == [("ada", "12 records are late")]
    assert "ack ada" in opsintel("notices", "list").stdout


@pytest.mark.usefixtures("told")
def test_an_episode_can_be_acknowledged_by_its_own_id(opsintel: Run, answer: Answer) -> None:
    one = one_of(answer("notices", "list")["notices"], "12 records")
    result = opsintel("notices", "ack", one["episode"][:10], "--json")
    document = json.loads(result.stdout)
    assert document["acknowledged"] is True
    assert document["episode"] == one["episode"]


@pytest.mark.usefixtures("told")
def test_an_unknown_notice_says_which_there_are(opsintel: Run, answer: Answer) -> None:
    there = answer("notices", "list")["notices"][0]["notice"][:12]
    result = opsintel("notices", "ack", "zzz")
    assert result.exit_code == 1
    assert "there is no notice `zzz` here; there are " in result.stderr
    assert there in result.stderr


@pytest.mark.usefixtures("drained")
def test_where_nothing_stands_that_is_said(opsintel: Run) -> None:
    assert opsintel("notices", "list").stdout == NONE_STANDS
    assert "none still stands" in opsintel("notices", "ack", "zzz").stderr


def test_what_is_over_is_listed_on_request(told: Path, opsintel: Run) -> None:
    with Ledger(Settings.below(told).ledger_url) as ledger, ledger.write() as connection:
        connection.exec_driver_sql("UPDATE opsintel_notice SET next_attempt_at = NULL")
        connection.exec_driver_sql("UPDATE opsintel_episode SET over_at = last_seen_at")
    assert opsintel("notices", "list").stdout == NONE_STANDS
    shown = opsintel("notices", "list", "--all").stdout
    assert "12 records are late" in shown
    assert "over" in shown


CHANNELS_MODULE = """
from scenario import depots, parcels
from opsintel_dagster import build_defs

channels = {{"team:parcels": ["json://127.0.0.1:{port}/SECRET"], "team:duty": [{{"env": "PAGER"}}]}}
defs = build_defs([parcels(notices={{"channels": channels}}), depots()], location="tests")
"""


@pytest.mark.usefixtures("operation")
def test_every_channel_of_an_outcome_is_tried_and_shown_masked(
    root: Path, opsintel: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def send(_: object, url: str, title: str, body: str) -> str | None:
        sent.append(f"{url} {title} {body}")
        return "busy" if "pager" in url else None

    monkeypatch.setattr("opsintel_dagster.watching.AppriseSender.send", send)
    (root / "definitions.py").write_text(CHANNELS_MODULE.format(port=7))
    monkeypatch.delenv("PAGER", raising=False)
    result = opsintel("notices", "test", "parcels", "-m", "definitions")
    assert result.exit_code == 1
    assert "✓  team:parcels  json://127.0.0.1:7/***  took it" in result.stdout
    assert "✗  team:duty  $PAGER  PAGER: the environment variable is not set" in result.stdout
    assert "SECRET" not in result.stdout
    monkeypatch.setenv("PAGER", "pagerduty://x")
    document = json.loads(opsintel("notices", "test", "parcels", "--json").stdout)
    assert [one["failure"] for one in document["channels"]] == [None, "busy"]
    assert len(sent) == 3
    assert "[parcels] A test" in sent[0]
    nothing = opsintel("notices", "test", "depots")
    assert nothing.exit_code == 1
    assert "depots has no channel" in nothing.stdout


def one_of(listed: Sequence[dict[str, Any]], title: str) -> dict[str, Any]:
    (found,) = [one for one in listed if title in one["title"]]
    return found
