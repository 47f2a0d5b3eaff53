"""Typing a frame cell by cell: a bad cell condemns its row, not its column.

All columns are read in one parallel pass in their usual form; only the cells that pass left empty
are looked at a second time, for the rarer forms and the null tokens of the source.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

from opsintel_dagster.verification.lossless import cast_lossless, is_text
from opsintel_dagster.verification.masks import nobody
from opsintel_dagster.verification.schema_reading import ContractColumn
from opsintel_dagster.verification.text_forms import any_form, overflowed, usual_form


@dataclass(frozen=True, slots=True)
class TypedCells:
    """The contract's columns with their dtypes, and which cells could not get theirs."""

    frame: pl.DataFrame
    failed: Mapping[str, pl.Series]
    """Column to mask of the rows whose cell is no value of the dtype; only columns with such."""


def type_cells(
    raw: pl.DataFrame, columns: Mapping[str, ContractColumn], null_values: Collection[str]
) -> TypedCells:
    """Give each column of the contract its dtype; a column `raw` lacks becomes null.

    Args:
        raw: The source's columns, text or typed.
        columns: The contract's columns.
        null_values: Texts that stand for null in any column.
    """
    prepared = _without_null_tokens(raw, columns, null_values)
    texts = {
        name: usual_form(pl.col(name), column.dtype)
        for name, column in columns.items()
        if name in prepared.columns and _reads_text(prepared.schema[name], column.dtype)
    }
    # In `select` alone a dtype without a usual form, which is a literal, would be one row.
    usual = prepared.with_columns(**texts).select(list(texts)) if texts else pl.DataFrame()
    typed: dict[str, pl.Series] = {}
    failed: dict[str, pl.Series] = {}
    for name, column in columns.items():
        values, bad = _values(prepared, usual, column, null_values, raw.height)
        if bad is not None:
            failed[name] = bad
        typed[name] = _with_default(values, column, bad)
    return TypedCells(pl.DataFrame(typed), failed)


def _reads_text(source: pl.DataType, target: pl.DataType) -> bool:
    return source != target and is_text(source) and not isinstance(target, pl.String)


def _without_null_tokens(
    raw: pl.DataFrame, columns: Mapping[str, ContractColumn], null_values: Collection[str]
) -> pl.DataFrame:
    """The contract's columns of `raw`, less those tokens that would be read as a value."""
    there = [name for name in columns if name in raw.columns]
    changed: list[pl.Expr] = []
    for name in there:
        source, target = raw.schema[name], columns[name].dtype
        tokens = _tokens_read_as_values(target, null_values) if is_text(source) else []
        is_read = _reads_text(source, target)
        text = pl.col(name).cast(pl.String)
        if tokens:
            changed.append(pl.when(~text.is_in(tokens)).then(text if is_read else pl.col(name)))
        elif is_read and source != pl.String:
            changed.append(text)
    return raw[there].with_columns(changed) if changed else raw[there]


def _tokens_read_as_values(dtype: pl.DataType, null_values: Collection[str]) -> list[str]:
    if isinstance(dtype, pl.String):
        return sorted(null_values)
    tokens = pl.Series("t", sorted({"", *null_values}), dtype=pl.String)
    usual = pl.DataFrame({"t": tokens}).select(usual_form(pl.col("t"), dtype)).to_series()
    is_value = usual.is_not_null() | any_form(tokens, dtype).is_not_null()
    return tokens.filter(is_value).to_list()


def _values(
    prepared: pl.DataFrame,
    usual: pl.DataFrame,
    column: ContractColumn,
    null_values: Collection[str],
    height: int,
) -> tuple[pl.Series, pl.Series | None]:
    """The typed column and the mask of cells that are no value of it (None: there are none)."""
    name, dtype = column.name, column.dtype
    if name not in prepared.columns:
        nothing = pl.Series(name, [None], dtype=dtype)
        return nothing.new_from_index(0, height), None
    cells = prepared.get_column(name)
    if cells.dtype == dtype:
        return cells, None
    if isinstance(cells.dtype, pl.Null):
        return cells.cast(dtype), None
    if name in usual.columns:
        return _second_reading(cells, usual.get_column(name), dtype, null_values)
    values = cast_lossless(cells, dtype)
    bad = cells.is_not_null() & values.is_null()
    return values, bad if bad.any() else None


def _second_reading(
    cells: pl.Series, values: pl.Series, dtype: pl.DataType, null_values: Collection[str]
) -> tuple[pl.Series, pl.Series | None]:
    if dtype.is_float() and values.is_infinite().any():
        lost = overflowed(cells, values)
        values = values.zip_with(~lost, pl.Series([None], dtype=dtype))
    bad = cells.is_not_null() & values.is_null()
    if not bad.any():
        return values, None
    rows = bad.arg_true()
    texts = cells.gather(rows)
    again = any_form(texts, dtype)
    if again.is_not_null().any():
        values = values.scatter(rows, again)
    still = again.is_null() & ~texts.is_in(["", *null_values])
    bad = nobody(len(cells)).scatter(rows.filter(still), True)
    return values, bad if still.any() else None


def _with_default(values: pl.Series, column: ContractColumn, failed: pl.Series | None) -> pl.Series:
    """Fill nulls (and NaN) by the column's default, as Pandera does after its coercion."""
    if column.default is None:
        return values
    is_empty = values.is_null()
    if column.dtype.is_float():
        is_empty |= values.is_nan().fill_null(value=False)
    if failed is not None:
        is_empty &= ~failed
    default = pl.select(pl.lit(column.default, dtype=column.dtype)).to_series()
    return values.zip_with(~is_empty, default)
