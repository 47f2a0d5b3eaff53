"""Cells that somebody changes: in the type in which the source brings their column, and named."""

from typing import Final

import polars as pl

from opsintel_dagster.verification.text_forms import usual_form

AMENDED: Final = "_amended"
"""The columns of a row that were changed before it was judged."""

_LIST: Final = pl.List(pl.String)


def typed(column: str, text: str, dtype: pl.DataType) -> pl.Expr:
    """The text as a value of the type in which the source brought the column; empty: no value.

    Raises:
        ValueError: it is none.
    """
    if not text:
        return pl.lit(None, dtype=dtype)
    value = pl.select(cast_text(pl.lit(text), dtype)).item()
    if value is None:
        raise ValueError(f"`{text}` is no {dtype}, as which the source brings `{column}`")
    return pl.lit(value, dtype=dtype)


def added(rows: pl.DataFrame, column: str, names: pl.Expr) -> pl.DataFrame:
    """Add names to a list of each row."""
    if column in rows.columns:
        known = pl.col(column).fill_null(pl.lit([], dtype=_LIST))
        names = known.list.set_union(names)
    return rows.with_columns(names.list.sort().alias(column))


def cast_text(text: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Texts as values of a type: null where they are empty or none of it."""
    if dtype.is_nested() or dtype in (pl.Binary, pl.Duration):  # nobody writes these in a cell
        return pl.lit(None, dtype=dtype)
    return usual_form(pl.when(text != "").then(text), dtype).cast(dtype)
