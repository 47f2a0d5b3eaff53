"""Raw frames of sources that have types and no lines."""

from typing import Final

import polars as pl

from opsintel_dagster.ingestion.raw import RAW_SCHEMA

SLICE_ROWS: Final = 250_000


def as_raw(frame: pl.DataFrame) -> pl.DataFrame:
    """Put the control columns, all null, before the typed columns of `frame`."""
    nothing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in RAW_SCHEMA.items()]
    return frame.select(*nothing, pl.all())
