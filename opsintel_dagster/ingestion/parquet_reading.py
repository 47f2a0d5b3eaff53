"""Reading Parquet: columns keep their types, in slices, from bytes fetched once."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PanicException, PolarsError

from opsintel_dagster.errors import SourceUnreadable
from opsintel_dagster.ingestion.file_reading import FileReading
from opsintel_dagster.ingestion.raw import CONTROL_COLUMNS
from opsintel_dagster.ingestion.typed import SLICE_ROWS, as_raw

_PIECE_BYTES: Final = 4 << 20
_MAGIC: Final = b"PAR1"


class ParquetReading(FileReading):
    """A reading of a Parquet file.

    Parquet has to be read from its end, so the bytes are copied to a temporary file while they are
    hashed: what is parsed is then exactly what was hashed, fetched once, on any file system.
    """

    def _parts(self) -> Iterator[pl.DataFrame]:
        with tempfile.NamedTemporaryFile(suffix=".parquet") as copy:
            head = b""
            for piece in self._file.pieces(_PIECE_BYTES):
                head = head or piece[: len(_MAGIC)]
                copy.write(piece)
            copy.flush()
            if head != _MAGIC:
                raise self._unreadable("empty" if not head else "does not begin as Parquet does")
            try:
                yield from self._slices(Path(copy.name))
            except (PolarsError, PanicException, OSError) as error:
                raise self._unreadable(f"truncated or corrupt Parquet: {error}") from error

    def _slices(self, path: Path) -> Iterator[pl.DataFrame]:
        frame = pl.scan_parquet(path, glob=False)
        schema = frame.collect_schema()
        if not schema:
            raise self._unreadable("a table without columns")
        if taken := sorted(CONTROL_COLUMNS & set(schema)):
            raise self._unreadable(f"its column {taken[0]!r} is a name this package needs")
        self._columns = tuple(schema)
        self._empty = as_raw(schema.to_frame())
        count = frame.select(pl.len()).collect().item()
        for offset in range(0, count, SLICE_ROWS):
            yield as_raw(frame.slice(offset, SLICE_ROWS).collect())

    def _no_rows(self) -> pl.DataFrame:
        return self._empty

    def _unreadable(self, reason: str) -> SourceUnreadable:
        return SourceUnreadable(self._sighting.name, reason)
