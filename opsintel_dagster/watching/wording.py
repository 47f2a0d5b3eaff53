"""What a notice says: what is broken, what it costs, what was tried, and what to do next."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from opsintel_dagster.outcome import format_duration
from opsintel_dagster.watching.symptoms import CAUSES, Symptom

SHORT_ID: Final = 12
"""Enough of a notice's id to acknowledge it by, and to recognise a repetition."""
REPETITION: Final = "This may be a repetition: whoever sent it before died over it."
_LONGEST_TITLE: Final = 160
_LONGEST_TEXT: Final = 2_000
_OF_INSTALLATION: Final = "opsintel"


@dataclass(frozen=True)
class Message:
    """A title of one line, and a body in Markdown that reads well as plain text."""

    title: str
    body: str


def told(
    symptom: Symptom,
    facts: Mapping[str, Any],
    *,
    notice: str,
    began_at: datetime,
    now: datetime,
    unanswered_by: str | None = None,
) -> Message:
    """Write the notice of a symptom.

    Args:
        symptom: What is wrong.
        facts: What the ledger keeps of the outcome's declaration; empty where there is none.
        notice: The id of the notice.
        began_at: Since when.
        now: When it is decided.
        unanswered_by: The owner who did not acknowledge, if this goes to the fallback.
    """
    lasted = now - began_at
    lines = [f"**{_line(symptom.title)}**", ""]
    if unanswered_by is not None:
        lines += [f"{_line(unanswered_by)} was told and has not acknowledged it.", ""]
    if symptom.detail.strip():
        lines += [_text(symptom.detail), ""]
    points = [
        *_promise(facts),
        ("since", f"{_moment(began_at)} ({_length(lasted)})"),
        ("cost", _cost(symptom.cost_per_hour, lasted)),
        ("owner", _line(symptom.owner)),
        ("tried", _text(symptom.tried)),
        ("a person does", _human_step(symptom, facts)),
        ("next", _text(symptom.next_action)),
        ("acknowledge", f"`opsintel notices ack {notice[:SHORT_ID]}`"),
    ]
    lines += [f"- **{label}** {text}" for label, text in points if text]
    about = _line(symptom.title)
    title = f"Unanswered: {about}" if unanswered_by is not None else about
    return Message(_title(symptom.outcome, title), _signed(lines, notice))


def resolved(
    title: str, outcome: str | None, *, notice: str, began_at: datetime, now: datetime
) -> Message:
    """Write that what was told is over."""
    lines = [
        f"**Resolved: {_line(title)}**",
        "",
        f"It is over since {_moment(now)}, after {_length(now - began_at)}. Nothing is to be done.",
    ]
    return Message(_title(outcome, f"Resolved: {_line(title)}"), _signed(lines, notice))


def _signed(lines: list[str], notice: str) -> str:
    """The dedupe key stands in the text: no channel has another place for it that all share."""
    return "\n".join([*lines, "", f"Notice {notice[:SHORT_ID]}"])


def _promise(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if facts.get("promise"):
        within = format_duration(timedelta(seconds=facts["within_seconds"]))
        yield "promise", f"{_line(facts['promise'])} Within {within}."


def _human_step(symptom: Symptom, facts: Mapping[str, Any]) -> str:
    """What a person does about the failure mode the symptom is about, if it is about one."""
    name = symptom.subject.rpartition(".")[2].partition(CAUSES)[0]
    mode = facts.get("failure_modes", {}).get(name)
    if not mode or not mode.get("human_step"):
        return ""
    minutes = mode.get("minutes")
    each = f" ({minutes:g} min a record)" if minutes is not None else ""
    return f"{_line(mode['human_step'])}{each}"


def _cost(per_hour: float, lasted: timedelta) -> str:
    if not per_hour:
        return ""
    so_far = per_hour * lasted.total_seconds() / 3_600
    return f"{per_hour:,.0f} an hour, {so_far:,.0f} so far"


def _title(outcome: str | None, text: str) -> str:
    return f"[{outcome or _OF_INSTALLATION}] {_cut(text, _LONGEST_TITLE)}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _length(lasted: timedelta) -> str:
    """To the minute, which is as exact as anybody looks."""
    minutes = timedelta(minutes=max(lasted, timedelta(0)) // timedelta(minutes=1))
    return format_duration(minutes) if minutes else "under 1m"


def _line(text: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in " ".join(text.split()))


def _text(text: str) -> str:
    lines = (_line(line) for line in text.strip().splitlines())
    return _cut("\n".join(lines), _LONGEST_TEXT)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
