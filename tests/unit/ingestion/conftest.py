"""An inbox to put files into, and a way to read one file whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import polars as pl
import pytest

from opsintel_dagster.ingestion import Inbox, Reading
from opsintel_dagster.outcome import FilesSource


class WholeReading(NamedTuple):
    """A reading that is finished, and its frames as one."""

    reading: Reading
    frame: pl.DataFrame

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        return self.frame.select(columns or self.reading.columns).rows()


ReadBytes: TypeAlias = Callable[..., WholeReading]


@pytest.fixture
def read_bytes(tmp_path: Path) -> ReadBytes:
    """Put bytes into an inbox as one file, and read it through poll and open."""

    def read(data: bytes, name: str = "day.csv", **declared: Any) -> WholeReading:
        (tmp_path / name).write_bytes(data)
        inbox = Inbox(FilesSource(path=name, **declared), tmp_path)
        (sighting,) = inbox.poll()
        with inbox.open(sighting) as reading:
            frame = pl.concat(list(reading.frames()), how="diagonal")
        return WholeReading(reading, frame)

    return read
