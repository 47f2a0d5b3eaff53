"""Where commands write: what they found on stdout, everything about how it went on stderr."""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

_SIGNS: Final = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}

MARK_GOOD = "✓"
MARK_BAD = "✗"
MARK_ADVICE = "!"


class PlainConsole(Console):
    """Shows text as it is, and control characters in it as signs.

    Names and values of files are shown to people; none may move a cursor or retitle a window.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Signs count when a text is measured, so they stand in it before that."""
        return super().render_str(with_signs(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of a renderable, those from Rich itself untouched."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text.isprintable() or text == "\n":
                yield segment
            else:
                yield Segment(with_signs(text), segment.style)


def with_signs(text: str) -> str:
    """The text with a sign for each control character: ␛ for escape."""
    return text.translate(_SIGNS)


def answers() -> Console:
    """Stdout, for people; made anew each time, because tests and pipes exchange the stream."""
    return PlainConsole()


def messages() -> Console:
    """Stderr, for progress, warnings and errors."""
    return PlainConsole(stderr=True)


def complain(text: str) -> None:
    """Say in one message what is wrong."""
    messages().print(text, style="red", soft_wrap=True)


def write_json(document: Mapping[str, Any]) -> None:
    """Write one JSON document to stdout: times in ISO 8601, durations in seconds."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=_plain) + "\n")


def plain_table(*columns: str) -> Table:
    """A table that needs no lines to be read; numbers go right, so name columns `>records`.

    What stands in the first column is never cut: people type it into the next command.
    """
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
        show_edge=False,
    )
    for place, column in enumerate(columns):
        is_number = column.startswith(">")
        table.add_column(
            column.removeprefix(">"),
            justify="right" if is_number else "left",
            no_wrap=place == 0,
            overflow="fold",
        )
    return table


def _plain(value: object) -> object:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal | bytes):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
