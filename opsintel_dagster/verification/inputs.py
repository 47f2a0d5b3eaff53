"""What a contract verifies: batches with control columns, or any table as it is."""

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
    return frame.select(rows, *frame.columns)
