"""Decided, sent, recorded: nothing is swallowed, and a crash costs at most one repetition."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Row
from watched import FALLBACK, NOW, OWNER, Desk, late, minutes, notices

from opsintel_dagster.ledger import Ledger, bindings, episodes
from opsintel_dagster.ledger import notices as outbox
from opsintel_dagster.ledger.notices import NoticeState
from opsintel_dagster.outcome import EnvValue, Notices
from opsintel_dagster.watching import (
    AppriseSender,
    SendReport,
    Symptom,
    SymptomKind,
    put_decided,
    send_due,
)

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What the database has no part in is tried on one of them."""


class Died(BaseException):
    """The process is gone; nothing catches this."""


@dataclass
class Phone:
    """A sender that keeps what it sent, and may answer or die as told."""

    answers: dict[str, Any] = field(default_factory=dict)
    sent: list[tuple[str, str]] = field(default_factory=list)
    within_seconds: float = 1.0
    dies_at: str = ""

    def send(self, url: str, _title: str, body: str) -> str | None:
        answer = self.answers.get(url)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            self.sent.append((url, body))
            if url == self.dies_at:
                raise Died
        return answer

    def urls(self) -> list[str]:
        return [url for url, _ in self.sent]


def put(
    ledger: Ledger, now: datetime, *symptoms: Symptom, declared: Notices | None = None
) -> dict[str | None, Notices]:
    of = {symptom.outcome for symptom in symptoms} or {"parcels"}
    everything: dict[str | None, Notices] = dict.fromkeys(of, declared or notices())
    with ledger.write() as connection:
        put_decided(connection, symptoms, everything, now)
    return everything


def listed(ledger: Ledger) -> list[Row[Any]]:
    with ledger.read() as connection:
        return outbox.listing(connection, with_past=True)


def test_a_channel_that_fails_is_tried_again_until_it_takes_the_notice(
    ledger: Ledger, desk: Desk
) -> None:
    desk.answers = [500, 500]
    channel = desk.url("a-secret-path")
    declared = put(ledger, NOW, late(), declared=notices(channels={OWNER: [channel]}))
    sender = AppriseSender()
    assert send_due(ledger, declared, sender, NOW) == SendReport(failed=1)
    (row,) = listed(ledger)
    assert (row.state, row.attempts) == (NoticeState.FAILED, 1)
    assert "error=500" in row.failure
    assert "a-secret-path" not in row.failure
    assert send_due(ledger, declared, sender, minutes(0.9)) == SendReport()
    assert send_due(ledger, declared, sender, minutes(2)) == SendReport(failed=1)
    assert send_due(ledger, declared, sender, minutes(3.9)) == SendReport()
    assert send_due(ledger, declared, sender, minutes(5)) == SendReport(sent=1)
    assert send_due(ledger, declared, sender, minutes(500)) == SendReport()
    (taken,) = desk.taken
    assert taken["title"] == "[parcels] 12 records are late"
    assert f"opsintel notices ack {row.id[:12]}" in taken["message"]
    (row,) = listed(ledger)
    assert (row.state, row.attempts, row.failure) == (NoticeState.SENT, 3, None)
    assert minutes(5) <= row.sent_at < minutes(6)


def test_who_dies_between_sent_and_recorded_costs_one_repetition_under_the_same_key(
    ledger: Ledger,
) -> None:
    declared = put(ledger, NOW, late())
    (row,) = listed(ledger)
    with pytest.raises(Died):
        send_due(ledger, declared, Phone(dies_at="slack://a/b/c"), NOW)
    (claimed,) = listed(ledger)
    assert (claimed.state, claimed.attempts) == (NoticeState.SENDING, 1)
    phone = Phone()
    assert send_due(ledger, declared, phone, minutes(0.5)) == SendReport()  # somebody may be at it
    assert send_due(ledger, declared, phone, minutes(5)) == SendReport(sent=1)
    assert send_due(ledger, declared, phone, minutes(50)) == SendReport()
    ((_, body),) = phone.sent
    assert row.id[:12] in body
    assert "This may be a repetition" in body


def test_two_processes_do_not_both_send(ledger: Ledger, database_url: str) -> None:
    declared = put(ledger, NOW, *(late(subject=str(number)) for number in range(6)))
    phone, together = Phone(), Barrier(2)

    def send() -> SendReport:
        with Ledger(database_url) as mine:
            together.wait()
            return send_due(mine, declared, phone, NOW)

    with ThreadPoolExecutor(2) as threads:
        reports = [one.result() for one in [threads.submit(send) for _ in range(2)]]
    assert sum(report.sent for report in reports) == 6
    assert len({body for _, body in phone.sent}) == len(phone.sent) == 6


