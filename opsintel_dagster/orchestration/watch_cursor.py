"""What the watcher remembers from tick to tick: manners, and where it has read up to.

Nothing that is true depends on it. A cursor that is lost or garbled starts anew: what is missed is
missed from now on, and changes of freshness are read from now on.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from opsintel_dagster.orchestration.pacing import Pacing

AWAY: Final = timedelta(minutes=5)
"""Who has not looked for so long begins to miss anew: everything was silent together."""


@dataclass
class WatchCursor:
    """What one tick leaves to the next.

    `freshness` is the storage id of the last change of freshness that was read; `missed` says since
    when something gives no sign of life, `begun` since when a source is watched, and `beats` what
    the heartbeat of a run stood at, and since when.
    """

    freshness: int | None = None
    at: float | None = None
    measured: float | None = None
    pacing: Pacing = field(default_factory=Pacing)
    missed: dict[str, float] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)
    beats: dict[str, tuple[str, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str | None, now: datetime) -> Self:
        """From a sensor's cursor; one that cannot be read is as good as none."""
        try:
            known: Any = json.loads(text or "{}")
            found = cls(
                freshness=int(known["freshness"]) if "freshness" in known else None,
                at=float(known["at"]) if "at" in known else None,
                measured=float(known["measured"]) if "measured" in known else None,
                pacing=Pacing.read(json.dumps(known.get("pacing", {}))),
                missed={str(key): float(at) for key, at in known.get("missed", {}).items()},
                begun={str(key): float(at) for key, at in known.get("begun", {}).items()},
                beats={
                    str(key): (str(mark), float(at))
                    for key, (mark, at) in known.get("beats", {}).items()
                },
            )
        except (ValueError, TypeError, AttributeError, KeyError):
            return cls()
        if found.at is None or now.timestamp() - found.at > AWAY.total_seconds():
            found.missed.clear()
            found.beats.clear()
        return found

    def write(self, now: datetime) -> str:
        """As a sensor's cursor."""
        document: dict[str, Any] = {
            "at": now.timestamp(),
            "pacing": json.loads(self.pacing.write()),
            "missed": self.missed,
            "begun": self.begun,
            "beats": self.beats,
        }
        if self.freshness is not None:
            document["freshness"] = self.freshness
        if self.measured is not None:
            document["measured"] = self.measured
        return json.dumps(document, separators=(",", ":"))

    def missed_since(self, key: str, now: datetime) -> datetime:
        """Since when this is missed; from now on if it was not missed before."""
        return datetime.fromtimestamp(self.missed.setdefault(key, now.timestamp()), UTC)

    def begun_at(self, name: str, now: datetime) -> datetime:
        """Since when the source of an outcome is watched that has never had an arrival."""
        return datetime.fromtimestamp(self.begun.setdefault(name, now.timestamp()), UTC)

    def stood_since(self, run_id: str, mark: str, now: datetime) -> datetime:
        """Since when the heartbeat of a run stands at `mark`."""
        known, at = self.beats.get(run_id, (None, 0.0))
        if known != mark:
            self.beats[run_id] = (mark, now.timestamp())
            return now
        return datetime.fromtimestamp(at, UTC)

    def forget_runs(self, still_long: Collection[str]) -> None:
        """Drop the runs that are over."""
        for run_id in set(self.beats) - set(still_long):
            del self.beats[run_id]
