"""The drain of one outcome: one pass over what is outstanding, stage by stage.

It is plain Python. Dagster calls the stages one by one, each from its asset; `opsintel drain` and
the tests call `run`. A stage takes the lease, does everything that is outstanding *for that
stage*, and is a green no-op when there is nothing.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from opsintel_dagster.ledger import HeldBy, Lease, bindings, hold
from opsintel_dagster.ledger.lease import STALE_AFTER_SECONDS
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.keeping import in_force
from opsintel_dagster.orchestration.reports import (
    ArrivalsReport,
    DeliveredReport,
    PromiseReport,
    RoutedReport,
    Stage,
    StageReport,
    VerifiedReport,
)
from opsintel_dagster.orchestration.stage_arrivals import claim
from opsintel_dagster.orchestration.stage_delivered import deliver
from opsintel_dagster.orchestration.stage_promise import promise
from opsintel_dagster.orchestration.stage_routed import route
from opsintel_dagster.orchestration.stage_verified import verify
from opsintel_dagster.orchestration.trying_again import deployed
from opsintel_dagster.orchestration.whole_stage import watched
from opsintel_dagster.orchestration.work import FeedOpener, Work, utc_now

Report = TypeVar("Report", bound=StageReport)


@dataclass(frozen=True)
class DrainReport:
    """What one pass did, stage by stage."""

    arrivals: ArrivalsReport
    verified: VerifiedReport
    routed: RoutedReport
    delivered: DeliveredReport
    promise: PromiseReport

    @property
    def skipped(self) -> str | None:
        """Why the pass did nothing, if another drain held the lease."""
        return self.arrivals.skipped

    @property
    def failures(self) -> dict[str, str]:
        """What went wrong with single batches or files while the others went on."""
        stages = (self.arrivals, self.verified, self.routed, self.delivered)
        return {subject: text for stage in stages for subject, text in stage.failures.items()}


@dataclass
class Drain:
    """Drains one outcome of one installation.

    `run_id` and `actor` go into the ledger; `is_run_finished` asks Dagster about the run of a
    lease's holder; `stale_after` is how many seconds a silent holder elsewhere is waited for;
    `open_feed` opens sources that only Dagster knows; `clock` tells the time, `sleep` passes it.
    """

    compiled: Compiled
    installation: Installation
    run_id: str | None = None
    actor: str = "drain"
    is_run_finished: Callable[[str], bool] = lambda _run_id: False
    stale_after: float = STALE_AFTER_SECONDS
    open_feed: FeedOpener | None = None
    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    _is_bound: bool = False

    def arrivals(self) -> ArrivalsReport:
        """Claim what the source made available."""
        return self._under_lease(Stage.ARRIVALS, claim, ArrivalsReport)

    def verified(self) -> VerifiedReport:
        """Judge claimed batches, replays of healed rows included."""
        return self._under_lease(Stage.VERIFIED, verify, VerifiedReport)

    def routed(self) -> RoutedReport:
        """Send verified rows where the decision table says."""
        return self._under_lease(Stage.ROUTED, route, RoutedReport)

    def delivered(self) -> DeliveredReport:
        """Hand over, confirm and close."""
        return self._under_lease(Stage.DELIVERED, deliver, DeliveredReport)

    def promise(self) -> PromiseReport:
        """Judge the promise and count the places."""
        return self._under_lease(Stage.PROMISE, promise, PromiseReport)

    def run(self) -> DrainReport:
        """All five stages under one lease.

        Raises:
            LeaseLost: another drain has taken over in the middle.
            OutcomeClaimed: the outcome's name belongs to another code location.
            LedgerError: the ledger cannot be reached.
        """
        self.bind()
        with self._hold() as held:
            if isinstance(held, HeldBy):
                return self._skipped(held)
            work = self._work(held)
            return DrainReport(
                watched(work, Stage.ARRIVALS, claim),
                watched(work, Stage.VERIFIED, verify),
                watched(work, Stage.ROUTED, route),
                watched(work, Stage.DELIVERED, deliver),
                watched(work, Stage.PROMISE, promise),
            )

    def bind(self) -> None:
        """Migrate the ledger if need be and claim the outcome's name for this code location.

        Raises:
            OutcomeClaimed: the outcome's name belongs to another code location.
        """
        if self._is_bound:
            return
        ledger, compiled = self.installation.ledger, self.compiled
        ledger.migrate()
        with ledger.read() as connection:
            row = bindings.bound(connection, compiled.name)
        facts = compiled.facts()
        known = row and (row.location, row.declaration, row.facts)
        if known != (compiled.location, compiled.fingerprint, facts):
            with ledger.write() as connection:
                bindings.bind(
                    connection, compiled.name, compiled.location, compiled.fingerprint, facts
                )
                if row is not None:
                    deployed(connection, compiled.name)
        self._is_bound = True

    def _under_lease(
        self, stage: Stage, act: Callable[[Work], Report], kind: type[Report]
    ) -> Report:
        self.bind()
        with self._hold() as held:
            if isinstance(held, HeldBy):
                return kind(outcome=self.compiled.name, skipped=str(held))
            return watched(self._work(held), stage, act)

    def _hold(self) -> AbstractContextManager[Lease | HeldBy]:
        return hold(
            self.installation.ledger,
            self.compiled.name,
            run_id=self.run_id,
            is_run_finished=self.is_run_finished,
            stale_after=self.stale_after,
        )

    def _work(self, lease: Lease) -> Work:
        with self.installation.ledger.read() as connection:
            compiled = in_force(connection, self.compiled)
        return Work(
            compiled=compiled,
            installation=self.installation,
            lease=lease,
            run_id=self.run_id,
            actor=self.actor,
            clock=self.clock,
            sleep=self.sleep,
            open_feed=self.open_feed,
        )

    def _skipped(self, held: HeldBy) -> DrainReport:
        name, why = self.compiled.name, str(held)
        return DrainReport(
            ArrivalsReport(outcome=name, skipped=why),
            VerifiedReport(outcome=name, skipped=why),
            RoutedReport(outcome=name, skipped=why),
            DeliveredReport(outcome=name, skipped=why),
            PromiseReport(outcome=name, skipped=why),
        )