def test_two_processes_that_see_the_same_thing_at_once_open_one_episode(
    ledger: Ledger, database_url: str
) -> None:
    together = Barrier(2)

    def see(number: int) -> None:
        with Ledger(database_url) as mine:
            together.wait()
            put(mine, NOW + timedelta(seconds=number), late())

    with ThreadPoolExecutor(2) as threads:
        for one in [threads.submit(see, number) for number in range(2)]:
            one.result()
    with ledger.read() as connection:
        assert len(episodes.still_open(connection)) == 1
    assert len(listed(ledger)) == 1


@on_sqlite
def test_a_channel_that_took_it_is_not_sent_it_again_when_another_failed(ledger: Ledger) -> None:
    channels = {OWNER: ["slack://one/secret", "pagerduty://two/secret", "msteams://three/secret"]}
    declared = put(ledger, NOW, late(), declared=notices(channels=channels))
    phone = Phone(answers={"pagerduty://two/secret": "busy"})
    assert send_due(ledger, declared, phone, NOW) == SendReport(failed=1)
    (row,) = listed(ledger)
    assert row.failure == "channel 2 pagerduty://***: busy"
    assert "secret" not in str(row.accepted)
    phone.answers = {}
    assert send_due(ledger, declared, phone, minutes(2)) == SendReport(sent=1)
    assert sorted(phone.urls()) == sorted(channels[OWNER])


@on_sqlite
def test_who_dies_among_several_channels_repeats_the_last_one_only(ledger: Ledger) -> None:
    channels = {OWNER: ["slack://one", "pagerduty://two", "msteams://three"]}
    declared = put(ledger, NOW, late(), declared=notices(channels=channels))
    phone = Phone(dies_at="pagerduty://two")
    with pytest.raises(Died):
        send_due(ledger, declared, phone, NOW)
    phone.dies_at = ""
    assert send_due(ledger, declared, phone, minutes(5)) == SendReport(sent=1)
    assert phone.urls() == ["slack://one", "pagerduty://two", "pagerduty://two", "msteams://three"]


@on_sqlite
def test_a_symptom_of_an_outcome_nobody_declared_is_one_episode_that_waits(ledger: Ledger) -> None:
    for now in (NOW, minutes(1)):
        with ledger.write() as connection:
            put_decided(connection, [late(outcome=None)], {"parcels": notices()}, now)
    with ledger.read() as connection:
        (episode,) = episodes.still_open(connection)
    assert episode.last_seen_at == minutes(1)
    assert [row.state for row in listed(ledger)] == [NoticeState.DECIDED]


@on_sqlite
def test_a_sender_that_raises_is_a_failure_whose_text_is_not_kept(ledger: Ledger) -> None:
    declared = put(ledger, NOW, late())
    phone = Phone(answers={"slack://a/b/c": ValueError("slack://a/b/c")})
    assert send_due(ledger, declared, phone, NOW) == SendReport(failed=1)
    assert listed(ledger)[0].failure == "channel 1 slack://***: ValueError"


@on_sqlite
def test_an_unset_variable_is_a_failure_that_names_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLACK_URL", raising=False)
    channels = {OWNER: [EnvValue(env="SLACK_URL")]}
    declared = put(ledger, NOW, late(), declared=notices(channels=channels))
    assert send_due(ledger, declared, Phone(), NOW) == SendReport(failed=1)
    assert "channel 1 $SLACK_URL: SLACK_URL: the environment variable" in listed(ledger)[0].failure
    monkeypatch.setenv("SLACK_URL", "slack://x/y/z")
    phone = Phone()
    assert send_due(ledger, declared, phone, minutes(2)) == SendReport(sent=1)
    assert phone.urls() == ["slack://x/y/z"]


@on_sqlite
def test_an_owner_without_a_channel_is_told_when_there_is_one(ledger: Ledger) -> None:
    declared = put(ledger, NOW, late(), declared=Notices())
    assert send_due(ledger, declared, Phone(), NOW) == SendReport(without_channel=1)
    (row,) = listed(ledger)
    assert (row.state, row.attempts) == (NoticeState.DECIDED, 0)
    assert row.failure.startswith("owner team:parcels has no channel")
    assert send_due(ledger, {"parcels": notices()}, Phone(), minutes(5.1)) == SendReport(sent=1)


@on_sqlite
def test_what_still_stands_is_told_however_late_there_is_a_channel(ledger: Ledger) -> None:
    declared = put(ledger, NOW, late(), declared=Notices())
    send_due(ledger, declared, Phone(), NOW)
    report = send_due(ledger, {"parcels": notices()}, Phone(), minutes(48 * 60))
    assert report == SendReport(sent=1)


