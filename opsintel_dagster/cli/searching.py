"""Finding records by key in the Parquet files the ledger names.

The ledger has no row per record, so this reads the key columns of every raw file. Raw values are
texts: they are compared as texts, and where the contract says number, as numbers too. What typing
may have written differently (dates, booleans) is looked up in the verified files as well.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.cli.keys import RECORD
from opsintel_dagster.ledger import arrivals, batches
from opsintel_dagster.ledger.batches import BatchKind, Role
from opsintel_dagster.store import Store

FILES_AT_ONCE: Final = 64
Schema = Mapping[str, pl.DataType]


@dataclass(frozen=True)
class Found:
    """One record as it came in.

    `is_certain` is false for a line that could not be read and has the values somewhere in it.
    """

    arrival: str
    row: int
    batch: str
    raw: Mapping[str, Any]
    is_certain: bool = True


@dataclass
class Search:
    """Looks through the files of one outcome, in one snapshot of the ledger."""

    store: Store
    connection: Connection
    outcome: str

    def find(self, key: Mapping[str, str]) -> list[Found]:
        """The records whose columns have these values, in the order of their batches."""
        types = self._types()
        found = list(self._raw(partial(raw_condition, key, types)))
        known = {(one.arrival, one.row) for one in found}
        if any(_is_written_freely(types.get(column)) for column in key):
            found += [one for one in self._typed(key) if (one.arrival, one.row) not in known]
        return found

    def near(self, key: Mapping[str, str], most: int = 5) -> list[dict[str, Any]]:
        """Values of the key's columns in records that differ in one of them."""
        types = self._types()
        near: list[dict[str, Any]] = []
        for left_out in reversed(list(key)):
            rest = {column: text for column, text in key.items() if column != left_out}
            if not rest or RECORD in key:
                continue
            for one in self._raw(partial(raw_condition, rest, types)):
                values = {column: one.raw.get(column) for column in key}
                if one.is_certain and values not in near:
                    near.append(values)
                if len(near) >= most:
                    return near
        return near

    def values(self, column: str, most: int = 10_000) -> list[str]:
        """Different values of one column."""
        seen: dict[str, None] = {}
        for frames in _collected(
            rows.select(pl.col(column).cast(pl.String).drop_nulls().unique())
            for _, rows in self._files(Role.RAW)
            if column in rows.collect_schema()
        ):
            seen |= dict.fromkeys(frames.to_series().to_list())
            if len(seen) >= most:
                break
        return list(seen)

    def _raw(
        self, condition: Callable[[Schema], pl.Expr | None], batch_id: str | None = None
    ) -> Iterator[Found]:
        wanted: list[tuple[Row[Any], pl.LazyFrame]] = []
        for file, stored in self._files(Role.RAW, batch_id):
            rows = stored
            if "_arrival" not in rows.collect_schema():  # one arrival, too large to share a batch
                alone = arrivals.in_batch(self.connection, file.batch_id)[0].id
                rows = rows.with_columns(pl.lit(alone).alias("_arrival"))
            fits = condition(rows.collect_schema())
            if fits is not None:
                wanted.append((file, rows.filter(fits)))
        frames = _collected(rows for _, rows in wanted)
        for (file, _), frame in zip(wanted, frames, strict=True):
            for row in frame.iter_rows(named=True):
                is_certain = row.get("_problem") is None
                yield Found(row["_arrival"], row["_row"], file.batch_id, row, is_certain)

    def _typed(self, key: Mapping[str, str]) -> Iterator[Found]:
        for file, rows in self._files(Role.VERIFIED):
            fits = typed_condition(key, rows.collect_schema())
            if fits is not None:
                records = rows.filter(fits).select("_arrival", "_row").collect()
                if not records.is_empty():
                    yield from self._raw(partial(_one_of, records), file.batch_id)

    def _types(self) -> Schema:
        """The contract's columns and their types, as the newest verified file has them."""
        files = batches.files_of_outcome(self.connection, self.outcome, Role.VERIFIED)
        return self.store.scan([files[-1].path]).collect_schema() if files else {}

    def _files(
        self, role: Role, batch_id: str | None = None
    ) -> Iterator[tuple[Row[Any], pl.LazyFrame]]:
        """Files of one role in batches of arrivals: a replay holds no record they do not."""
        kinds = (BatchKind.ARRIVALS,)
        for file in batches.files_of_outcome(self.connection, self.outcome, role, kinds=kinds):
            if file.rows and batch_id in (None, file.batch_id):
                yield file, self.store.scan([file.path])


