"""Reading CSV: the header, then every line behind it, as text and exactly as it came in."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import polars as pl

from opsintel_dagster.errors import SourceUnreadable
from opsintel_dagster.ingestion.csv_records import LOOK_AHEAD_BYTES, RecordScanner
from opsintel_dagster.ingestion.csv_stretches import StretchReader
from opsintel_dagster.ingestion.file_reading import FileReading, Look
from opsintel_dagster.ingestion.hashed_file import HashedFile
from opsintel_dagster.ingestion.line_blocks import End, LineBlocks
from opsintel_dagster.ingestion.problem import Problem
from opsintel_dagster.ingestion.raw import CONTROL_COLUMNS, Record, frame_of
from opsintel_dagster.ingestion.sighting import Sighting
from opsintel_dagster.ingestion.text_bytes import TextBytes, binary_reason

PIECE_BYTES: Final = 4 << 20
STRETCH_BYTES: Final = 32 << 10
"""Below this size, going record by record takes less time than Polars needs to begin."""


class CsvReading(FileReading):
    """A reading of a CSV file, gzipped or not.

    The first line that is not blank is the header. An empty cell is null, `""` is the empty text.
    """

    def __init__(
        self,
        file: HashedFile,
        sighting: Sighting,
        look: Look,
        *,
        delimiter: str = ",",
        encoding: str = "utf-8",
        piece_bytes: int = PIECE_BYTES,
        stretch_bytes: int = STRETCH_BYTES,
    ) -> None:
        super().__init__(file, sighting, look)
        self._delimiter = delimiter
        self._encoding = encoding
        self._stretch_bytes = stretch_bytes
        self._text = TextBytes(file, encoding=encoding, piece_bytes=piece_bytes)
        self._scanner = RecordScanner(delimiter)

    def _parts(self) -> Iterator[pl.DataFrame]:
        blocks = LineBlocks(self._text)
        stretches: StretchReader | None = None
        for block in blocks:
            data = block
            end = blocks.end(is_truncated=self._text.is_truncated)
            if stretches is None:
                data = self._behind_header(data, end)
                if self._columns:
                    stretches = StretchReader(self._scanner, self._delimiter, self._columns)
            if stretches and len(data) >= self._stretch_bytes and end is not End.CUT:
                begin = self._scanner.line
                yield stretches.read(data)
                data = _behind(data, self._scanner.line - begin)
            if end is not End.MORE or (stretches and len(data) < self._stretch_bytes):
                lines = data.splitlines(keepends=True)
                begin = self._scanner.line
                records = list(self._scanner.records(lines, len(self._columns), end))
                if records:
                    yield frame_of(records, self._columns)
                data = b"".join(lines[self._scanner.line - begin :])
            blocks.give_back(data)
            self.lines = self._scanner.line - 1
            self.blank_lines = self._scanner.blank_lines

    def _no_rows(self) -> pl.DataFrame:
        return frame_of([], self._columns)

    def _behind_header(self, data: bytes, end: End) -> bytes:
        """Take the header off `data`, if all of it is there; give what follows.

        Raises:
            SourceUnreadable: There is none, or none that names columns.
        """
        head = data[:LOOK_AHEAD_BYTES]
        lines = head.splitlines(keepends=True)
        if len(head) < len(data):
            lines.pop()
            end = End.MORE
        begin = self._scanner.line
        record = next(self._scanner.records(lines, None, end), None)
        raw = b"".join(lines[: self._scanner.line - begin])
        if record is not None:
            self._columns = self._names(record, raw)
        elif len(head) < len(data):
            raise self._unreadable(binary_reason(head) or "no header in its first megabyte")
        elif end is not End.MORE:
            raise self._unreadable("empty: not even a header")
        return data[len(raw) :]

    def _names(self, record: Record, raw: bytes) -> tuple[str, ...]:
        if record.problem is Problem.TRUNCATED:
            raise self._unreadable("cut short within its header")
        if reason := binary_reason(raw.lstrip(b"\r\n")):
            raise self._unreadable(reason)
        if record.problem is Problem.ENCODING:
            raise self._unreadable(f"its header is no text in {self._encoding}: {record.text}")
        if record.cells is None:
            raise self._unreadable(f"its header has broken quoting: {record.text}")
        for position, name in enumerate(record.cells, start=1):
            if not name:
                raise self._unreadable(f"column {position} of its header has no name")
            if name in CONTROL_COLUMNS:
                raise self._unreadable(f"its column {name!r} is a name this package needs")
        names = [name for name in record.cells if name]
        name, count = Counter(names).most_common(1)[0]
        if count > 1:
            raise self._unreadable(f"its header names column {name!r} {count} times")
        return tuple(names)

    def _unreadable(self, reason: str) -> SourceUnreadable:
        return SourceUnreadable(self._sighting.name, reason)


def _behind(data: bytes, count: int) -> bytes:
    """Give what follows the first `count` lines of `data`."""
    return b"".join(data.splitlines(keepends=True)[count:])
