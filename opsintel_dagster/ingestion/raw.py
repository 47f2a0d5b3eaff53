"""Raw frames: the control columns, and frames built from records read one by one."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import polars as pl

from opsintel_dagster.ingestion.problem import Problem

RAW_SCHEMA: Final[Mapping[str, pl.DataType]] = {
    "_line": pl.Int64(),
    "_line_end": pl.Int64(),
    "_problem": pl.String(),
    "_text": pl.String(),
}
"""What every part of a reading carries before the source's own columns; `_row` is added last."""

CONTROL_COLUMNS: Final = frozenset(
    {
        "_arrival",
        "_cause",
        "_from",
        "_group",
        "_problem",
        "_record",
        "_route",
        "_route_rule",
        "_row",
        "_rules",
        "_seq",
        "_standing",
        "_tail",
        "_accepted",
        "_amended",
        "_amended_by",
        "_sent_to",
        *RAW_SCHEMA,
    }
)
"""Names that are taken: a source that uses one of them would overwrite our bookkeeping."""

_ESCAPED_BYTES: Final = {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(256)}


class Record(NamedTuple):
    """One record of a text file: its lines, and either its cells or what is wrong with it."""

    line: int
    line_end: int
    cells: Sequence[str | None] | None
    problem: Problem | None = None
    text: str | None = None


def condemned(line: int, line_end: int, problem: Problem, raw: bytes) -> Record:
    """Make the record of lines that cannot be read as cells."""
    return Record(line, line_end, None, problem, as_text(raw))


def as_text(raw: bytes) -> str:
    r"""Decode bytes that may not be text, with `\xNN` for what is none, and for NUL.

    NUL is valid UTF-8, but PostgreSQL refuses it, and these texts go into cases.
    """
    try:
        text = raw.decode("utf-8", "surrogatepass").translate(_ESCAPED_BYTES)
        text.encode()
    except UnicodeError:
        text = raw.decode("utf-8", "backslashreplace")
    return text.replace("\0", "\\x00")


def frame_of(records: Sequence[Record], columns: Sequence[str]) -> pl.DataFrame:
    """Build the frame of `records`; those with a problem have null in every column."""
    missing = (None,) * len(columns)
    rows = [missing if record.cells is None else record.cells for record in records]
    cells = zip(*rows, strict=True) if rows else ((),) * len(columns)
    return pl.DataFrame(
        [
            pl.Series("_line", [record.line for record in records], dtype=pl.Int64),
            pl.Series("_line_end", [record.line_end for record in records], dtype=pl.Int64),
            pl.Series("_problem", [record.problem for record in records], dtype=pl.String),
            pl.Series("_text", [record.text for record in records], dtype=pl.String),
            *(
                pl.Series(name, values, dtype=pl.String)
                for name, values in zip(columns, cells, strict=True)
            ),
        ]
    )
