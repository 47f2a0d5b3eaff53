"""The demo's input: day files cut from the source, and how they get into the inboxes."""

import csv
import time
import zipfile
from pathlib import Path

import pytest

from opsintel_dagster.cli import demo_plan
from opsintel_dagster.cli.demo_plan import FLIGHTS, Drop, inbox_files, plan
from opsintel_dagster.cli.demo_source import DemoSource
from opsintel_dagster.errors import SettingsError

HEADER = "year,month,day,carrier"
LINES = ["2013,1,1,UA", "2013,1,1,AA", "2013,10,1,DL", "2013,1,2,B6", "2013,1,12,B6"]


@pytest.fixture
def source(tmp_path: Path) -> DemoSource:
    """A year of five flights, written as the published one is."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "airports.csv").write_text("faa,name\nJFK,Kennedy\n")
    (data / "planes.csv").write_text("tailnum\nN1\n")
    with zipfile.ZipFile(data / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", "\n".join([HEADER, *LINES, ""]))
    return DemoSource(data, tmp_path / "cache")


def test_a_day_file_is_the_header_and_the_lines_of_that_day_as_they_stand(
    source: DemoSource,
) -> None:
    first, second, third = source.day_files(3)

    assert first.name == "departures-2013-01-01.csv"
    assert first.read_text() == f"{HEADER}\n{LINES[0]}\n{LINES[1]}\n"
    assert second.read_text() == f"{HEADER}\n{LINES[3]}\n"
    assert third.read_text() == f"{HEADER}\n"  # a day on which nothing flew


def test_every_line_of_the_year_is_in_exactly_one_day_file(source: DemoSource) -> None:
    lines = [line for file in source.day_files(365) for line in file.read_text().split("\n")[1:-1]]

    assert sorted(lines) == sorted(LINES)


def test_day_files_are_cut_once(source: DemoSource) -> None:
    (first,) = source.day_files(1)
    first.write_text("mine")
    (source.data / "flights.csv.zip").unlink()

    assert source.day_files(1) == [first]
    assert first.read_text() == "mine"


def test_the_corrected_register_is_the_published_one_and_four_airports(tmp_path: Path) -> None:
    source = DemoSource.found(tmp_path)

    corrected = source.corrected_airports()

    with source.airports.open() as before, corrected.open() as after:
        published, rows = list(csv.reader(before)), list(csv.reader(after))
    assert rows[: len(published)] == published
    assert [row[0] for row in rows[len(published) :]] == ["BQN", "PSE", "SJU", "STT"]
    assert {len(row) for row in rows} == {8}


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(SettingsError, match=r"pip install 'opsintel-dagster\[demo\]'"):
        DemoSource.found(tmp_path)


def test_the_registers_come_first_and_every_day_comes_once_and_in_order(
    source: DemoSource, tmp_path: Path
) -> None:
    steps = plan(source, tmp_path, 31)

    assert [step.outcome for step in steps[:2]] == ["airport_register", "fleet_register"]
    days = [step for step in steps if step.outcome == FLIGHTS]
    names = [drop.target.name for step in days for drop in step.drops]
    assert names == [f"departures-2013-01-{day:02}.csv" for day in range(1, 32)]
    assert [len(step.drops) for step in days] == [1] * 7 + [3] * 8
    assert days[0].label == "2013-01-01"
    assert days[-1].label == "2013-01-29 to 2013-01-31"


@pytest.mark.parametrize("days", [1, 2, 7, 8, 31, 365])
def test_a_demo_of_any_length_drains_a_few_times(
    days: int, source: DemoSource, tmp_path: Path
) -> None:
    steps = plan(source, tmp_path, days)

    assert sum(len(step.drops) for step in steps[2:]) == days
    assert len(steps) <= 2 + demo_plan.DAYS_ALONE + demo_plan.MOST_TOGETHER


def test_only_the_second_day_is_passed_on_late(source: DemoSource, tmp_path: Path) -> None:
    drops = [drop for step in plan(source, tmp_path, 9) for drop in step.drops]

    late = [drop.target.name for drop in drops if drop.age == demo_plan.TOO_LONG_AGO]
    assert late == ["departures-2013-01-02.csv"]


def test_a_dropped_file_is_as_old_as_it_is_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_text("a\n")
    target = tmp_path / "inbox" / "day.csv"

    assert Drop(file, target, demo_plan.TOO_LONG_AGO).perform()

    assert target.read_text() == "a\n"
    assert time.time() - target.stat().st_mtime == pytest.approx(40 * 60, abs=5)
    assert [path.name for path in target.parent.iterdir()] == ["day.csv"]


def test_a_file_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    file, target = tmp_path / "day.csv", tmp_path / "inbox.csv"
    file.write_text("published")
    target.write_text("corrected by somebody")

    assert not Drop(file, target).perform()
    assert target.read_text() == "corrected by somebody"


def test_what_fresh_removes_is_everything_any_run_may_have_dropped(
    source: DemoSource, tmp_path: Path
) -> None:
    every = {drop.target for step in plan(source, tmp_path, 365) for drop in step.drops}

    assert set(inbox_files(tmp_path)) == every
