"""The notice outbox: decided in one transaction, then sent, then recorded.

A notice that was sent and not recorded, because somebody died in between, is sent once more under
the same id; nothing is ever sent less than once, and no failure ends the trying.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row

from opsintel_dagster.errors import OpsintelError
from opsintel_dagster.ledger import Ledger, bindings, episodes, notices
from opsintel_dagster.ledger.notices import NoticeKind, NoticeState
from opsintel_dagster.outcome import EnvValue, resolve, shown_channel
from opsintel_dagster.watching.channels import Sender
from opsintel_dagster.watching.escalation import (
    Decisions,
    Declared,
    Episode,
    Telling,
    Told,
    decide,
)
from opsintel_dagster.watching.symptoms import Symptom
from opsintel_dagster.watching.wording import REPETITION, Message, resolved, told

MOST_AT_ONCE: Final = 1_000
LOOK_AGAIN_AFTER: Final = timedelta(minutes=5)
"""How soon a channel that was missing is looked for again."""
WITHDRAWN_AFTER: Final = timedelta(days=1)
_RECORDING_SECONDS: Final = 60.0


@dataclass(frozen=True)
class SendReport:
    """What came of the notices that were due; `left` have to wait for the next time."""

    sent: int = 0
    failed: int = 0
    without_channel: int = 0
    withdrawn: int = 0
    left: int = 0


def put_decided(
    connection: Connection, symptoms: Iterable[Symptom], declared: Declared, now: datetime
) -> Decisions:
    """Decide what begins, is over and has to be told, and write it in this transaction."""
    seen = list(symptoms)
    looked_at = {*declared, *(symptom.outcome for symptom in seen)}
    found = episodes.still_open(connection, looked_at, {symptom.key for symptom in seen})
    rows = {row.id: row for row in found}
    decisions = decide(_episodes(connection, rows), seen, declared, now)
    refused = set()
    for episode, symptom in decisions.begun:
        is_mine = episodes.begin(
            connection,
            episode.id,
            episode.key,
            kind=symptom.kind,
            outcome=symptom.outcome,
            subject=symptom.subject,
            owner=symptom.owner,
            title=symptom.title,
            facts=symptom.facts(),
            began_at=episode.began_at,
        )
        if not is_mine:  # another process was faster, and tells it
            refused.add(episode.id)
    known = ((one.id, one.outcome, symptom.facts()) for one, symptom in decisions.seen)
    episodes.seen(connection, known, now)
    episodes.end(connection, [one.id for one in decisions.over], now)
    for telling in decisions.tellings:
        if telling.episode.id not in refused:
            _put(connection, telling, rows.get(telling.episode.id), now)
    return decisions


def _episodes(connection: Connection, rows: dict[str, Row[Any]]) -> list[Episode]:
    told_of: dict[str, list[Told]] = {}
    for row in notices.of_episodes(connection, list(rows)):
        one = Told(NoticeKind(row.kind), row.step, row.owner, row.decided_at)
        told_of.setdefault(row.episode_id, []).append(one)
    return [
        Episode(
            id=row.id,
            key=row.key,
            outcome=row.outcome,
            owner=row.owner,
            began_at=row.began_at,
            last_seen_at=row.last_seen_at,
            is_acknowledged=row.acknowledged_at is not None,
            told=tuple(told_of.get(row.id, ())),
        )
        for row in rows.values()
    ]


def _put(connection: Connection, telling: Telling, row: Row[Any] | None, now: datetime) -> None:
    message = _message(connection, telling, row, now)
    notices.decided(
        connection,
        telling.id,
        outcome=telling.episode.outcome,
        episode_id=telling.episode.id,
        kind=telling.kind,
        step=telling.step,
        owner=telling.owner,
        title=message.title,
        body=message.body,
        now=now,
    )


def _message(
    connection: Connection, telling: Telling, row: Row[Any] | None, now: datetime
) -> Message:
    episode = telling.episode
    if telling.symptom is None:
        title = row.title if row is not None else ""
        return resolved(
            title, episode.outcome, notice=telling.id, began_at=episode.began_at, now=now
        )
    bound = bindings.bound(connection, episode.outcome) if episode.outcome else None
    return told(
        telling.symptom,
        {} if bound is None else bound.facts,
        notice=telling.id,
        began_at=episode.began_at,
        now=now,
        unanswered_by=episode.owner if telling.step else None,
    )


def send_due(
    ledger: Ledger,
    declared: Declared,
    sender: Sender,
    now: datetime,
    *,
    within_seconds: float = 20.0,
    limit: int = MOST_AT_ONCE,
) -> SendReport:
    """Send what is due to the owners of the declared outcomes, and record what came of it.

    Where something failed, nothing more is sent this time: a channel that hangs takes from the
    others no more than one attempt.

    Args:
        ledger: Where the outbox is.
        declared: The channels of each outcome; notices of others are left to their code location.
        sender: What gets a message to people.
        now: When this begins.
        within_seconds: After this no further notice is begun.
        limit: How many are looked at.
    """
    started = time.monotonic()
    counts = dict.fromkeys(("sent", "failed", "without_channel", "withdrawn", "left"), 0)
    with ledger.read() as connection:
        due = notices.due(connection, declared, now, limit)
    failing: set[tuple[str | EnvValue, ...]] = set()
    for row in due:
        elapsed = time.monotonic() - started
        channels = declared[row.outcome].channels_of(row.owner)
        if elapsed > within_seconds or channels in failing:
            counts["left"] += 1
            continue
        result = _handle(ledger, row, channels, sender, now + timedelta(seconds=elapsed))
        if result is not None:
            counts[result] += 1
        if result == "failed":
            failing.add(channels)
    return SendReport(**counts)


def _handle(
    ledger: Ledger,
    row: Row[Any],
    channels: Sequence[str | EnvValue],
    sender: Sender,
    now: datetime,
) -> str | None:
    """What came of one notice; None if another process has it."""
    had_no_channel = row.attempts == 0 and row.failure is not None
    if had_no_channel and row.over_at is not None and now - row.decided_at >= WITHDRAWN_AFTER:
        with ledger.write() as connection:
            notices.withdraw(connection, row, f"{row.owner} had no channel while it mattered")
        return "withdrawn"
    if not channels:
        reason = f"owner {row.owner} has no channel; declare one below `notices.channels`"
        with ledger.write() as connection:
            notices.unsendable(connection, row.id, reason, now + LOOK_AGAIN_AFTER)
        return "without_channel"
    may_take = sender.within_seconds * len(channels) + _RECORDING_SECONDS
    with ledger.write() as connection:
        if not notices.claim(connection, row, now + timedelta(seconds=may_take)):
            return None
    return _send(ledger, row, channels, sender, now)


def _send(
    ledger: Ledger,
    row: Row[Any],
    channels: Sequence[str | EnvValue],
    sender: Sender,
    now: datetime,
) -> str:
    """Send it through each channel that has not taken it yet; every one must."""
    is_repetition = row.state == NoticeState.SENDING
    body = f"{row.body}\n{REPETITION}" if is_repetition else row.body
    accepted = list(row.accepted)
    failures = []
    for number, channel in enumerate(channels, start=1):
        name = f"{number} {shown_channel(channel)}"
        if name in accepted:
            continue
        failure = send_through(sender, channel, row.title, body)
        if failure is not None:
            failures.append(f"channel {name}: {failure}")
            continue
        accepted.append(name)
        if number < len(channels):
            with ledger.write() as connection:
                notices.accepted(connection, row.id, accepted)
    with ledger.write() as connection:
        if failures:
            notices.accepted(connection, row.id, accepted)
            notices.failed(connection, row.id, row.attempts + 1, "; ".join(failures), now)
        else:
            notices.sent(connection, row.id, accepted, now)
    return "failed" if failures else "sent"


def send_through(sender: Sender, channel: str | EnvValue, title: str, body: str) -> str | None:
    """Send one message through one channel; None if it was accepted, else why not."""
    try:
        return sender.send(resolve(channel), title, body)
    except OpsintelError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  # a notice is never swallowed, and ends no tick
        return type(error).__name__  # its text may hold the URL
