"""Values of an engine that stand for values of Polars, to the last bit."""

import datetime
import decimal
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import polars as pl

from opsintel_dagster.verification.engines.engine import Engine, Value


@dataclass(frozen=True, slots=True)
class Cell:
    """The typed cells of a column."""

    value: Value
    failed: Value | None
    """Where the cell is no value of the dtype; None if that cannot be."""


def literal(value: Any, dtype: pl.DataType, engine: Engine) -> Value:
    """The value of a dtype; null if it is None.

    Floats and moments are written as texts and cast: what an engine reads from a text is the
    nearest value, what it makes of a decimal constant need not be.
    """
    stored = engine.stored(dtype)
    if value is None:
        return ibis.null(stored)
    match value:
        case bool() | str() | bytes() | int():
            return ibis.literal(value, type=stored)
        case float():
            return ibis.literal(repr(pl.Series([value]).cast(dtype).item())).cast("float64")
        case decimal.Decimal():
            return ibis.literal(str(value)).cast(stored)
        case datetime.date() | datetime.time():
            return ibis.literal(value.isoformat()).cast(stored)
    message = f"a {type(value).__name__} is no value of {dtype}"
    raise TypeError(message)


def bounds(dtype: pl.DataType) -> tuple[int, int]:
    """The least and the greatest value of an integer dtype."""
    empty = pl.Series([], dtype=dtype)
    return int(empty.lower_bound().item()), int(empty.upper_bound().item())


def bits(dtype: pl.DataType) -> int:
    """How many bits an integer dtype has."""
    low, high = bounds(dtype)
    return (high - low + 1).bit_length() - 1


def whole_number(number: int) -> Value:
    """A whole number that may be larger than any integer of the engine."""
    return ibis.literal(str(number)).cast(dt.Decimal(38, 0))


def is_within(value: Value, least: int, greatest: int) -> Value:
    """Whether an integer lies between two that may be larger than any of the engine."""
    return value.cast(dt.Decimal(38, 0)).between(whole_number(least), whole_number(greatest))
