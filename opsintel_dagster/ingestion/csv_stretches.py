"""CSV read a stretch of lines at a time: the same answers as record by record, in Polars.

A line without a quote is a record, and so is a line whose every quoted cell closes on it. Only the
rest, records over several lines and broken quoting, goes through the scanner.
"""

from collections.abc import Sequence
from typing import Final

import polars as pl
from polars.exceptions import ComputeError

from opsintel_dagster.ingestion.csv_records import RecordScanner
from opsintel_dagster.ingestion.line_blocks import End
from opsintel_dagster.ingestion.problem import Problem
from opsintel_dagster.ingestion.raw import Record, condemned, frame_of

_BLANK: Final = "blank"
_ODD: Final = "odd"
_PLAIN: Final = "plain"
_QUOTED: Final = "quoted"


class StretchReader:
    """Reads stretches of lines of one file whose columns are known."""

    def __init__(self, scanner: RecordScanner, delimiter: str, columns: Sequence[str]) -> None:
        self._scanner = scanner
        self._delimiter = delimiter
        self._columns = columns
        mark = rf"\x{ord(delimiter):02x}"
        cell = rf'(?:"(?:[^"]|"")*"|[^"{mark}]*)'
        self._closed = rf"^{cell}(?:{mark}{cell})*$"

    def read(self, data: bytes) -> pl.DataFrame:
        """Read `data`, complete lines behind which more may come.

        Stops like the scanner before a record that may go on; the scanner's `line` says where.
        """
        first = self._scanner.line
        lines = data.splitlines()
        table = self._judged(lines, has_quotes=b'"' in data)
        records: list[Record] = []
        stop = len(lines)
        if (table["_kind"] == _ODD).any():
            stop, is_taken, records = self._odd(table["_kind"], data.splitlines(keepends=True))
            table = table.filter(~is_taken).filter(pl.col("_line") < first + stop)
        kinds = table.partition_by("_kind", as_dict=True, maintain_order=True)
        parts = []
        for (kind,), part in kinds.items():
            if kind == _PLAIN:
                parts.append(self._split(part))
            elif kind == _QUOTED:
                parts.append(self._parsed(part, [lines[n - first] for n in part["_line"]]))
            elif kind == _BLANK:
                self._scanner.blank_lines += part.height
            else:
                problem = Problem(kind)
                records += [condemned(n, n, problem, lines[n - first]) for n in part["_line"]]
        self._scanner.line = first + stop
        if records or not parts:
            parts.append(frame_of(sorted(records, key=lambda record: record.line), self._columns))
        return parts[0] if len(parts) == 1 else pl.concat(parts).sort("_line")

    def _judged(self, lines: list[bytes], *, has_quotes: bool) -> pl.DataFrame:
        """Say of every line which kind it is: one to read, blank, odd, or the problem it has."""
        first = self._scanner.line
        raw = pl.Series("_raw", lines, dtype=pl.Binary)
        text = pl.col("_text")
        seen, is_quoted, is_odd = text, pl.lit(value=False), pl.lit(value=False)
        if has_quotes:
            is_quoted = pl.col("_raw").bin.contains(b'"')
            is_odd = is_quoted & ~text.str.contains(self._closed).fill_null(value=False)
            seen = text.str.replace_all('"[^"]*"', "")
        count = seen.str.count_matches(self._delimiter, literal=True)
        kind = (
            pl.when(is_odd)
            .then(pl.lit(_ODD))
            .when(text.is_null())
            .then(pl.lit(Problem.ENCODING.value))
            .when(text == "")
            .then(pl.lit(_BLANK))
            .when(text.str.contains("\0", literal=True))
            .then(pl.lit(Problem.NUL.value))
            .when(count != len(self._columns) - 1)
            .then(pl.lit(Problem.RAGGED.value))
            .when(is_quoted)
            .then(pl.lit(_QUOTED))
            .otherwise(pl.lit(_PLAIN))
        )
        numbers = pl.int_range(first, first + len(lines), dtype=pl.Int64).alias("_line")
        frame = pl.DataFrame([raw, _texts(raw, lines)])
        return frame.select(numbers, "_text", kind.alias("_kind"))

    def _odd(self, kinds: pl.Series, lines: list[bytes]) -> tuple[int, pl.Series, list[Record]]:
        """Have the scanner read the records that begin on an odd line.

        Gives the line to stop before, which lines were taken up by these records, and the records.
        """
        first = self._scanner.line
        is_taken = bytearray(len(lines))
        records: list[Record] = []
        stop = len(lines)
        resume = 0
        for index in (kinds == _ODD).arg_true():
            if index < resume:
                continue
            self._scanner.line = first + index
            record = self._scanner.record(lines, index, len(self._columns), End.MORE)
            if record is None:
                stop = index
                break
            records.append(record)
            resume = record.line_end + 1 - first
            is_taken[index:resume] = b"\x01" * (resume - index)
        self._scanner.line = first
        return stop, pl.Series(list(is_taken), dtype=pl.UInt8).cast(pl.Boolean), records

    def _split(self, part: pl.DataFrame) -> pl.DataFrame:
        cells = pl.col("_text").str.split_exact(self._delimiter, len(self._columns) - 1)
        named = part.select("_line", cells.struct.rename_fields(list(self._columns)).alias("_text"))
        columns = pl.col(self._columns)
        return _readable(named.unnest("_text"), pl.when(columns != "").then(columns))

    def _parsed(self, part: pl.DataFrame, lines: list[bytes]) -> pl.DataFrame:
        schema = dict.fromkeys(self._columns, pl.String)
        cells = pl.read_csv(
            b"\n".join(lines),
            has_header=False,
            schema=schema,
            separator=self._delimiter,
            infer_schema=False,
        )
        return _readable(part.select("_line").hstack(cells), pl.col(self._columns))


def _texts(raw: pl.Series, lines: list[bytes]) -> pl.Series:
    """Decode the lines, with null for those that are no UTF-8; Polars alone decodes all or none."""
    try:
        return raw.cast(pl.String).alias("_text")
    except ComputeError:
        return pl.Series("_text", list(map(_decoded, lines)), dtype=pl.String)


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _readable(frame: pl.DataFrame, columns: pl.Expr) -> pl.DataFrame:
    return frame.select(
        "_line",
        pl.col("_line").alias("_line_end"),
        pl.lit(None, dtype=pl.String).alias("_problem"),
        pl.lit(None, dtype=pl.String).alias("_text"),
        columns,
    )
