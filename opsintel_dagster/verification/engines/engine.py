"""What is known of an engine: only where a fact is proven by tests is a rule translated."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import ibis
import ibis.expr.datatypes as dt
import polars as pl

from opsintel_dagster.verification.engines.refusals import NotTranslatedError

Value = Any
"""An Ibis column or scalar; Ibis' own types know less than the Polars dtype kept beside it."""


def _of_one(value: Any) -> Any:
    """The shape of a function of the engine; it is never called here."""


def _of_two(value: Any, other: Any) -> Any:
    """The same with two arguments."""


_builtin: Final[Any] = ibis.udf.scalar.builtin
_TEXTS: Final = dt.Array(dt.string)
_FLAGS: Final = dt.Array(dt.boolean)
_encode: Final = _builtin(_of_one, name="encode", signature=((dt.string,), dt.binary))
_decode: Final = _builtin(_of_one, name="decode", signature=((dt.binary,), dt.string))
_list_where: Final = _builtin(_of_two, name="list_where", signature=((_TEXTS, _FLAGS), _TEXTS))
_convert_to: Final = _builtin(
    _of_two, name="convert_to", signature=((dt.string, dt.string), dt.binary)
)
_convert_from: Final = _builtin(
    _of_two, name="convert_from", signature=((dt.binary, dt.string), dt.string)
)
_array_remove: Final = _builtin(
    _of_two, name="array_remove", signature=((_TEXTS, dt.string), _TEXTS)
)


class Engine(ABC):
    """One engine, as far as verdicts depend on it."""

    name: ClassVar[str]
    most_repeats: ClassVar[int]
    """The largest bound of `{n,m}` that its regular expressions take."""
    has_unsigned: ClassVar[bool]
    has_ieee_arithmetic: ClassVar[bool]
    """Whether float arithmetic and casts give infinity and zero where others raise."""

    hashes_null_joins: ClassVar[bool]
    """Whether a join in which null equals null costs what any other join does."""

    @abstractmethod
    def bytes_of(self, text: Value) -> Value:
        """The UTF-8 of a text: its order is that of code points, whatever the collation."""

    @abstractmethod
    def plain(self, text: Value) -> Value:
        """The text without the collation of its column: equal is what is equal to the letter."""

    @abstractmethod
    def chosen(self, flags: Mapping[str, Value]) -> Value:
        """The keys whose flag is true, as an array in their order."""

    def stored(self, dtype: pl.DataType) -> dt.DataType:
        """The type of the engine that holds every value of a Polars dtype.

        Raises:
            NotTranslatedError: There is none.
        """
        if dtype.is_unsigned_integer() and not self.has_unsigned:
            return _WIDER.get(type(dtype), dt.Decimal(20, 0))
        match dtype:
            case pl.Datetime() if dtype.time_unit == "us":
                return dt.Timestamp(None if dtype.time_zone is None else "UTC", 6)
            case pl.Decimal():
                return dt.Decimal(dtype.precision, dtype.scale)
        if type(dtype) not in STORED:
            reason = f"{dtype} has no type in {self.name} that holds the same values"
            raise NotTranslatedError(reason, "Verify the rows with `verify`")
        return STORED[type(dtype)]


class _DuckDB(Engine):
    """DuckDB compares floats as Polars does."""

    name = "duckdb"
    most_repeats = 1000
    has_unsigned = True
    has_ieee_arithmetic = True
    hashes_null_joins = True

    def bytes_of(self, text: Value) -> Value:
        return _encode(text)

    def plain(self, text: Value) -> Value:
        return _decode(_encode(text))

    def chosen(self, flags: Mapping[str, Value]) -> Value:
        # Not a filter over the array: Ibis writes its lambda as DuckDB no longer reads it.
        return _list_where(ibis.array(list(flags)), ibis.array(list(flags.values())))


class _PostgreSQL(Engine):
    """PostgreSQL orders texts by their collation, and raises where arithmetic overflows."""

    name = "postgres"
    most_repeats = 255
    has_unsigned = False
    has_ieee_arithmetic = False
    hashes_null_joins = False

    def bytes_of(self, text: Value) -> Value:
        return _convert_to(text, "UTF8")

    def plain(self, text: Value) -> Value:
        return _convert_from(_convert_to(text, "UTF8"), "UTF8")

    def chosen(self, flags: Mapping[str, Value]) -> Value:
        nothing = ibis.null(dt.string)
        named = [ibis.ifelse(flag, name, nothing) for name, flag in flags.items()]
        return _array_remove(ibis.array(named), nothing)


_WIDER: Final[Mapping[type[pl.DataType], dt.DataType]] = {
    pl.UInt8: dt.int16,
    pl.UInt16: dt.int32,
    pl.UInt32: dt.int64,
}
STORED: Final[Mapping[type[pl.DataType], dt.DataType]] = {
    pl.Boolean: dt.boolean,
    pl.Int8: dt.int8,
    pl.Int16: dt.int16,
    pl.Int32: dt.int32,
    pl.Int64: dt.int64,
    pl.UInt8: dt.uint8,
    pl.UInt16: dt.uint16,
    pl.UInt32: dt.uint32,
    pl.UInt64: dt.uint64,
    pl.Float32: dt.float32,
    pl.Float64: dt.float64,
    pl.String: dt.string,
    pl.Categorical: dt.string,
    pl.Enum: dt.string,
    pl.Binary: dt.binary,
    pl.Date: dt.date,
    pl.Time: dt.time,
}

ENGINES: Final[Mapping[str, Engine]] = {one.name: one for one in (_DuckDB(), _PostgreSQL())}


def engine_of(table: Any) -> Engine:
    """The engine a table lies in.

    Raises:
        TypeError: It is no Ibis table.
        NotTranslatedError: Nobody has proven that verdicts are the same there.
    """
    if not isinstance(table, ibis.Table):
        message = f"a {type(table).__name__} is no Ibis table; `verify` takes tables in memory"
        raise TypeError(message)
    name = table.get_backend().name
    if name not in ENGINES:
        reason = f"verdicts are proven to be the same in {' and '.join(ENGINES)}, not in {name}"
        raise NotTranslatedError(reason, "Verify the rows with `verify`, or copy them there")
    return ENGINES[name]
