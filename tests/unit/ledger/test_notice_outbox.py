"""Episodes and notices as rows: one open episode a key, and questions answered from an index."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, select

from opsintel_dagster.ledger import Ledger, episodes, notices
from opsintel_dagster.ledger.notices import NoticeKind, pause_after
from opsintel_dagster.ledger.tables import notice, touch

NOW = datetime(2026, 6, 1, 10, tzinfo=UTC)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    opened = Ledger(database_url)
    opened.migrate()
    yield opened
    opened.close()


def begin(connection: Connection, key: str, at: datetime, outcome: str | None = "o") -> str | None:
    identity = episodes.episode_id(key, at)
    is_begun = episodes.begin(
        connection, identity, key, kind="promise_late", outcome=outcome, subject="x" * 400,
        owner="team:a", title="late", facts={}, began_at=at,
    )  # fmt: skip
    return identity if is_begun else None


def decide(connection: Connection, episode: str, at: datetime, outcome: str | None = "o") -> str:
    identity = notices.notice_id(episode, NoticeKind.BEGUN, 0, "team:a")
    notices.decided(
        connection, identity, outcome=outcome, episode_id=episode, kind=NoticeKind.BEGUN, step=0,
        owner="team:a", title="t", body="b", now=at,
    )  # fmt: skip
    return identity


def test_a_key_has_one_open_episode_and_a_later_one_is_a_new_row(ledger: Ledger) -> None:
    with ledger.write() as connection:
        first = begin(connection, "k", NOW)
        assert first is not None
        assert begin(connection, "k", NOW + timedelta(seconds=1)) is None
        episodes.end(connection, [first], NOW)
        second = begin(connection, "k", NOW + timedelta(minutes=1))
        assert second not in (None, first)
    with ledger.read() as connection:
        assert [row.id for row in episodes.still_open(connection)] == [second]
        assert episodes.still_open(connection, ["other", None]) == []


def test_a_notice_is_decided_once(ledger: Ledger) -> None:
    with ledger.write() as connection:
        episode = str(begin(connection, "k", NOW))
        assert decide(connection, episode, NOW) == decide(connection, episode, NOW)
    with ledger.read() as connection:
        assert len(notices.listing(connection)) == 1


def test_what_concerns_the_installation_is_acknowledged_under_its_own_name(ledger: Ledger) -> None:
    with ledger.write() as connection:
        episode = str(begin(connection, "k", NOW, outcome=None))
        assert episodes.acknowledge(connection, episode, "ada", NOW)
        assert not episodes.acknowledge(connection, episode, "bob", NOW)
        counted = connection.execute(select(touch.c.outcome, touch.c.actor))
        assert [tuple(row) for row in counted] == [("opsintel", "ada")]


def test_an_attempt_of_before_does_not_undo_what_a_later_one_recorded(ledger: Ledger) -> None:
    with ledger.write() as connection:
        identity = decide(connection, str(begin(connection, "k", NOW)), NOW)
        (row,) = notices.due(connection, ["o"], NOW, 10)
        assert notices.claim(connection, row, NOW + timedelta(minutes=2))
        assert not notices.claim(connection, row, NOW + timedelta(minutes=2))
        later = NOW + timedelta(minutes=3)
        (again,) = notices.due(connection, ["o"], later, 10)
        assert notices.claim(connection, again, later + timedelta(minutes=2))
        notices.failed(connection, identity, 1, "too late to count", later)
        assert connection.execute(select(notice.c.failure)).scalar() is None
        notices.sent(connection, identity, ["1 slack://***"], later)
        notices.failed(connection, identity, 2, "the other way round", later)
        assert connection.execute(select(notice.c.state)).scalar() == "sent"


def test_what_a_channel_does_not_take_again_and_again_can_be_asked_for(ledger: Ledger) -> None:
    with ledger.write() as connection:
        identity = decide(connection, str(begin(connection, "k", NOW)), NOW)
        (row,) = notices.due(connection, ["o"], NOW, 10)
        notices.claim(connection, row, NOW)
        assert [row.id for row in notices.failing(connection, 1)] == [identity]
        assert notices.failing(connection, 2) == []


def test_the_pause_doubles_up_to_an_hour() -> None:
    minutes = [pause_after(attempts) / timedelta(minutes=1) for attempts in (1, 2, 3, 6, 7, 10_000)]
    assert minutes == [1, 2, 4, 32, 60, 60]


def test_what_the_watcher_asks_at_each_tick_is_answered_from_an_index(tmp_path: Path) -> None:
    asked: list[tuple[str, Any]] = []
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.migrate()
        with ledger.read() as connection:
            event.listen(
                connection, "before_cursor_execute", lambda *call: asked.append((call[2], call[3]))
            )
            notices.due(connection, ["o", None], NOW, 10)
            episodes.still_open(connection, ["o", None])
            notices.of_episodes(connection, ["a"])
            plans = [
                [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", of)]
                for sql, of in asked.copy()
            ]
    indexes = ("ix_opsintel_notice_due", "uq_opsintel_episode_open", "ix_opsintel_notice_episode")
    for steps, index in zip(plans, indexes, strict=True):
        assert index in steps[0], steps
