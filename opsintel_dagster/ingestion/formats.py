"""Which reading a file gets: by the declared format, or by the suffix of its name."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import polars as pl

from opsintel_dagster.errors import SourceUnreadable
from opsintel_dagster.ingestion.csv_reading import CsvReading
from opsintel_dagster.ingestion.file_reading import FileReading, Look
from opsintel_dagster.ingestion.hashed_file import HashedFile
from opsintel_dagster.ingestion.json_lines_reading import JsonLinesReading
from opsintel_dagster.ingestion.parquet_reading import ParquetReading
from opsintel_dagster.ingestion.raw import frame_of
from opsintel_dagster.ingestion.sighting import Sighting
from opsintel_dagster.outcome import FilesSource

_SUFFIXES: Final = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "csv",
    ".json": "json_lines",
    ".jsonl": "json_lines",
    ".ndjson": "json_lines",
    ".parquet": "parquet",
    ".pq": "parquet",
}


class UnknownFormat(FileReading):
    """The reading of a file whose name says no format: nothing but its size and hash."""

    def _parts(self) -> Iterator[pl.DataFrame]:
        raise SourceUnreadable(
            self._sighting.name, "its name tells no format; declare `format` of the source"
        )

    def _no_rows(self) -> pl.DataFrame:
        return frame_of([], ())


def format_of(name: str) -> str | None:
    """Tell the format of a file from its name, whether it is gzipped or not."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    if suffixes[-1:] in ([".gz"], [".gzip"]):
        suffixes.pop()
    return _SUFFIXES.get(suffixes[-1]) if suffixes else None


def reading_of(spec: FilesSource, file: HashedFile, sighting: Sighting, look: Look) -> FileReading:
    """Choose how `file` is read."""
    match spec.format or format_of(sighting.name):
        case "csv":
            return CsvReading(
                file, sighting, look, delimiter=spec.delimiter, encoding=spec.encoding
            )
        case "json_lines":
            return JsonLinesReading(file, sighting, look, encoding=spec.encoding)
        case "parquet":
            return ParquetReading(file, sighting, look)
        case _:
            return UnknownFormat(file, sighting, look)
