"""Where commands write: what they found on stdout, everything about how it went on stderr."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

MARK_GOOD = "✓"
MARK_BAD = "✗"


def answers() -> Console:
    """Stdout, for people; made anew each time, because tests and pipes exchange the stream."""
    return Console(highlight=False, markup=False, emoji=False)


def messages() -> Console:
    """Stderr, for progress, warnings and errors."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


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
