"""`opsintel notices`: what was told to whom, who knows of it, and whether channels work."""

from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text
from sqlalchemy import Connection, Row

from opsintel_dagster.cli.console import MARK_BAD, MARK_GOOD, answers, plain_table, write_json
from opsintel_dagster.cli.opened import bound_outcomes, opened_ledger
from opsintel_dagster.cli.release import user
from opsintel_dagster.cli.wording import age, counted, moment, short
from opsintel_dagster.errors import UnknownName
from opsintel_dagster.ledger import episodes, notices
from opsintel_dagster.ledger.notices import NoticeKind, NoticeState
from opsintel_dagster.settings import Settings

MOST_NAMED: Final = 5
_STYLES: Final = {NoticeState.SENT: "green", NoticeState.FAILED: "red"}


def list_notices(outcomes: list[str], *, with_past: bool, as_json: bool) -> None:
    """Show notices, the newest first; without the past those that still stand or are unsent.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: the ledger knows no such outcome.
    """
    with opened_ledger(Settings.from_env()) as ledger, ledger.read() as connection:
        named = [row.name for row in bound_outcomes(connection, outcomes)] if outcomes else None
        found = notices.listing(connection, named, with_past=with_past)
    if as_json:
        write_json({"notices": [_document(row) for row in found]})
        return
    if not found:
        answers().print("No notice." if with_past else "No notice of anything that still stands.")
        return
    now = datetime.now(UTC)
    table = plain_table("notice", ">age", "state", "who is told, of what")
    for row in found:
        state = Text.assemble((row.state, _STYLES.get(row.state, "yellow")), "\n", _standing(row))
        about = Text.assemble((row.owner, "dim"), "\n", row.title)
        if row.failure:
            about.append(f"\n{row.failure}", style="red")
        table.add_row(short(row.id), age((now - row.decided_at).total_seconds()), state, about)
    answers().print(table)
    answers().print("\nSay that you know of it: opsintel notices ack NOTICE", style="dim")


def acknowledge(name: str, actor: str | None, *, as_json: bool) -> bool:
    """Say that somebody knows of it, so that nobody else is told; false if somebody already did.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: there is no such notice, or the beginning of an id fits several.
    """
    who = actor or user()
    with opened_ledger(Settings.from_env()) as ledger, ledger.write() as connection:
        identity = _episode_of(connection, name)
        is_first = episodes.acknowledge(connection, identity, who, datetime.now(UTC))
        episode = episodes.find(connection, identity)
    if as_json:
        write_json(
            {
                "episode": episode.id,
                "title": episode.title,
                "acknowledged": is_first,
                "acknowledged_by": episode.acknowledged_by,
                "acknowledged_at": episode.acknowledged_at,
            }
        )
    elif is_first:
        answers().print(f"{who} knows of it: {episode.title}. Nobody else is told.", soft_wrap=True)
    else:
        by, at = episode.acknowledged_by, moment(episode.acknowledged_at)
        answers().print(f"{by} did already, {at}: {episode.title}", soft_wrap=True)
    return is_first


def try_channels(outcome: str, *, module: str | None, as_json: bool) -> bool:
    """Send a message to every channel of an outcome; true if all of them took it.

    Raises:
        UnknownName: the module declares no such outcome.
        SettingsError: there is no such module.
    """
    # Declarations cost a second or two to load: only who sends something pays it.
    from opsintel_dagster.orchestration.declarations import load_outcome
    from opsintel_dagster.outcome import shown_channel
    from opsintel_dagster.watching import AppriseSender
    from opsintel_dagster.watching.outbox import send_through

    compiled = load_outcome(Settings.from_env().root, outcome, module)
    body = f"A test of this channel by {user()}. Nothing is wrong, nothing is to be done."
    results = []
    for owner, channels in compiled.outcome.notices.channels.items():
        for channel in channels:
            failure = send_through(AppriseSender(), channel, f"[{outcome}] A test", body)
            one = {"owner": owner, "channel": shown_channel(channel), "failure": failure}
            results.append(one)
            if not as_json:
                _show_tested(one)
    is_fine = bool(results) and not any(one["failure"] for one in results)
    if as_json:
        write_json({"ok": is_fine, "channels": results})
    elif not results:
        answers().print(
            f"{outcome} has no channel; declare one below `notices.channels`", soft_wrap=True
        )
    return is_fine


def _show_tested(one: dict[str, Any]) -> None:
    mark = (MARK_BAD, "bold red") if one["failure"] else (MARK_GOOD, "green")
    text = one["failure"] or "took it"
    line = Text.assemble(mark, "  ", (one["owner"], "bold"), f"  {one['channel']}  {text}")
    answers().print(line, soft_wrap=True)


def _episode_of(connection: Connection, name: str) -> str:
    """The episode of the notice a person means: its id, or the beginning of one."""
    found = notices.find(connection, name) if name else []
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownName("single notice", name, "several ids begin so; write more of it")
    standing = notices.listing(connection, limit=MOST_NAMED)
    there = ", ".join(f"`{short(row.id)}` ({row.title})" for row in standing)
    raise UnknownName("notice", name, f"there are {there}" if there else "none still stands")


def _standing(row: Row[Any]) -> str:
    """What became of what it tells."""
    if row.kind == NoticeKind.RESOLVED or row.over_at is not None:
        return "over"
    if row.acknowledged_at is not None:
        return f"ack {row.acknowledged_by}"
    return counted(row.attempts, "attempt") if row.state == NoticeState.FAILED else "open"


def _document(row: Row[Any]) -> dict[str, Any]:
    document = dict(row._mapping)
    del document["accepted"]
    return {**document, "notice": document.pop("id"), "episode": document.pop("episode_id")}
