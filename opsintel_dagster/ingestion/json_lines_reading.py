"""Reading JSON lines: one object a line, its values kept as the text they were written as."""

import json
from collections.abc import Iterator
from typing import Final, NoReturn

import polars as pl

from opsintel_dagster.errors import SourceUnreadable
from opsintel_dagster.ingestion.file_reading import FileReading, Look
from opsintel_dagster.ingestion.hashed_file import HashedFile
from opsintel_dagster.ingestion.line_blocks import End, LineBlocks
from opsintel_dagster.ingestion.problem import Problem
from opsintel_dagster.ingestion.raw import CONTROL_COLUMNS, Record, condemned, frame_of
from opsintel_dagster.ingestion.sighting import Sighting
from opsintel_dagster.ingestion.text_bytes import TextBytes, binary_reason

PIECE_BYTES: Final = 4 << 20
_ARRAY: Final = "is a JSON array, not JSON lines: write one object a line"
_SNIFFED_BYTES: Final = 4 << 10


class _Number(str):
    """A number as it was written: 1.10 stays 1.10, and no integer is too long."""

    __slots__ = ()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _unique_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _decoder(number: type[str]) -> json.JSONDecoder:
    return json.JSONDecoder(
        parse_float=number,
        parse_int=number,
        parse_constant=_refuse_constant,
        object_pairs_hook=_unique_pairs,
    )


_FLAT: Final = _decoder(str)
_NESTED: Final = _decoder(_Number)
"""Only within nested values must numbers and texts be told apart, and that takes twice the time."""


class JsonLinesReading(FileReading):
    """A reading of a JSON lines file, gzipped or not.

    The columns are the union of all keys, in the order they appear. Texts are kept as they are,
    numbers as written, `true` and `false` so, null as null, objects and lists as compact JSON.
    """

    def __init__(
        self,
        file: HashedFile,
        sighting: Sighting,
        look: Look,
        *,
        encoding: str = "utf-8",
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        super().__init__(file, sighting, look)
        self._text = TextBytes(file, encoding=encoding, piece_bytes=piece_bytes)

    def _parts(self) -> Iterator[pl.DataFrame]:
        blocks = LineBlocks(self._text)
        has_object = is_array = False
        for data in blocks:
            end = blocks.end(is_truncated=self._text.is_truncated)
            lines = data.splitlines(keepends=True)
            if lines and not self.lines and (reason := binary_reason(lines[0][:_SNIFFED_BYTES])):
                raise self._unreadable(reason)
            if not self.records and data.lstrip().startswith(b"["):
                is_array = True
                if not data.lstrip().splitlines()[0].rstrip().endswith(b"]"):
                    raise self._unreadable(_ARRAY)
            rows = list(self._rows(lines, end))
            has_object = has_object or any(record.problem is None for record, _ in rows)
            if rows:
                yield self._frame(rows)
        if self.records and not has_object:
            none = f"is not JSON lines: none of its {self.records} records is an object"
            raise self._unreadable(_ARRAY if is_array else none)

    def _unreadable(self, reason: str) -> SourceUnreadable:
        return SourceUnreadable(self._sighting.name, reason)

    def _rows(self, lines: list[bytes], end: End) -> Iterator[tuple[Record, dict[str, str | None]]]:
        """Read each line as a record; its values beside it, because columns may still be added."""
        is_marked = False
        for index, raw in enumerate(lines):
            self.lines += 1
            body = raw.rstrip(b"\r\n")
            if end is End.CUT and index == len(lines) - 1 and body == raw:
                is_marked = True
                yield condemned(self.lines, self.lines, Problem.TRUNCATED, body), {}
            elif not body.strip():
                self.blank_lines += 1
            else:
                yield self._row(body)
        if end is End.CUT and not is_marked:
            line = self.lines + 1
            yield condemned(line, line, Problem.TRUNCATED, b""), {}

    def _row(self, body: bytes) -> tuple[Record, dict[str, str | None]]:
        line = self.lines
        problem = Problem.MALFORMED
        try:
            values = _values(body.decode())
            if values is not None:
                if b"\\u" not in body or not _has_nul(values):
                    return Record(line, line, None), values
                problem = Problem.NUL
        except UnicodeDecodeError:
            problem = Problem.ENCODING
        except (ValueError, RecursionError):
            pass  # no JSON, a key twice, half a surrogate pair: the reason code says malformed
        return condemned(line, line, problem, body), {}

    def _frame(self, rows: list[tuple[Record, dict[str, str | None]]]) -> pl.DataFrame:
        known = dict.fromkeys(self._columns)
        for _, values in rows:
            known.update(dict.fromkeys(values))
        self._columns = tuple(known)
        return frame_of(
            [
                record._replace(cells=tuple(map(values.get, self._columns)))
                for record, values in rows
            ],
            self._columns,
        )

    def _no_rows(self) -> pl.DataFrame:
        return frame_of([], self._columns)


def _values(text: str) -> dict[str, str | None] | None:
    """Read an object as texts; None if it is none, or has names that cannot be columns."""
    is_flat = "[" not in text and text.count("{") == 1
    found = (_FLAT if is_flat else _NESTED).decode(text)
    if not isinstance(found, dict) or "" in found or not CONTROL_COLUMNS.isdisjoint(found):
        return None
    return {
        key: value if value is None or type(value) is str else _compact(value)
        for key, value in found.items()
    }


def _has_nul(values: dict[str, str | None]) -> bool:
    """Whether a NUL was escaped in a text; fails on half a surrogate pair, which is no text."""
    joined = "".join((*values, *filter(None, values.values())))
    joined.encode()
    return "\0" in joined


def _compact(value: object) -> str:
    """Write a value without white space, its numbers as they were written."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(k)}:{_compact(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_compact, value)) + "]"
    return _quoted(value)


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
