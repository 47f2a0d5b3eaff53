"""What a contract verifies: batches with control columns, or any table as it is."""

from pathlib import Path
from typing import Any, Final

import polars as pl

INPUT: Final = "input"
"""What the one arrival is called that a table without control columns is."""


def as_frame(table: Any) -> pl.DataFrame:
    """A Polars frame of a Polars DataFrame or LazyFrame, a pandas frame or an Arrow table.

    Raises:
        TypeError: It is none of them.
    """
    if isinstance(table, pl.DataFrame):
        return table
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    if type(table).__module__.partition(".")[0] == "pandas" and hasattr(table, "columns"):
        # NaN is how pandas writes an empty cell; the index names no record.
        return pl.from_pandas(table)
    if hasattr(table, "__arrow_c_stream__"):
        return pl.DataFrame(table)
    message = (
        f"a {type(table).__name__} cannot be verified: give a Polars DataFrame or LazyFrame, a "
        "pandas DataFrame, or anything that speaks Arrow's C stream"
    )
    raise TypeError(message)


def numbered(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with `_row`, the number of the record, from 1."""
    if "_row" in frame.columns:
        return frame
    rows = pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True).alias("_row")
    return frame.clone().insert_column(0, rows)


def open_source(source: str | Path | pl.LazyFrame) -> pl.LazyFrame:
    """The rows of a Parquet or CSV file, unread; CSV as text, as what came in is kept.

    CSV is read by Polars, which stops at a record with too many cells and completes one with too
    few by empty ones. Ingestion, in front of an outcome, accounts for every line instead.

    Raises:
        ValueError: It has another suffix, or rows of several arrivals.
    """
    match source:
        case pl.LazyFrame():
            rows = source
        case str() | Path() if str(source).endswith((".parquet", ".pq")):
            rows = pl.scan_parquet(source)
        case str() | Path() if str(source).endswith(".csv"):
            rows = pl.scan_csv(source, infer_schema=False)
        case _:
            message = f"{source}: give a .parquet or .csv file, or scan it to a Polars LazyFrame"
            raise ValueError(message)
    if "_arrival" in rows.collect_schema():
        message = "the source has a column _arrival: give the rows of one arrival, without it"
        raise ValueError(message)
    return rows
