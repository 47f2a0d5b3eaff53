"""Keeps what libraries log about URLs out of the logs: most of these URLs are secrets."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final
from urllib.parse import unquote

_TALKERS: Final = (
    "apprise",
    "requests",
    "urllib3",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.util.retry",
)
_SHORTEST_SECRET: Final = 3
_LONGEST_FAILURE: Final = 300


class Overheard(logging.Filter):
    """Lets nothing pass that is logged inside the block, and remembers what Apprise had to say.

    Apprise sends from threads of its own and takes the context along, so the context tells what
    belongs to the block; the logging of everybody else goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep a warning of Apprise as the reason of a failure; nothing of ours is logged."""
        if _hearing.get() is not self:
            return True
        if record.name == "apprise" and record.levelno >= logging.WARNING:
            self.said.append(record.getMessage())
        return False


_hearing: ContextVar[Overheard | None] = ContextVar("_hearing", default=None)


@contextmanager
def overhearing() -> Iterator[Overheard]:
    """Let nothing be logged about URLs in the block, and hear why something failed."""
    overheard = Overheard()
    talkers = [logging.getLogger(name) for name in _TALKERS]
    for talker in talkers:
        talker.addFilter(overheard)
    token = _hearing.set(overheard)
    try:
        yield overheard
    finally:
        _hearing.reset(token)
        for talker in talkers:
            talker.removeFilter(overheard)


def without_secrets(text: str, url: str) -> str:
    """A failure as one line in which no part of the URL stands, except its scheme."""
    written = re.split(r"[/:@?&=#,;+\s]+", url.partition("://")[2] or url)
    parts = {*written, *map(unquote, written)}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET:
            text = text.replace(part, "***")
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_FAILURE else f"{line[: _LONGEST_FAILURE - 1]}…"
