"""CSV read record by record: the definition of what every line of a file is.

The grammar is RFC 4180 as Python's strict `csv.reader` reads it. This reader differs from that one
where an operation needs more: it tells an empty cell from a quoted empty text, knows the lines of
every record, and goes on behind whatever it cannot read.
"""

import re
from collections.abc import Iterator
from typing import Final

from opsintel_dagster.ingestion.line_blocks import End
from opsintel_dagster.ingestion.problem import Problem
from opsintel_dagster.ingestion.raw import Record, condemned

LOOK_AHEAD_LINES: Final = 1_000
LOOK_AHEAD_BYTES: Final = 1 << 20
"""How far a closing quote is looked for; further away, the opening quote is taken for a slip."""

_LOOKS: Final = (1, 16, LOOK_AHEAD_LINES)
_PATIENCE: Final = 64
"""Fruitless looks ahead allowed at once, and then one more for so many lines.

A file in which every line opens a quote would otherwise be read a thousand times over.
"""

_QUOTED: Final = re.compile(rb'"([^"]*+(?:""[^"]*+)*+)"')


class RecordScanner:
    """Cuts lines of UTF-8 text into records.

    Attributes:
        line: The physical line the next record begins on, 1-based.
        blank_lines: Lines without a character. They are no records, not even in a file of one
            column: there an empty value has to be written `""`, as every CSV writer does.
    """

    def __init__(self, delimiter: str) -> None:
        self.line = 1
        self.blank_lines = 0
        self._delimiter = delimiter
        self._separator = delimiter.encode()
        self._unquoted = re.compile(rb"[^\x%02x\r\n]*+" % ord(delimiter))
        self._fruitless = 0

    def records(self, lines: list[bytes], width: int | None, end: End) -> Iterator[Record]:
        """Read `lines`, each with its line end, as records of `width` cells (None: of any).

        Stops before a record that may go on behind `lines`; `line` then says where to begin again.
        """
        first = self.line
        last = None
        while (index := self.line - first) < len(lines):
            if lines[index] in {b"\n", b"\r\n", b"\r"}:
                self.blank_lines += 1
                self.line += 1
                continue
            last = self.record(lines, index, width, end)
            if last is None:
                return
            self.line = last.line_end + 1
            yield last
        if end is End.CUT and (last is None or last.problem is not Problem.TRUNCATED):
            yield condemned(self.line, self.line, Problem.TRUNCATED, b"")

    def record(self, lines: list[bytes], index: int, width: int | None, end: End) -> Record | None:
        """Read the record that begins on `lines[index]`, which is line `self.line` of the file.

        Gives None if it may go on behind `lines`.
        """
        line = lines[index]
        if end is End.CUT and index == len(lines) - 1 and not line.endswith((b"\n", b"\r")):
            return condemned(self.line, self.line, Problem.TRUNCATED, line)
        if b'"' not in line:
            return self._judged(line, 1, None, width)
        return self._quoted(lines, index, width, end)

    def _quoted(self, lines: list[bytes], index: int, width: int | None, end: End) -> Record | None:
        is_patient = self._fruitless <= _PATIENCE + self.line // _PATIENCE
        window: list[bytes] = []
        for look in _LOOKS if is_patient else _LOOKS[:1]:
            window = _window(lines, index, look)
            data = b"".join(window)
            found = self._cells(data)
            if found is None:
                continue
            cells, stop = found
            height = len(data[:stop].splitlines())
            if cells is not None:
                if end is End.CUT and _is_cut(lines, index + height):
                    return self._truncated(lines[index:])
                return self._judged(data[:stop], height, cells, width)
            problem = Problem.MALFORMED if height == 1 else Problem.UNCLOSED_QUOTE
            return condemned(self.line, self.line, problem, _body(lines[index]))
        if is_patient:
            is_all = index + len(window) == len(lines) and len(window) < LOOK_AHEAD_LINES
            if is_all and end is End.MORE:
                return None
            if is_all and end is End.CUT:
                return self._truncated(window)
            self._fruitless += 1
        return condemned(self.line, self.line, Problem.UNCLOSED_QUOTE, _body(lines[index]))

    def _cells(self, data: bytes) -> tuple[list[bytes | None] | None, int] | None:
        """Cut one record off the beginning of `data`, which ends with a line.

        Gives its cells and where it stops; no cells where something follows a closing quote; None
        where a quote is still open at the end.
        """
        cells: list[bytes | None] = []
        at = 0
        while True:
            if data.startswith(b'"', at):
                match = _QUOTED.match(data, at)
                if match is None:
                    return None
                cells.append(match[1].replace(b'""', b'"'))
            else:
                match = self._unquoted.match(data, at)
                cells.append(match[0] or None if match else None)
            at = match.end() if match else at
            if data.startswith(self._separator, at):
                at += 1
            elif at == len(data) or data.startswith((b"\n", b"\r"), at):
                return cells, at
            else:
                return None, at

    def _judged(
        self, raw: bytes, height: int, cells: list[bytes | None] | None, width: int | None
    ) -> Record:
        raw = _body(raw)
        line_end = self.line + height - 1
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return condemned(self.line, line_end, Problem.ENCODING, raw)
        if "\0" in text:
            return condemned(self.line, line_end, Problem.NUL, raw)
        if cells is None:
            values = [cell or None for cell in text.split(self._delimiter)]
        else:
            values = [None if cell is None else cell.decode() for cell in cells]
        if width is not None and len(values) != width:
            return condemned(self.line, line_end, Problem.RAGGED, raw)
        return Record(self.line, line_end, values)

    def _truncated(self, lines: list[bytes]) -> Record:
        return condemned(self.line, self.line + len(lines) - 1, Problem.TRUNCATED, b"".join(lines))


def _window(lines: list[bytes], index: int, look: int) -> list[bytes]:
    """Take the lines to look for a closing quote in: whole ones, and never less than one."""
    window = lines[index : index + look]
    size = 0
    for count, line in enumerate(window):
        size += len(line)
        if size > LOOK_AHEAD_BYTES and count:
            return window[:count]
    return window


def _body(line: bytes) -> bytes:
    if line.endswith(b"\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith((b"\n", b"\r")) else line


def _is_cut(lines: list[bytes], stop: int) -> bool:
    """Whether the lines before `stop` include a last one the file was cut in."""
    return stop == len(lines) and not lines[-1].endswith((b"\n", b"\r"))
