"""Every figure of the demo's table, recomputed from the raw lines by plain Polars."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from demo_recount import aircraft_that_count, airports_that_count, recount

from opsintel_dagster.cli.demo_figures import Figures, figures_of
from opsintel_dagster.cli.demo_source import DemoSource
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.drain import Drain
from opsintel_dagster.orchestration.installation import Installation

REGISTERS = ("airport_register", "fleet_register")
FLIGHTS = "flight_disruptions"
DAYS = 5


@pytest.fixture
def received(source: DemoSource, tmp_path: Path) -> list[Path]:
    """The first days as they lie in the inbox, beside both registers."""
    inbox = tmp_path / "inbox"
    files = [inbox / "departures" / file.name for file in source.day_files(DAYS)]
    copies = {
        inbox / "airports" / "airports.csv": source.airports,
        inbox / "aircraft" / "planes.csv": source.planes,
        **dict(zip(files, source.day_files(DAYS), strict=True)),
    }
    for target, origin in copies.items():
        put(target, origin.read_bytes())
    return files


def put(target: Path, content: bytes, *, minutes_ago: float = 1) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    at = time.time() - 60 * minutes_ago
    os.utime(target, (at, at))


def drained(
    installation: Installation, outcomes: dict[str, Compiled], *names: str
) -> dict[str, Figures]:
    for name in names:
        report = Drain(outcomes[name], installation).run()
        assert not report.failures
    return {name: figures_of(installation, outcomes[name]) for name in names}


def assert_recounted(found: Figures, files: list[Path], inbox: Path) -> None:
    """Compare every figure of the flights with what plain Polars says."""
    expected = recount(
        files, inbox / "airports" / "airports.csv", inbox / "aircraft" / "planes.csv"
    )
    law = found.conservation
    assert law.holds, law
    assert found.arrivals == expected.arrivals
    assert law.arrivals_duplicate == expected.duplicates
    assert found.received == expected.received
    assert {one.failure_mode: one.records for one in found.quarantined} == expected.quarantined
    assert {one.failure_mode: one.records for one in found.warned} == expected.warned
    assert dict(found.delivered) == expected.delivered
    assert found.no_action == expected.no_action
    assert law.unchanged == expected.unchanged
    assert law.open == sum(expected.quarantined.values())
    assert found.minutes == pytest.approx(expected.minutes)
    assert found.touches == 0


def test_every_figure_of_the_flights_is_what_the_raw_lines_say(
    installation: Installation,
    outcomes: dict[str, Compiled],
    received: list[Path],
    tmp_path: Path,
) -> None:
    found = drained(installation, outcomes, *REGISTERS, FLIGHTS)[FLIGHTS]

    assert_recounted(found, received, tmp_path / "inbox")
    assert found.conservation.in_flight == found.conservation.superseded == 0


def test_every_figure_of_the_registers_is_what_the_raw_lines_say(
    installation: Installation,
    outcomes: dict[str, Compiled],
    received: list[Path],
    source: DemoSource,
) -> None:
    assert received
    found = drained(installation, outcomes, *REGISTERS)

    airports = pl.read_csv(source.airports, null_values=["NA"])
    kept = airports_that_count(source.airports)
    figures = found["airport_register"]
    assert figures.received == airports.height
    assert figures.delivered == {"register": kept.height}
    cities = airports.filter(pl.col.name == "All Airports").height
    assert {one.failure_mode: one.records for one in figures.quarantined} == {
        "city_code": cities,
        "misplaced": airports.height - kept.height - cities,
    }
    assert {one.failure_mode: one.records for one in figures.warned} == {
        "no_time_zone": kept["tzone"].null_count()
    }
    planes = pl.read_csv(source.planes, null_values=["NA"])
    kept = aircraft_that_count(source.planes)
    figures = found["fleet_register"]
    assert figures.received == planes.height
    assert figures.delivered == {"register": kept.height}
    assert {one.failure_mode: one.records for one in figures.quarantined} == {
        "not_an_airliner": planes.height - kept.height
    }
    assert {one.failure_mode: one.records for one in figures.warned} == {
        "year_unknown": kept["year"].null_count()
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_figures_stay_right_when_the_input_is_corrupted(
    seed: int,
    installation: Installation,
    outcomes: dict[str, Compiled],
    received: list[Path],
    tmp_path: Path,
) -> None:
    files = corrupt(received, random.Random(seed))  # noqa: S311  # chance, not secrecy

    found = drained(installation, outcomes, *REGISTERS, FLIGHTS)[FLIGHTS]

    assert_recounted(found, files, tmp_path / "inbox")
    quarantined = {one.failure_mode for one in found.quarantined}
    assert {"file_refused", "garbled_line", "contradiction"} <= quarantined
    assert found.conservation.arrivals_duplicate == 1
    assert found.conservation.unchanged > 0


def test_the_corrected_register_empties_the_case_it_is_about(
    installation: Installation,
    outcomes: dict[str, Compiled],
    received: list[Path],
    source: DemoSource,
    tmp_path: Path,
) -> None:
    register = tmp_path / "inbox" / "airports" / "airports.csv"
    before = drained(installation, outcomes, *REGISTERS, FLIGHTS)[FLIGHTS]
    waiting = {one.failure_mode: one.open for one in before.quarantined}
    assert waiting["unknown_destination"]

    put(register, source.corrected_airports().read_bytes(), minutes_ago=0.5)
    found = drained(installation, outcomes, *REGISTERS, FLIGHTS)

    airports, flights = found["airport_register"], found[FLIGHTS]
    assert sum(airports.delivered.values()) == airports_that_count(register).height
    assert airports.conservation.unchanged == airports_that_count(source.airports).height
    expected = recount(received, register, tmp_path / "inbox" / "aircraft" / "planes.csv")
    assert {one.failure_mode: one.open for one in flights.quarantined if one.open} == (
        expected.quarantined
    )
    assert dict(flights.delivered) == expected.delivered
    assert flights.no_action == expected.no_action
    assert {one.failure_mode: one.records for one in flights.warned} == expected.warned
    assert flights.conservation.holds


def test_a_file_that_was_passed_on_late_is_named(
    installation: Installation,
    outcomes: dict[str, Compiled],
    received: list[Path],
) -> None:
    late = received[1]
    put(late, late.read_bytes(), minutes_ago=40)

    found = drained(installation, outcomes, *REGISTERS, FLIGHTS)[FLIGHTS]

    assert found.late_arrivals == (late.name,)


def corrupt(files: list[Path], chance: random.Random) -> list[Path]:
    """Break the input in every way that people and machines break it; returns it in order.

    Single cells and lines of all days; one day past its tolerance; one without a column; one sent
    twice under two names; one exported again in another order; and a day without flights.
    """
    first, second, third, fourth, fifth = files
    for file in files:
        break_lines(file, chance, share=0.04)
    break_lines(second, chance, share=0.4)
    put(third, third.read_bytes().replace(b",dest,", b",destination,", 1))
    folder = first.parent
    put(folder / "departures-x-copy.csv", fourth.read_bytes())
    header, *lines = fifth.read_bytes().rstrip(b"\n").split(b"\n")
    again = folder / "departures-y-again.csv"
    put(again, b"\n".join([header, *reversed(lines), b""]))
    put(folder / "departures-z-empty.csv", header + b"\n")
    return [*files, *sorted(folder.glob("departures-[xyz]*"))]


def break_lines(file: Path, chance: random.Random, *, share: float) -> None:
    header, *lines = file.read_bytes().rstrip(b"\n").split(b"\n")
    for at in range(len(lines)):
        if chance.random() < share:
            lines[at] = chance.choice(WAYS)(lines[at], chance)
    put(file, b"\n".join([header, *lines, b""]))


def _another_cell(line: bytes, chance: random.Random) -> bytes:
    cells = line.split(b",")
    wrong = (b"", b"NA", b"??", b"12.5", b"1e3", b"7", b" 7", b"-1", b"9" * 25, b"\xff", b"LGA")
    cells[chance.randrange(len(cells))] = chance.choice(wrong)
    return b",".join(cells)


def _fewer_cells(line: bytes, chance: random.Random) -> bytes:
    return b",".join(line.split(b",")[: chance.randint(1, 18)])


def _more_cells(line: bytes, _chance: random.Random) -> bytes:
    return line + b",surplus"


def _twice(line: bytes, _chance: random.Random) -> bytes:
    return line + b"\n" + line


def _cut(line: bytes, chance: random.Random) -> bytes:
    return line[: chance.randint(1, len(line) - 1)]


WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *[_another_cell] * 6,
    _fewer_cells,
    _more_cells,
    _twice,
    _cut,
)