def _collected(rows: Iterator[pl.LazyFrame]) -> Iterator[pl.DataFrame]:
    """Collect many frames, so many at once that the disk and both cores are busy."""
    some: list[pl.LazyFrame] = []
    for one in rows:
        some.append(one)
        if len(some) == FILES_AT_ONCE:
            yield from pl.collect_all(some)
            some = []
    yield from pl.collect_all(some)


def _one_of(records: pl.DataFrame, _schema: Schema) -> pl.Expr:
    names = pl.concat_str("_arrival", pl.col("_row").cast(pl.String), separator=":")
    return names.is_in([f"{arrival}:{row}" for arrival, row in records.iter_rows()])


def raw_condition(key: Mapping[str, str], types: Schema, schema: Schema) -> pl.Expr | None:
    """Which raw rows have these values; None if a column is not even there."""
    if RECORD in key:
        arrival, _, row = key[RECORD].rpartition(":")
        is_row = pl.col("_row") == (int(row) if row.isdecimal() else -1)
        return (pl.col("_arrival") == arrival) & is_row
    unread = pl.lit(value=False)
    if "_text" in schema:
        texts = [pl.col("_text").str.contains(text, literal=True) for text in key.values() if text]
        unread = pl.all_horizontal(texts) if texts else unread
    if any(column not in schema for column in key):
        return unread if "_text" in schema else None
    fits = [_has(column, schema[column], text, types.get(column)) for column, text in key.items()]
    return pl.all_horizontal(fits).fill_null(value=False) | unread.fill_null(value=False)


def typed_condition(key: Mapping[str, str], schema: Schema) -> pl.Expr | None:
    """Which typed rows have these values; None if a value is none of its column's type."""
    if any(column not in schema for column in key):
        return None
    values = {column: literal(text, schema[column]) for column, text in key.items()}
    if any(value is None and key[column] for column, value in values.items()):
        return None
    return pl.all_horizontal(
        pl.col(column).eq_missing(pl.lit(value, dtype=schema[column]))
        for column, value in values.items()
    )


def _has(column: str, source: pl.DataType, text: str, target: pl.DataType | None) -> pl.Expr:
    cell = pl.col(column)
    if source != pl.String:
        value = literal(text, source)
        return (
            cell.eq_missing(pl.lit(value, dtype=source))
            if value is not None or not text
            else (pl.lit(value=False))
        )
    stripped = cell.str.strip_chars()
    if not text:
        return cell.is_null() | (stripped == "")
    same = stripped == text
    number = literal(text, target) if target is not None and target.is_numeric() else None
    if number is None or target is None:
        return same
    return same | (stripped.cast(target, strict=False) == pl.lit(number, dtype=target))


def _is_written_freely(dtype: pl.DataType | None) -> bool:
    return dtype is not None and not dtype.is_numeric() and dtype != pl.String


def literal(text: str, dtype: pl.DataType) -> Any:
    """The value of this type that a person's text means; None if it means none."""
    try:
        return _read(text.strip(), dtype)
    except (ValueError, ArithmeticError):
        return None


def _read(text: str, dtype: pl.DataType) -> Any:
    if not text:
        return None
    if dtype.is_integer():
        return int(text)
    if dtype.is_float():
        return float(text)
    if isinstance(dtype, pl.Boolean):
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    readers: dict[type[pl.DataType], Callable[[str], Any]] = {
        pl.Decimal: Decimal,
        pl.Date: date.fromisoformat,
        pl.Datetime: datetime.fromisoformat,
        pl.Time: time.fromisoformat,
    }
    return readers.get(type(dtype), str)(text)
