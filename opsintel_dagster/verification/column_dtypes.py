"""Which Polars dtype a Pandera dtype stands for, and whether a default is a value of it."""

from collections.abc import Callable
from typing import Any

import polars as pl
from pandera.engines import polars_engine


def default_value(default: object, dtype: pl.DataType) -> pl.Series | None:
    """The one value a default stands for; None if it is no value of the dtype.

    An expression is one value only where it is a literal that stays the same in the dtype.
    """
    try:
        if isinstance(default, pl.Expr):
            if not default.meta.is_literal(allow_aliasing=True):
                return None
            plain = pl.select(default).to_series()
            value = plain.cast(dtype)
            if not value.cast(plain.dtype).equals(plain):
                return None
        else:
            # The very conversion Pandera makes of a default.
            value = pl.select(pl.lit(default, dtype=dtype)).to_series()
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return None
    return value if len(value) == 1 and value.null_count() == 0 else None


def plain_dtype(declared: Any, refuse: Callable[[str, str], None]) -> pl.DataType | None:
    """The one Polars dtype a Pandera dtype stands for, if it stands for one."""
    why = _why_no_verdict(declared)
    if why is not None:
        refuse(*why)
        return None
    dtype = declared.type
    if isinstance(dtype, type):
        try:
            dtype = dtype()
        except TypeError:
            refuse(f"{dtype.__name__} alone is no dtype", f"Complete it: pl.{dtype.__name__}(...)")
            return None
    if not isinstance(dtype, pl.DataType) or isinstance(dtype, pl.Object | pl.Null | pl.Unknown):
        refuse(f"{dtype} is no dtype a text can become", "Use a Polars dtype that has values")
        return None
    return dtype


def _why_no_verdict(declared: Any) -> tuple[str, str] | None:
    """Reason and fix, where a Pandera dtype gives no verdict per cell."""
    match declared:
        case None:
            why = "it has no dtype, so neither cells nor routes can be typed", "Give it one"
        case polars_engine.PanderaSchema() | polars_engine.PydanticModel():
            fix = "Use pl.Struct, or flatten it to columns"
            why = "a nested schema has no verdict per cell", fix
        case polars_engine.Category():
            fix = "Use pl.Enum([...]), or a String with isin"
            why = "pandera's Category has no verdict per cell", fix
        case polars_engine.DateTime(time_zone_agnostic=True):
            fix = "Name the zone: pl.Datetime('us', 'UTC')"
            why = "any time zone is no dtype a cell can get", fix
        case _:
            return None
    return why
