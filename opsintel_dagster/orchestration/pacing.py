"""How soon the same work is tried again: a sensor's cursor, needed for manners, not for truth."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

FIRST_PAUSE_SECONDS: Final = 30.0
LONGEST_PAUSE_SECONDS: Final = 600.0


@dataclass
class Pacing:
    """Which work each outcome was woken for last, how often in a row, and when."""

    _asked: dict[str, tuple[str, int, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> Self:
        """From a cursor; one that cannot be read is as good as none."""
        try:
            known: Any = json.loads(cursor or "{}")
            return cls({name: (str(d), int(n), float(at)) for name, (d, n, at) in known.items()})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def write(self) -> str:
        """As a cursor."""
        return json.dumps(self._asked, separators=(",", ":"))

    def is_due(self, name: str, digest: str, now: datetime) -> bool:
        """Whether this work is new, or was tried long enough ago."""
        known, times, at = self._asked.get(name, ("", 0, 0.0))
        if known != digest:
            return True
        pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(times - 1, 10), LONGEST_PAUSE_SECONDS)
        return now.timestamp() - at >= pause

    def asked(self, name: str, digest: str, now: datetime) -> None:
        """Note that a run was asked for this work."""
        known, times, _ = self._asked.get(name, ("", 0, 0.0))
        self._asked[name] = (digest, times + 1 if known == digest else 1, now.timestamp())

    def forget(self, working: Collection[str]) -> None:
        """Drop every outcome that has nothing to do any more."""
        for name in set(self._asked) - set(working):
            del self._asked[name]
