"""An operation whose clock, receivers and failures are a test's own."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandera.polars as pa
import pytest
from faulty_receiver import Behaviour, in_place
from scenario import Operation, parcels
from sqlalchemy import Row, select

from opsintel_dagster import crashpoints
from opsintel_dagster.ledger import case_listing, lease
from opsintel_dagster.orchestration import trying_again
from opsintel_dagster.orchestration.drain import DrainReport
from opsintel_dagster.orchestration.troubles import dependencies_of
from opsintel_dagster.outcome import Outcome

HEADER = "parcel,weight,note\n"
LIGHT, HEAVY = "P1,1,\n", "P2,40,\n"


class Item(pa.DataFrameModel):
    parcel: str
    weight: float
    note: str = pa.Field(nullable=True)


def sent(name: str = "parcels", **changes: Any) -> Outcome:
    return parcels(
        **{
            "name": name,
            "source": {"kind": "files", "path": f"inbox/{name}/*", "settle": "0s"},
            "contract": Item,
            "failure_modes": [],
            "routes": [
                {"to": "freight", "when": "weight >= 30"},
                {"to": "gate", "when": "weight < 30"},
            ],
            **changes,
        }
    )


class OddError(Exception):
    """No table knows it."""


class Died(BaseException):
    """The process is gone."""


@dataclass
class Healed:
    """An operation whose clock and receivers are ours."""

    operation: Operation
    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __post_init__(self) -> None:
        self.operation.clock = lambda: self.now
        self.slept: list[float] = []

    def later(self, **much: float) -> None:
        self.now += timedelta(**much)

    def drop(self, name: str, lines: str, outcome: str = "parcels") -> None:
        self.operation.drop(outcome, name, HEADER + lines)

    def drain(
        self, *answers: str, outcome: str = "parcels", behaviour: Behaviour | None = None
    ) -> DrainReport:
        with in_place(behaviour or Behaviour(answers)):
            return self.operation.drain(outcome, sleep=self.slept.append)

    def failing(self, point: str, error: BaseException, nth: int = 1) -> DrainReport:
        seen = 0

        def fail(reached: str) -> None:
            nonlocal seen
            seen += reached == point
            if reached == point and (seen == nth):
                raise error

        crashpoints.on_reached = fail
        try:
            return self.drain()
        finally:
            crashpoints.on_reached = None

    def decide(self) -> None:
        installation = self.operation.installation
        names = dependencies_of(installation, self.operation.compiled["parcels"])
        with installation.ledger.write() as connection:
            trying_again.decided(connection, "parcels", "somebody", names)

    def rows(self, table: Any) -> list[Row[Any]]:
        with self.operation.installation.ledger.read() as connection:
            return list(connection.execute(select(table)))

    def stopped(self) -> dict[str, str] | None:
        """What the case about what was given up says; None: it is not open."""
        with self.operation.installation.ledger.read() as connection:
            for case in case_listing.listing(connection, ["parcels"]):
                if case.failure_mode == "stopped":
                    return dict(case.facts["stopped"])
        return None

    @property
    def gate(self) -> list[str]:
        return sorted(row[0] for row in self.operation.table("gate_queue"))

    @property
    def freight(self) -> list[str]:
        rows = self.operation.files("out/freight")
        return sorted(rows["parcel"]) if rows.height else []


def killed_at(healed: Healed, point: str, nth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill leaves behind: a lease of a process that is gone (real ones: tests/faults)."""
    with monkeypatch.context() as gone:
        here = lease._this_process()
        gone.setattr(lease, "_this_process", lambda: {**here, "started": "long ago"})
        gone.setattr(lease, "_release", lambda held: held)
        with suppress(Died):
            healed.failing(point, Died(), nth)
