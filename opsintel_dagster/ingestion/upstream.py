"""The upstream source: another asset's new materialization is the arrival."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

import polars as pl
from polars.exceptions import PanicException, PolarsError

from opsintel_dagster.errors import SourceDown, SourceUnreadable, SourceVanished
from opsintel_dagster.ingestion.raw import CONTROL_COLUMNS
from opsintel_dagster.ingestion.reading import Reading
from opsintel_dagster.ingestion.sighting import Sighting
from opsintel_dagster.ingestion.typed import SLICE_ROWS, as_raw


class UpstreamFeed(Protocol):
    """What orchestration knows of the other asset: materializations and where their data is."""

    def sightings(self) -> list[Sighting]:
        """List the materializations; their mark is the data version."""
        ...

    def open(self, sighting: Sighting) -> Reading:
        """Open the data of one of them."""
        ...


class Upstream:
    """A source whose arrivals are handed to it, because only Dagster knows of them."""

    def __init__(self, asset: str, feed: UpstreamFeed) -> None:
        self.address = asset
        self._feed = feed

    def poll(self) -> list[Sighting]:
        """List the materializations, the oldest first."""
        found = self._feed.sightings()
        return sorted(found, key=lambda sighting: (sighting.available_at, sighting.name))

    def is_settled(self, sighting: Sighting, now: datetime) -> bool:  # noqa: ARG002 - as of sources
        """Say yes: a materialization is an event, and those do not change."""
        return True

    def open(self, sighting: Sighting) -> Reading:
        """Open the data of one materialization."""
        return self._feed.open(sighting)


class UpstreamReading(Reading):
    """A reading of a table that exists already; columns keep their types.

    Control columns of the upstream outcome are its own bookkeeping, no data: they are left out.
    """

    def __init__(self, frame: pl.LazyFrame, sighting: Sighting, *, version: str) -> None:
        """Read `frame`, whose content `version` identifies: there are no bytes to hash."""
        super().__init__()
        self._frame = frame
        self._sighting = sighting
        self._sha256 = hashlib.sha256(version.encode()).hexdigest()
        self._columns: tuple[str, ...] = ()
        self._empty = as_raw(pl.DataFrame())

    @classmethod
    def of_files(cls, paths: Sequence[str | Path], sighting: Sighting) -> Self:
        """Read Parquet files that are never written again, so that names identify content."""
        names = [str(path) for path in paths]
        frame = pl.scan_parquet(names, glob=False) if names else pl.LazyFrame()
        return cls(frame, sighting, version="\n".join(names))

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the version."""
        return self._sha256

    @property
    def size(self) -> int:
        """As the sighting says; what an engine reads of a table is not counted."""
        return self._sighting.size

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table, without control columns."""
        return self._columns

    def _parts(self) -> Iterator[pl.DataFrame]:
        name = self._sighting.name
        try:
            schema = self._frame.collect_schema()
            self._columns = tuple(column for column in schema if column not in CONTROL_COLUMNS)
            data = self._frame.select(self._columns)
            self._empty = as_raw(data.clear().collect())
            for part in data.collect_batches(chunk_size=SLICE_ROWS, maintain_order=True):
                yield as_raw(part)
        except FileNotFoundError as error:
            raise SourceVanished(name, f"its data is gone: {error}") from error
        except OSError as error:
            raise SourceDown(name, f"its data cannot be reached: {error}") from error
        except (PolarsError, PanicException) as error:
            raise SourceUnreadable(name, f"its data cannot be read: {error}") from error

    def _no_rows(self) -> pl.DataFrame:
        return self._empty

    def _finish(self) -> None:
        """Do nothing: size and hash are known from the beginning."""

    def close(self) -> None:
        """Do nothing: Polars holds no file open between two frames."""
