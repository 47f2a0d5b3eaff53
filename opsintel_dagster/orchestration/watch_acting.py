"""What the watcher does before it tells anybody: it ends runs, begins clocks, and wakes."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import dagster as dg

from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.heartbeats import LastMaterialization, report_first
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.keys import OUTCOME_TAG, WATCH_NAME
from opsintel_dagster.orchestration.reaping import reap
from opsintel_dagster.orchestration.sensors import (
    MOST_REQUESTS,
    in_progress,
    poll_alone,
    run_request,
)
from opsintel_dagster.orchestration.waking import Look, Polls, State, states
from opsintel_dagster.orchestration.watch_cursor import WatchCursor
from opsintel_dagster.orchestration.watch_dagster import promises, vouched_for
from opsintel_dagster.orchestration.watch_snapshot import overdue_probes
from opsintel_dagster.watching.snapshot import LongRun

POLL_SECONDS: Final = 10.0
PROBE_PATIENCE: Final = timedelta(minutes=2)
"""How long the arrivals sensor has to see that a breaker may be probed."""


@dataclass(frozen=True)
class Acted:
    """What was done, and what was seen for it.

    `last` are the promises' last signs of life from before; `reaped` the runs that were ended,
    `long_runs` those that take too long and were not, by outcome.
    """

    last: Mapping[dg.AssetKey, LastMaterialization]
    looks: Mapping[str, Look]
    states: Sequence[State]
    reaped: Sequence[str]
    long_runs: Mapping[str, Sequence[LongRun]]
    requests: Sequence[dg.RunRequest]

    @property
    def woken(self) -> list[str]:
        """The outcomes a run was asked for."""
        return [request.tags[OUTCOME_TAG] for request in self.requests]


@dataclass(frozen=True)
class Acting:
    """Acts on the outcomes of one code location; `keys` are the assets of each."""

    instance: dg.DagsterInstance
    log: logging.Logger
    installation: Installation
    outcomes: Mapping[str, Compiled]
    keys: Mapping[str, Sequence[dg.AssetKey]]
    cursor: WatchCursor
    now: datetime

    def act(self, polls: Polls) -> Acted:
        """End what is stuck, let freshness be judged, wake what is late.

        Raises:
            LedgerError: the ledger cannot be reached, so nobody knows what is late.
        """
        last = promises(self.instance, list(self.outcomes))
        report_first(self.instance, self.outcomes, last)
        reaped, long_runs = reap(
            self.instance, self.installation, self.outcomes, self.cursor, self.now
        )
        for run_id in reaped:
            self.log.warning(f"run {run_id} took too long and its worker is gone: ended")
        looks = self._looks(polls, last)
        found = states(self.installation, list(self.outcomes.values()), looks, self.now)
        return Acted(last, looks, found, reaped, long_runs, self._wake(found))

    def _looks(
        self, polls: Polls, last: Mapping[dg.AssetKey, LastMaterialization]
    ) -> dict[str, Look]:
        """What the sources offer of which nobody else says that they were looked at."""
        vouched = vouched_for(list(self.outcomes.values()), last, self.now)
        asked = [one for name, one in self.outcomes.items() if name not in vouched]
        ask = partial(poll_alone, instance=self.instance)
        return {
            **dict.fromkeys(vouched, Look()),
            **(polls.look(asked, ask, POLL_SECONDS) if asked else {}),
        }

    def _wake(self, found: Sequence[State]) -> list[dg.RunRequest]:
        """Runs for what is late, or what nobody probes, that can go on and is not at work.

        The arrivals sensor does so at once; this is for when it does not. An outcome that has
        stopped, or is not due yet, has no reason to be woken.
        """
        probing: set[str] = set()
        if self.installation.ledger.exists():
            with self.installation.ledger.read() as connection:
                probing = overdue_probes(connection, self.outcomes, self.now, PROBE_PATIENCE)
        late = [
            one
            for one in found
            if one.reason
            and (
                one.name in probing or one.is_late(self.outcomes[one.name].outcome.within, self.now)
            )
        ]
        busy = in_progress(self.instance, late, self.outcomes, self.now)
        pacing = self.cursor.pacing
        due = [
            one
            for one in late
            if one.name not in busy and pacing.is_due(one.name, one.digest, self.now)
        ]
        due.sort(key=lambda one: -self.outcomes[one.name].outcome.cost_per_hour)
        requests = []
        for one in due[:MOST_REQUESTS]:
            self.log.info(f"{one.name} is late or unprobed, and is woken: {one.reason}")
            pacing.asked(one.name, one.digest, self.now)
            request = run_request(
                self.outcomes[one.name], self.keys[one.name], one, healed_by=WATCH_NAME
            )
            requests.append(request)
        pacing.forget({one.name for one in late})
        return requests
