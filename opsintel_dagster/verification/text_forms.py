r"""Which texts are a value of which dtype, and reading them.

A text that is not listed is no value: the cell breaks `<column>.coerce`. Nothing is trimmed,
rounded, completed or guessed. Polars alone accepts more (`2013-1-1`, second 60, `1e400` as
infinity, years beyond what nanoseconds hold wrapped around), so shapes are checked first.

| dtype | texts | not |
|---|---|---|
| Int, UInt | `12`, `+12`, `-7`, `007`, within the dtype's range | `12.0`, `1e3`, `1_000`, ` 12` |
| Float | `12`, `1.5`, `.5`, `1e-3`, `inf`, `-Infinity`, `nan` (any case) | `1,5`, `1e400`, blanks |
| Decimal | `12`, `-1.50`, `.5`; digits beyond the scale only if zeros | `1e3`, `1.555` at scale 2 |
| Boolean | `true`, `false`, `1`, `0` (any case) | `t`, `yes`, blanks |
| Date | `2013-01-31` (years 0001-9999) | `2013-1-1`, `20130131`, a date with a time |
| Datetime | `2013-01-31T09:05[:07[.123]]`, `T` or one blank between | with an offset; a bare date |
| Datetime with zone | the same followed by `Z`, `+02:00` or `+0200` | without an offset: a guess |
| Time | `09:05[:07[.123]]` | `24:00`, `9:05` |
| Duration | `[-]P1DT2H3M4.5S` (no years, months), `[-]HH:MM:SS[.5]` | a bare number: no unit |
| String, Categorical | every text | - |
| Enum | its categories, to the letter | everything else |
| Binary | every text, as UTF-8 | - |
| List, Array, Struct | - | every text |

Fractions of a second finer than the dtype's unit are accepted only if they are zeros. The empty
text is null everywhere but in String, where it stays the empty text. `nan` is read as NaN, which
`<column>.not_null` counts as null.
"""

from typing import Final, Literal

import polars as pl

_YEAR: Final = r"(?:[1-9]\d{3}|0[1-9]\d{2}|00[1-9]\d|000[1-9])"
_DATE: Final = _YEAR + r"-\d{2}-\d{2}"
_CLOCK: Final = r"\d{2}:\d{2}:[0-5]\d"
_OFFSET: Final = r"(?:Z|[+-]\d{2}:?\d{2})"
_DIGITS: Final = {"ms": 3, "us": 6, "ns": 9}
_PER_SECOND: Final = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def reads_every_text(dtype: pl.DataType) -> bool:
    """Whether no text can break `coerce` of such a column."""
    return isinstance(dtype, pl.String | pl.Categorical | pl.Binary)


def _fraction(digits: int) -> str:
    return rf"(?:\.\d{{1,{digits}}}0*)?"


def _only(text: pl.Expr, shape: str) -> pl.Expr:
    return pl.when(text.str.contains(f"^{shape}$")).then(text)


def _decimal_shape(scale: int) -> str:
    tail = rf"\d{{0,{scale}}}0*"
    return (
        rf"[+-]?(?:\d+(?:\.{tail})?|\.(?:\d{{1,{max(scale, 1)}}}0*))"
        if scale
        else (r"[+-]?(?:\d+(?:\.0*)?|\.0+)")
    )


