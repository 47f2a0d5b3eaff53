"""What the watcher sees: symptoms that something is not as promised, each with what to do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from opsintel_dagster.ledger.ids import stable_id

CAUSES: Final = ":"
"""Stands in the subject between a failure mode and whose cases of single causes it is about."""


class SymptomKind(StrEnum):
    """What kind of thing is wrong."""

    PROMISE_LATE = "promise_late"
    """A record is older than the promise allows, and has not reached its receiver."""
    FRESHNESS_FAILED = "freshness_failed"
    """Dagster says that an asset is older than its freshness policy allows."""
    CASE_OVERDUE = "case_overdue"
    """A case was not answered in its time."""
    GAVE_UP = "gave_up"
    """A batch or an outcome has spent its attempts; somebody has to decide."""
    BREAKER_OPEN = "breaker_open"
    """A source, reference or receiver is not asked any more, because it fails."""
    SOURCE_SILENT = "source_silent"
    """The source has not made anything available for longer than expected."""
    LAW_BROKEN = "law_broken"
    """Records are unaccounted for."""
    SENSOR_SILENT = "sensor_silent"
    """A sensor does not tick, or only fails."""
    DAEMON_SILENT = "daemon_silent"
    """A daemon of Dagster gives no heartbeat."""
    RUN_STUCK = "run_stuck"
    """A run has started and does not end."""
    NOTICE_FAILING = "notice_failing"
    """A channel takes no notices."""


@dataclass(frozen=True, kw_only=True)
class Symptom:
    """One thing that is wrong now.

    Attributes:
        kind: What kind of thing.
        outcome: Whose promise it endangers; None: it is about the whole installation.
        subject: What it is about: a failure mode, a batch, a sensor; empty where there is one.
        title: What is wrong, in one line.
        detail: What is known: numbers, since when.
        tried: What the system has done about it.
        next_action: The command or click for the person.
        owner: Who is told.
        cost_per_hour: What an hour of it costs.
    """

    kind: SymptomKind
    outcome: str | None
    subject: str
    title: str
    detail: str
    tried: str
    next_action: str
    owner: str
    cost_per_hour: float = 0.0

    @property
    def key(self) -> str:
        """The same as long as it is the same thing, whatever the numbers are by now.

        A dependency that is down is one thing to its owner, however many outcomes use it.
        """
        is_shared = self.kind is SymptomKind.BREAKER_OPEN
        return stable_id(
            "symptom", self.kind, self.owner if is_shared else self.outcome, self.subject
        )

    def facts(self) -> dict[str, Any]:
        """What the ledger keeps of it beside its own columns."""
        return {
            "detail": self.detail,
            "tried": self.tried,
            "next_action": self.next_action,
            "cost_per_hour": self.cost_per_hour,
        }
