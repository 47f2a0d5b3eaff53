"""A storm: every one of many batches fails of a bug; the outcome stops, asks, and goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from scenario import DEPOTS, HEADER, Operation, depots, parcels
from sqlalchemy import func, select

from opsintel_dagster.ledger import case_listing
from opsintel_dagster.ledger.tables import attempt, entry
from opsintel_dagster.orchestration import trying_again
from opsintel_dagster.verification import Contract

ATTEMPTS_PER_HOUR = 12
DEPLOYED = {"batch": {"max_files": 1}, "healing": {"attempts_per_hour": ATTEMPTS_PER_HOUR}}


class Bug:
    """Breaks the judgement of every parcel while it is there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_there = True
        verify = Contract.verify

        def verifies(contract: Contract, *rows: Any, **options: Any) -> Any:
            if self.is_there:
                raise KeyError("nobody thought of this")
            return verify(contract, *rows, **options)

        monkeypatch.setattr(Contract, "verify", verifies)


@dataclass
class Storm:
    """An operation with many files whose every batch fails."""

    operation: Operation
    files: int

    def brew(self) -> None:
        self.operation.drop("depots", "depots.csv", DEPOTS)
        self.operation.drain("depots")
        for number in range(self.files):
            self.operation.drop("parcels", f"{number:05}.csv", f"{HEADER}P{number},HAM,1,\n")

    @property
    def attempts(self) -> int:
        with self.operation.installation.ledger.read() as connection:
            return int(connection.execute(select(func.count()).select_from(attempt)).scalar_one())

    @property
    def notices(self) -> int:
        """Entries that somebody is told about: the stop, and the case."""
        with self.operation.installation.ledger.read() as connection:
            query = select(entry.c.kind).where(entry.c.kind.in_(["case", "stopped"]))
            return len(list(connection.execute(query)))

    @property
    def open_cases(self) -> list[str]:
        with self.operation.installation.ledger.read() as connection:
            return [case.failure_mode for case in case_listing.listing(connection, ["parcels"])]

    def decide(self) -> None:
        with self.operation.installation.ledger.write() as connection:
            trying_again.decided(connection, "parcels", "somebody", [])


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> Bug:
    return Bug(monkeypatch)


@pytest.fixture
def storm(request: pytest.FixtureRequest, tmp_path: Path, bug: Bug) -> Iterator[Storm]:
    bug.is_there = False
    ready = Storm(Operation(tmp_path, (depots(), parcels(**DEPLOYED))), request.param)
    ready.brew()
    bug.is_there = True
    yield ready
    ready.operation.close()


@pytest.mark.parametrize("storm", [30], indirect=True)
def test_a_storm_is_bounded_told_once_and_over_when_somebody_decides(
    storm: Storm, bug: Bug
) -> None:
    weather(storm, bug)


@pytest.mark.parametrize("storm", [20], indirect=True)
def test_a_storm_is_over_when_its_remedy_is_deployed(storm: Storm, bug: Bug) -> None:
    storm.operation.drain()
    assert storm.attempts == ATTEMPTS_PER_HOUR
    bug.is_there = False
    storm.operation.redeclare(storm.operation.outcomes[0], parcels(**DEPLOYED, tolerance=0.9))
    assert storm.operation.drain().delivered.delivered == storm.files
    assert storm.open_cases == []


@pytest.mark.slow
@pytest.mark.parametrize("storm", [10_000], indirect=True)
def test_a_storm_of_ten_thousand(
    storm: Storm, bug: Bug, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = weather(storm, bug)
    with capsys.disabled():
        print(f"\n{storm.files:,} failing batches: {seconds}, {storm.notices} notices")


def weather(storm: Storm, bug: Bug) -> dict[str, str]:
    """Live through it; returns how long what took."""
    took: dict[str, str] = {}

    def drain(what: str) -> Any:
        begin = perf_counter()
        report = storm.operation.drain()
        took[what] = f"{perf_counter() - begin:.1f} s"
        return report

    report = drain("claim and fail")
    assert report.arrivals.batches == storm.files
    assert (storm.attempts, storm.open_cases) == (ATTEMPTS_PER_HOUR, ["stopped"])
    told = storm.notices
    assert told == 2
    for what in ("stopped", "stopped again"):
        assert drain(what).failures == {}
    assert (storm.attempts, storm.notices) == (ATTEMPTS_PER_HOUR, told)
    storm.decide()  # the bug is still there: one hour's worth of attempts, and the case again
    drain("failed again")
    assert storm.attempts == 2 * ATTEMPTS_PER_HOUR
    assert storm.open_cases == ["stopped"]
    bug.is_there = False
    storm.decide()
    report = drain("delivered")
    assert report.delivered.delivered == storm.files
    assert storm.open_cases == []
    law = report.promise.conservation
    assert law.holds
    assert law.in_flight == 0
    return took