@on_sqlite
def test_what_nobody_could_be_told_while_it_mattered_is_withdrawn_with_its_end(
    ledger: Ledger,
) -> None:
    declared = put(ledger, NOW, late(), declared=Notices())
    send_due(ledger, declared, Phone(), NOW)
    put(ledger, minutes(10), declared=Notices())
    phone = Phone()
    assert send_due(ledger, {"parcels": notices()}, phone, minutes(24 * 60)) == SendReport(
        withdrawn=1
    )
    assert send_due(ledger, {"parcels": notices()}, phone, minutes(48 * 60)) == SendReport()
    assert phone.sent == []
    assert {row.state for row in listed(ledger)} == {NoticeState.WITHDRAWN}


def test_that_it_is_over_is_told_after_that_it_began(ledger: Ledger) -> None:
    declared = put(ledger, NOW, late())
    phone = Phone(answers={"slack://a/b/c": "busy"})
    send_due(ledger, declared, phone, NOW)
    put(ledger, minutes(10))
    phone.answers = {}
    for now in (minutes(10), minutes(11)):
        assert send_due(ledger, declared, phone, now) == SendReport(sent=1)
    bodies = [body.splitlines()[0] for _, body in phone.sent]
    assert bodies == ["**12 records are late**", "**Resolved: 12 records are late**"]


@on_sqlite
def test_what_is_down_for_another_code_location_too_is_its_episode_as_well(ledger: Ledger) -> None:
    down = {"kind": SymptomKind.BREAKER_OPEN, "subject": "receiver gate"}
    put(ledger, NOW, late(**down))
    declared = put(ledger, minutes(1), late(**down, outcome="letters"))
    with ledger.read() as connection:
        (episode,) = episodes.still_open(connection)
    assert (episode.outcome, episode.last_seen_at) == ("letters", minutes(1))
    with ledger.write() as connection:
        assert put_decided(connection, [], declared, minutes(9)).over
    assert sorted(row.kind for row in listed(ledger)) == ["begun", "resolved"]


@on_sqlite
def test_notices_of_another_code_location_are_left_to_it(ledger: Ledger) -> None:
    put(ledger, NOW, late(), late(outcome=None, subject="daemon"))
    assert send_due(ledger, {"others": notices()}, Phone(), NOW) == SendReport()
    assert send_due(ledger, {None: notices()}, Phone(), NOW) == SendReport(sent=1)


@on_sqlite
def test_the_fallback_is_told_who_did_not_answer_and_what_the_outcome_promises(
    ledger: Ledger,
) -> None:
    facts = {"promise": "Every parcel arrives.", "within_seconds": 900.0, "failure_modes": {}}
    with ledger.write() as connection:
        bindings.bind(connection, "parcels", "here", "d", facts)
    put(ledger, NOW, late())
    declared = put(ledger, minutes(30), late())
    phone = Phone()
    assert send_due(ledger, declared, phone, minutes(30)) == SendReport(sent=2)
    by_url = dict(phone.sent)
    text = by_url["mailto://duty.example.com"]
    assert f"{OWNER} was told and has not acknowledged it." in text
    assert "- **promise** Every parcel arrives. Within 15m." in text
    assert "- **since** 2026-06-01 10:00 UTC (30m)" in text
    assert "- **cost** 600 an hour, 300 so far" in text
    row = next(row for row in listed(ledger) if row.owner == FALLBACK)
    assert row.title == "[parcels] Unanswered: 12 records are late"


@on_sqlite
def test_a_channel_that_fails_is_tried_once_at_a_time_and_keeps_nobody_waiting(
    ledger: Ledger,
) -> None:
    others = late(subject="z", owner=FALLBACK)
    declared = put(ledger, NOW, *(late(subject=str(number)) for number in range(5)), others)
    phone = Phone(answers={"slack://a/b/c": "busy"})
    assert send_due(ledger, declared, phone, NOW) == SendReport(sent=1, failed=1, left=4)
    phone.answers = {}
    assert send_due(ledger, declared, phone, minutes(0.5)) == SendReport(sent=4)
    assert send_due(ledger, declared, phone, minutes(2)) == SendReport(sent=1)


@on_sqlite
def test_a_send_that_has_no_time_left_leaves_the_rest_for_the_next_tick(ledger: Ledger) -> None:
    declared = put(ledger, NOW, late(), late(subject="another"))
    report = send_due(ledger, declared, Phone(), NOW, within_seconds=-1)
    assert report == SendReport(left=2)
    assert send_due(ledger, declared, Phone(), NOW) == SendReport(sent=2)
