"""Typing the columns of a table in its engine, cell by cell, as `verification.cells` does."""

from collections.abc import Collection

import ibis
import ibis.expr.datatypes as dt
import polars as pl

from opsintel_dagster.verification.engines.engine import Engine, Value
from opsintel_dagster.verification.engines.refusals import NotTranslatedError
from opsintel_dagster.verification.engines.texts import read_text
from opsintel_dagster.verification.engines.values import Cell, bits, bounds, is_within, literal
from opsintel_dagster.verification.lossless import are_of_one_kind, is_text
from opsintel_dagster.verification.schema_reading import ContractColumn
from opsintel_dagster.verification.text_forms import reads_every_text


def source_dtype(stored: dt.DataType) -> pl.DataType | None:
    """The Polars dtype whose values a type of an engine holds; None if there is none."""
    if stored.is_null():
        return pl.Null()
    if stored.is_decimal():
        is_bounded = stored.precision is not None and stored.scale is not None
        return pl.Decimal(stored.precision, stored.scale) if is_bounded else None
    if stored.is_timestamp():
        return pl.Datetime("us", stored.timezone) if stored.scale in {None, 6} else None
    try:
        dtype = ibis.schema({"column": stored}).to_polars()["column"]
    except (NotImplementedError, ValueError, KeyError):
        return None
    plain = dtype() if isinstance(dtype, type) else dtype
    return None if plain.is_nested() or isinstance(plain, pl.Duration) else plain


def type_cells(
    cell: Value | None, column: ContractColumn, null_values: Collection[str], engine: Engine
) -> Cell:
    """Give the cells of a column the contract's dtype.

    Args:
        cell: The column of the table; None if it has none.
        column: The column of the contract.
        null_values: Texts that stand for null.
        engine: Where the table lies.

    Raises:
        NotTranslatedError: It cannot be proven that the same cells would fail.
    """
    stored = engine.stored(column.dtype)
    if cell is None:
        return _with_default(Cell(ibis.null(stored), None), column, engine)
    source = source_dtype(cell.type())
    if source is None:
        reason = f"its type {cell.type()} in {engine.name} is none of Polars'"
        raise NotTranslatedError(reason, "Cast it in the table that you give")
    if isinstance(source, pl.Null):
        typed = Cell(ibis.null(stored), None)
    elif is_text(source) and not isinstance(column.dtype, pl.String):
        text = engine.plain(cell)
        empty = text.isin(sorted({"", *null_values}))
        typed = read_text(ibis.ifelse(empty, ibis.null(dt.string), text), column.dtype, engine)
    elif is_text(source):
        text = engine.plain(cell)
        if null_values:
            text = ibis.ifelse(text.isin(sorted(null_values)), ibis.null(dt.string), text)
        typed = Cell(text, None)
    else:
        typed = cast_lossless(cell, source, column.dtype, engine)
    return _with_default(typed, column, engine)


def is_empty(value: Value, dtype: pl.DataType) -> Value:
    """Where a value is null; NaN is, as in Pandera."""
    if dtype.is_float():
        return value.isnull() | value.isnan().fill_null(False)
    return value.isnull()


def _with_default(typed: Cell, column: ContractColumn, engine: Engine) -> Cell:
    if column.default is None:
        return typed
    empty = is_empty(typed.value, column.dtype)
    if typed.failed is not None:
        empty &= ~typed.failed
    default = literal(_plain_default(column), column.dtype, engine)
    return Cell(ibis.ifelse(empty, default, typed.value), typed.failed)


def _plain_default(column: ContractColumn) -> object:
    return pl.select(pl.lit(column.default, dtype=column.dtype)).item()


def cast_lossless(cell: Value, source: pl.DataType, target: pl.DataType, engine: Engine) -> Cell:
    """Values of another dtype, as far as they are the same value: `lossless`, in an engine.

    Raises:
        NotTranslatedError: Engines may disagree with Polars about what is the same.
    """
    stored = engine.stored(target)
    if source == target or (
        isinstance(source, pl.Datetime)
        and isinstance(target, pl.Datetime)
        and (source.time_zone is None) == (target.time_zone is None)
    ):
        return Cell(cell if cell.type() == stored else cell.cast(stored), None)
    if not are_of_one_kind(source, target):
        if reads_every_text(target):
            reason = f"{source} is no {target}, so an arrival with any value would be held"
            raise NotTranslatedError(reason, "Cast it in the table that you give")
        return Cell(ibis.null(stored), cell.notnull())
    kept = _kept(cell, source, target)
    if isinstance(target, pl.Boolean):
        cell = cell == 1
    elif isinstance(source, pl.Boolean) and target.is_numeric():
        cell = cell.cast(dt.int32)  # the only number PostgreSQL makes of it
    if kept is None:
        return Cell(cell.cast(stored), None)
    same = ibis.ifelse(kept, cell, ibis.null(cell.type())).cast(stored)
    return Cell(same, cell.notnull() & ~kept.fill_null(False))


def _kept(cell: Value, source: pl.DataType, target: pl.DataType) -> Value | None:
    """Where the value stays the same; None if it always does."""
    kept: Value | None = None
    match source, target:
        case (_, pl.String()) if source.is_integer() or source == pl.Boolean:
            pass
        case (pl.Boolean(), _) if target.is_integer() or target.is_float():
            pass
        case (_, pl.Boolean()) if source.is_numeric():
            kept = cell.isin([0, 1])
        case (pl.Decimal(), pl.Decimal()) if _holds_decimal(source, target):
            pass
        case (_, pl.Decimal()) if source.is_integer():
            kept = is_within(cell, *_whole_bounds(target))
        case (pl.Float32(), pl.Float64()) | (pl.Date(), pl.Datetime()):
            pass
        case _ if source.is_integer() and target.is_integer():
            (low, high), (least, greatest) = bounds(source), bounds(target)
            if low < least or high > greatest:
                kept = is_within(cell, least, greatest)
        case _ if source.is_integer() and target.is_float():
            kept = _fits_mantissa(cell, source, 53 if target == pl.Float64 else 24)
        case _ if source.is_float() and target.is_integer() and target != pl.UInt64:
            least, greatest = bounds(target)
            within = (cell >= float(least)) & (cell < float(greatest + 1))
            # Outside of it lie infinity and NaN, of which no engine takes the floor.
            kept = within & (ibis.ifelse(within, cell, 0.0).floor() == cell)
        case _:
            reason = f"whether a {source} is the same value as {target} is not asked alike"
            raise NotTranslatedError(reason, f"Cast it to {target} in the table that you give")
    return kept


def _holds_decimal(source: pl.Decimal, target: pl.Decimal) -> bool:
    whole = source.precision - source.scale
    return target.scale >= source.scale and target.precision - target.scale >= whole


def _whole_bounds(target: pl.Decimal) -> tuple[int, int]:
    greatest = 10 ** (target.precision - target.scale) - 1
    return -greatest, greatest


def _fits_mantissa(cell: Value, source: pl.DataType, mantissa: int) -> Value | None:
    """Where an integer is a float to the last bit: large ones must end in zeros."""
    width = bits(source)
    if width - source.is_signed_integer() <= mantissa:
        return None
    low, high = bounds(source)
    wide = cell.cast(dt.Decimal(20, 0)) if width == 64 else cell.cast(dt.int64)
    kept = is_within(wide, max(low, -(2**mantissa)), 2**mantissa)
    for zeros in range(1, width - mantissa + 1):
        reach = 2 ** (mantissa + zeros)
        between = is_within(wide, max(low, -reach), min(high, reach))
        kept |= between & (wide % 2**zeros == 0)
    return kept
