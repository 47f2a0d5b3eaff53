"""Values that have a dtype already, and another one than the contract's.

Only what stays the same value is taken over: a cast there and back again must give what was. So
1.0 becomes the integer 1, and 1.5 breaks `<column>.coerce` (Pandera's own coercion would make it
1). One exception, since nearly nothing would pass otherwise: a float may lose precision in a
narrower float, as reading its text would. Dtypes of different kinds (a number and a date, a naive
and a zoned moment) have no same value, whatever Polars would cast.
"""

import polars as pl


def is_text(dtype: pl.DataType) -> bool:
    """Whether values of the dtype are texts, however they are kept."""
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or isinstance(dtype, pl.Boolean)


def are_of_one_kind(source: pl.DataType, target: pl.DataType) -> bool:
    """Whether values of the two dtypes can be the same value."""
    match source, target:
        case pl.Datetime(), pl.Datetime():
            return (source.time_zone is None) == (target.time_zone is None)
        case (pl.Datetime(), pl.Date()) | (pl.Date(), pl.Datetime()):
            return (
                getattr(source, "time_zone", None) or getattr(target, "time_zone", None)
            ) is None
        case pl.Duration(), pl.Duration():
            return True
        case _, pl.String():
            has_no_text = pl.Binary | pl.Object | pl.Duration
            return not (source.is_nested() or isinstance(source, has_no_text))
        case _:
            return (_is_number(source) and _is_number(target)) or (
                is_text(source) and is_text(target)
            )


def cast_lossless(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """`values` as `dtype`; null where the value would not be the same."""
    if not are_of_one_kind(values.dtype, dtype):
        return pl.Series(values.name, [None] * len(values), dtype=dtype)
    cast = _cast(values, dtype)
    if isinstance(dtype, pl.String):
        return cast
    if values.dtype.is_float() and dtype.is_float():
        is_same = cast.is_infinite() == values.is_infinite()
    else:
        is_same = _cast(cast, values.dtype).eq_missing(values)
    frame = pl.DataFrame({"value": cast, "same": is_same})
    kept = pl.when(pl.col("same")).then(pl.col("value"))
    return frame.select(kept.alias(values.name)).to_series()


def _cast(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Polars knows no way between truth values and decimals; 0 and 1 are one."""
    kinds = {values.dtype.base_type(), dtype.base_type()}
    if kinds == {pl.Boolean, pl.Decimal}:
        values = values.cast(pl.UInt8, strict=False)
    return values.cast(dtype, strict=False)
