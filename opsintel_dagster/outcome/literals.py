"""Values as SQL writes them, for conditions that are made of what was seen."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

import polars as pl


def equals(column: str, text: str, dtype: pl.DataType) -> str | None:
    """A condition that holds where the column has the value with this text; empty: has none.

    None: values of this type have no literal that says them exactly, or this is no value of it.
    """
    name = '"' + column.replace('"', '""') + '"'
    if not text:
        return f"{name} IS NULL"
    writer = _writer(dtype)
    try:
        literal = None if writer is None else writer(text)
    except ValueError:
        return None
    return None if literal is None else f"{name} = {literal}"


def _writer(dtype: pl.DataType) -> Callable[[str], str | None] | None:
    if dtype.is_integer():
        return lambda text: str(int(text))
    return _WRITERS.get(dtype)


_WRITERS: Final[Mapping[pl.DataType, Callable[[str], str | None]]] = {
    pl.String(): lambda text: "'" + text.replace("'", "''") + "'",
    pl.Date(): lambda text: f"DATE '{date.fromisoformat(text)}'",
    pl.Boolean(): lambda text: {"true": "TRUE", "false": "FALSE"}.get(text.lower()),
}