def _datetime(text: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
    shape = f"{_DATE}T{_CLOCK}{_fraction(_DIGITS[dtype.time_unit])}"
    form = "%Y-%m-%dT%H:%M:%S%.f"
    if dtype.time_zone is not None:
        shape, form = shape + _OFFSET, form + "%#z"
    shaped = _only(text, shape)

    def read(unit: Literal["ms", "us", "ns"]) -> pl.Expr:
        if dtype.time_zone is None:
            return shaped.str.to_datetime(form, time_unit=unit, strict=False)
        moment = shaped.str.to_datetime(form, time_unit=unit, time_zone="UTC", strict=False)
        return moment.dt.convert_time_zone(dtype.time_zone)

    value = read(dtype.time_unit)
    if dtype.time_unit == "ns":
        # 64 bits of nanoseconds end in 2262; Polars wraps around silently.
        value = pl.when(value.dt.cast_time_unit("us") == read("us")).then(value)
    return value


def usual_form(text: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The values of `text` in the form most files have; null for every other text.

    What is null here is looked at again by `any_form`, which knows the rarer forms: so the
    common case costs one parse of the column.
    """
    match dtype:
        case pl.Decimal():
            value = _only(text, _decimal_shape(dtype.scale)).cast(dtype, strict=False)
        case pl.Boolean():
            lower = text.str.to_lowercase()
            yes, no = lower.is_in(["true", "1"]), lower.is_in(["false", "0"])
            value = pl.when(yes).then(pl.lit(value=True)).when(no).then(pl.lit(value=False))
        case pl.Date():
            value = _only(text, _DATE).str.to_date("%Y-%m-%d", strict=False)
        case pl.Datetime():
            value = _datetime(text, dtype)
        case pl.Time():
            value = _only(text, _CLOCK + _fraction(9)).str.to_time("%H:%M:%S%.f", strict=False)
        case pl.Duration() | pl.List() | pl.Array() | pl.Struct():
            value = pl.lit(None, dtype=dtype)
        case _:
            value = text.cast(dtype, strict=False)
    return value


def any_form(text: pl.Series, dtype: pl.DataType) -> pl.Series:
    """The values of texts that are not in the usual form; null where a text is no value."""
    match dtype:
        case pl.Datetime():
            return _read(text, _with_seconds(dtype), dtype)
        case pl.Time():
            completed = pl.when(pl.col("t").str.contains(r"^\d{2}:\d{2}$"))
            return _read(text, completed.then(pl.col("t") + ":00"), dtype)
        case pl.Duration():
            return _duration(text, dtype)
        case _:
            return pl.Series(text.name, [None] * len(text), dtype=dtype)


def _read(text: pl.Series, normal: pl.Expr, dtype: pl.DataType) -> pl.Series:
    frame = pl.DataFrame({"t": text}).select(usual_form(normal, dtype).alias(text.name))
    return frame.to_series()


def _with_seconds(dtype: pl.Datetime) -> pl.Expr:
    offset = f"({_OFFSET})" if dtype.time_zone is not None else "()"
    t = pl.col("t")
    day, clock, rest = (
        t.str.extract(rf"^({_DATE})[T ](\d{{2}}:\d{{2}})((?::\d{{2}}(?:\.\d+)?)?){offset}$", part)
        for part in (1, 2, 3)
    )
    zone = t.str.extract(rf"({_OFFSET})$", 1) if dtype.time_zone is not None else pl.lit("")
    seconds = pl.when(rest == "").then(pl.lit(":00")).otherwise(rest)
    return day + "T" + clock + seconds + zone


def _duration(text: pl.Series, dtype: pl.Duration) -> pl.Series:
    number, fraction = r"(\d{1,9})", rf"(\.\d{{1,{_DIGITS[dtype.time_unit]}}}0*)?"
    iso = rf"^([+-]?)P(?:{number}D)?(?:T(?:{number}H)?(?:{number}M)?(?:{number}{fraction}S)?)?$"
    clock = rf"^([+-]?)()(\d{{2,6}}):([0-5]\d):([0-5]\d){fraction}$"
    t = pl.col("t")
    sign, *amounts, small = (
        pl.coalesce(t.str.extract(shape, part) for shape in (iso, clock)) for part in range(1, 7)
    )
    whole_seconds = pl.sum_horizontal(
        amount.cast(pl.Int64, strict=False).fill_null(0) * seconds
        for amount, seconds in zip(amounts, (86_400, 3_600, 60, 1), strict=True)
    )
    unit = _PER_SECOND[dtype.time_unit]
    digits = small.str.slice(1, _DIGITS[dtype.time_unit])
    parts = digits.str.pad_end(_DIGITS[dtype.time_unit], "0").cast(pl.Int64, strict=False)
    total = whole_seconds * unit + parts.fill_null(0)
    # `P`, `PT` and `P1DT` name no amount; and 64 bits hold 292 years of nanoseconds.
    is_amount = (t.str.contains(iso) & ~t.str.contains("[PT]$")) | t.str.contains(clock)
    fits = whole_seconds < (2**63 - 1) // unit - 1
    value = pl.when(is_amount & fits).then(pl.when(sign == "-").then(-total).otherwise(total))
    return pl.DataFrame({"t": text}).select(value.cast(dtype).alias(text.name)).to_series()


def overflowed(text: pl.Series, values: pl.Series) -> pl.Series:
    """Where a finite number was read as infinity because it is too large for a float."""
    return values.is_infinite().fill_null(value=False) & ~text.str.contains("[iI]")
