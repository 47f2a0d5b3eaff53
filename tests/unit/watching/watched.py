"""A promise that is late, and whom to tell of it."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from opsintel_dagster.outcome import Notices
from opsintel_dagster.watching import Symptom, SymptomKind

NOW = datetime(2026, 6, 1, 10, tzinfo=UTC)
OWNER = "team:parcels"
FALLBACK = "team:duty"
ESCALATE_AFTER = timedelta(minutes=30)


def late(**changes: Any) -> Symptom:
    return Symptom(
        **{
            "kind": SymptomKind.PROMISE_LATE,
            "outcome": "parcels",
            "subject": "",
            "title": "12 records are late",
            "detail": "The oldest has been waiting since 09:40 UTC.",
            "tried": "4 attempts; the receiver gate does not answer",
            "next_action": "opsintel status parcels",
            "owner": OWNER,
            "cost_per_hour": 600.0,
            **changes,
        }
    )


def notices(**changes: Any) -> Notices:
    channels = {OWNER: ["slack://a/b/c"], FALLBACK: ["mailto://duty.example.com"]}
    return Notices(
        **{
            "channels": channels,
            "fallback": FALLBACK,
            "escalate_after": ESCALATE_AFTER,
            **changes,
        }
    )


def minutes(number: float) -> datetime:
    """So many minutes after NOW."""
    return NOW + timedelta(minutes=number)


@dataclass
class Desk:
    """Answers with the next of `answers`, then with 200; remembers what it took."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    waits: threading.Event | None = None

    def url(self, path: str = "") -> str:
        """The Apprise URL under which it listens."""
        return f"json://127.0.0.1:{self.port}/{path}"
