"""What the demo does, step by step: which files land in which inbox, and what drains then."""

import math
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from opsintel_dagster.cli.demo_source import DAYS_IN_YEAR, DemoSource, day_names

AIRPORTS: Final = "airport_register"
FLEET: Final = "fleet_register"
FLIGHTS: Final = "flight_disruptions"
UNKNOWN_DESTINATION: Final = "unknown_destination"
OUTCOMES: Final = (AIRPORTS, FLEET, FLIGHTS)

JUST_NOW: Final = timedelta(seconds=5)
"""A file that was finished a moment ago: settled, and its promise hardly begun."""

TOO_LONG_AGO: Final = timedelta(minutes=40)
"""A file the operations centre had finished long before anybody passed it on."""

LATE_DAY: Final = 2
"""The second day's file is passed on late, on purpose."""

DAYS_ALONE: Final = 7
MOST_TOGETHER: Final = 8
"""Into how many drains the days after the first week are put."""


@dataclass(frozen=True)
class Drop:
    """A file that is put into an inbox as if it had become available `age` ago."""

    file: Path
    target: Path
    age: timedelta = JUST_NOW

    def perform(self) -> bool:
        """Put it there; false if a file of that name is there already, which is left alone.

        Somebody may have corrected it since.
        """
        if self.target.exists():
            return False
        self.target.parent.mkdir(parents=True, exist_ok=True)
        part = self.target.with_name(f".{self.target.name}.part")
        shutil.copyfile(self.file, part)
        available_at = time.time() - self.age.total_seconds()
        os.utime(part, (available_at, available_at))
        part.replace(self.target)
        return True


@dataclass(frozen=True)
class Step:
    """Files that land together, and the outcome that drains when they have."""

    outcome: str
    label: str
    drops: tuple[Drop, ...]


def plan(source: DemoSource, root: Path, days: int) -> list[Step]:
    """The registers first, then day after day: a week one by one, the rest a few at a time.

    The later drains find several files each, as after a night in which nobody drained.
    """
    inbox = root / "inbox"
    airports = Drop(source.airports, inbox / "airports" / "airports.csv")
    planes = Drop(source.planes, inbox / "aircraft" / "planes.csv")
    steps = [Step(AIRPORTS, "airports", (airports,)), Step(FLEET, "aircraft", (planes,))]
    drops = [
        Drop(
            file,
            inbox / "departures" / file.name,
            TOO_LONG_AGO if number == LATE_DAY else JUST_NOW,
        )
        for number, file in enumerate(source.day_files(days), start=1)
    ]
    rest = drops[DAYS_ALONE:]
    size = max(1, math.ceil(len(rest) / MOST_TOGETHER))
    groups = [[drop] for drop in drops[:DAYS_ALONE]]
    groups += [rest[start : start + size] for start in range(0, len(rest), size)]
    return steps + [Step(FLIGHTS, _days(group), tuple(group)) for group in groups]


def _days(drops: Sequence[Drop]) -> str:
    first, last = (drop.file.stem.removeprefix("departures-") for drop in (drops[0], drops[-1]))
    return first if first == last else f"{first} to {last}"


def inbox_files(root: Path) -> list[Path]:
    """Every file that any run of the demo may have put into an inbox."""
    inbox = root / "inbox"
    days = [inbox / "departures" / name for name in day_names(DAYS_IN_YEAR)]
    return [inbox / "airports" / "airports.csv", inbox / "aircraft" / "planes.csv", *days]
