"""What each stage of a drain did and what is open now, as plain values.

The stages know nothing of Dagster; the assets turn these into metadata and check results, the CLI
into tables. Counts are of records unless the name says otherwise; times are aware and in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

import polars as pl

from opsintel_dagster.orchestration.downstream import Downstream
from opsintel_dagster.orchestration.troubles import Troubles
from opsintel_dagster.verification.baselines import Bounds
from opsintel_dagster.verification.drift import Drift

PROBLEMS_TOLD: Final = 3


class Stage(StrEnum):
    """The five steps of a drain, in the order in which records pass them."""

    ARRIVALS = "arrivals"
    VERIFIED = "verified"
    ROUTED = "routed"
    DELIVERED = "delivered"
    PROMISE = "promise"


@dataclass(frozen=True, kw_only=True)
class StageReport:
    """What all reports share.

    `skipped` says why the stage did nothing at all (another drain holds the lease), `stopped` why
    the outcome attempts nothing until somebody decides; `failures` names, per batch or arrival,
    what went wrong with it while the others went on. `downstream` is what waits, where an arrival
    is held or may be; `troubles` are all that hold the outcome back now.
    """

    outcome: str
    skipped: str | None = None
    stopped: str | None = None
    troubles: Troubles = field(default_factory=Troubles)
    downstream: Downstream | None = None
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ArrivalSymptoms:
    """One arrival beside those before it.

    `volume` is None while there is too little history; so is a column not in `null_rates`. `held`
    are the rules because of which none of its records goes on.
    """

    name: str
    drifts: tuple[Drift, ...]
    volume: Bounds | None
    null_rates: Mapping[str, Bounds]
    held: tuple[str, ...] = ()

    @property
    def unusual_rates(self) -> dict[str, Bounds]:
        """The columns that are empty more or less often than they are."""
        return {name: one for name, one in self.null_rates.items() if one.is_outside}

    def found(self) -> set[str]:
        """Which symptoms it has: `drift`, `volume`, `null_rate`."""
        has = {
            "drift": bool(self.drifts),
            "volume": self.volume is not None and self.volume.is_outside,
            "null_rate": bool(self.unusual_rates),
        }
        return {name for name, is_there in has.items() if is_there}

    def says(self) -> list[str]:
        """Every symptom in a sentence of its own."""
        said = [str(one) for one in self.drifts]
        if self.volume is not None and self.volume.is_outside:
            low, high = round(self.volume.lower), round(self.volume.upper)
            said.append(f"{self.volume.value:,.0f} records, expected {low:,} to {high:,}")
        said += [
            f"{name} is {rate.value:.1%} empty, expected {rate.lower:.1%} to {rate.upper:.1%}"
            for name, rate in self.unusual_rates.items()
        ]
        return said


@dataclass(frozen=True, kw_only=True)
class ArrivalsReport(StageReport):
    """Arrivals claimed from the source in this drain.

    `seen` = `claimed` + `duplicates` + `unreadable`; a correction is a claimed arrival that
    supersedes another one. `unsettled` files are left for the next drain. `symptoms` are those of
    the claimed arrivals, in order.
    """

    seen: int = 0
    claimed: int = 0
    corrections: int = 0
    duplicates: int = 0
    unreadable: Mapping[str, str] = field(default_factory=dict)
    unsettled: int = 0
    batches: int = 0
    records: int = 0
    problems: Mapping[str, int] = field(default_factory=dict)
    symptoms: tuple[ArrivalSymptoms, ...] = ()
    source_down: str | None = None


@dataclass(frozen=True, kw_only=True)
class VerifiedReport(StageReport):
    """Verdicts of this drain, and what is open now for every rule of the contract.

    `broken` and `warned` count records per rule in this drain; `open_by_rule` counts the records
    that lie in quarantine now. `held` are the arrivals that lie there as a whole, also of earlier
    drains, with the rules that hold them. `waiting` names what each waiting batch waits for.
    `amended` counts the records that each amendment has changed, and `unamended` says why one could
    not be applied.
    """

    batches: int = 0
    received: int = 0
    verified: int = 0
    quarantined: int = 0
    unchanged: int = 0
    superseded: int = 0
    held: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held_names: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, int] = field(default_factory=dict)
    warned: Mapping[str, int] = field(default_factory=dict)
    amended: Mapping[str, int] = field(default_factory=dict)
    unamended: Mapping[str, str] = field(default_factory=dict)
    open_by_rule: Mapping[str, int] = field(default_factory=dict)
    cases: tuple["OpenCase", ...] = ()
    waiting: Mapping[str, str] = field(default_factory=dict)
    replayed: int = 0
    sample: pl.DataFrame | None = None


@dataclass(frozen=True, kw_only=True)
class OpenCase:
    """An open question, as the quarantine asset and `opsintel cases` show it."""

    id: str
    name: str
    failure_mode: str
    cause: str
    episode: int
    owner: str
    rows: int
    values: Mapping[str, int]
    opened_at: datetime
    last_seen_at: datetime
    more_causes: str = ""
    """Of the case about causes that have none of their own: how many they are, in words."""


@dataclass(frozen=True, kw_only=True)
class RoutedReport(StageReport):
    """Where the decision table sent the records of this drain; `unrouted` were taken by no rule."""

    batches: int = 0
    records: int = 0
    by_route: Mapping[str, int] = field(default_factory=dict)
    by_rule: Mapping[str, int] = field(default_factory=dict)
    unrouted: int = 0
    open_unrouted: int = 0


@dataclass(frozen=True, kw_only=True)
class DeliveredReport(StageReport):
    """What receivers confirmed in this drain.

    `refused` records went to quarantine. `data_version` is the set of closed batches, hashed: it
    changes exactly when a batch closes.
    """

    closed: int = 0
    delivered: int = 0
    no_action: int = 0
    refused: int = 0
    by_route: Mapping[str, int] = field(default_factory=dict)
    guarantees: Mapping[str, str] = field(default_factory=dict)
    unconfirmed: int = 0
    data_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Conservation:
    """The law: every record that arrived is in exactly one place.

    Each term is counted at its place: Parquet footers, the receivers' answers, quarantine files
    less the rows that were resolved. `received` counts a record once, at its first arrival.
    """

    received: int
    delivered: int
    no_action: int
    discarded: int
    unchanged: int
    superseded: int
    open: int
    in_flight: int
    arrivals_seen: int
    arrivals_batched: int
    arrivals_duplicate: int
    arrivals_superseded: int
    arrivals_unreadable: int
    problems: tuple[str, ...] = ()

    @property
    def accounted(self) -> int:
        """Records found in some place."""
        return (
            self.delivered
            + self.no_action
            + self.discarded
            + self.unchanged
            + self.superseded
            + self.open
            + self.in_flight
        )

    @property
    def holds(self) -> bool:
        """Whether nothing is lost, doubled or unaccounted for."""
        return (
            not self.problems
            and self.received == self.accounted
            and self.arrivals_seen
            == self.arrivals_batched
            + self.arrivals_duplicate
            + self.arrivals_superseded
            + self.arrivals_unreadable
        )

    def told(self) -> str:
        """What was counted in one line, with the first of the problems."""
        found = f"{self.accounted:,} records found of {self.received:,} received"
        rest = len(self.problems) - PROBLEMS_TOLD
        more = [f"… and {rest:,} more problems"] if rest > 0 else []
        return "; ".join([found, *self.problems[:PROBLEMS_TOLD], *more])


@dataclass(frozen=True, kw_only=True)
class PromiseReport(StageReport):
    """Whether the promise is kept right now.

    `is_late` is true while something outstanding is older than `within`; `oldest_seconds` is the
    age of the oldest outstanding record, None when nothing is outstanding. `late_arrivals` counts
    those that reached the outcome after the deadline, ever.
    """

    within_seconds: float = 0.0
    outstanding_batches: int = 0
    oldest_seconds: float | None = None
    is_late: bool = False
    late_arrivals: int = 0
    open_cases: int = 0
    records: int = 0
    conservation: Conservation | None = None
