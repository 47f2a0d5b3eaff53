"""Which texts are a value of which dtype, in an engine: the table of `verification.text_forms`.

The shape of a text is decided by a regular expression alone, days of the month and leap years
included, so that a cast is only ever asked of texts that it reads, and no row can make it raise.
"""

from typing import Final

import ibis
import ibis.expr.datatypes as dt
import polars as pl

from opsintel_dagster.verification.engines.engine import Engine, Value
from opsintel_dagster.verification.engines.refusals import NotTranslatedError
from opsintel_dagster.verification.engines.values import Cell, bounds, is_within

_NUMBER: Final = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_INFINITE: Final = r"^[+-]?[iI][nN][fF](?:[iI][nN][iI][tT][yY])?$"
_NAN: Final = r"^[+-]?[nN][aA][nN]$"
_TRUE: Final = r"^(?:[tT][rR][uU][eE]|1)$"
_FALSE: Final = r"^(?:[fF][aA][lL][sS][eE]|0)$"
_YEAR: Final = r"(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR: Final = (
    r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
)
_DATE: Final = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    rf"|{_LEAP_YEAR}-02-29)"
)
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6}0*)?)?"
_SAME: Final = "Give the column its type in the table, or verify the rows with `verify`"


def read_text(text: Value, dtype: pl.DataType, engine: Engine) -> Cell:
    """The values of texts, and where a text is none.

    Args:
        text: The texts, those that stand for null already null.
        dtype: What they are to become.
        engine: Where they lie.

    Raises:
        NotTranslatedError: The engine's texts of such a dtype are not exactly ours.
    """
    match dtype:
        case pl.Boolean():
            is_true, is_false = text.re_search(_TRUE), text.re_search(_FALSE)
            value = ibis.cases((is_true, True), (is_false, False), else_=ibis.null(dt.boolean))
            cell = _failing(text, value, is_true | is_false)
        case pl.Date():
            cell = _cast(text, text.re_search(f"^{_DATE}$"), engine.stored(dtype), text)
        case pl.Datetime(time_unit="us", time_zone=None):
            is_moment = text.re_search(f"^{_DATE}[T ]{_CLOCK}$")
            # Zeros beyond microseconds say nothing, and not every engine reads over them.
            short = text.substr(0, len("2013-01-31T09:05:07.123456"))
            cell = _cast(short, is_moment, engine.stored(dtype), text)
        case pl.Enum():
            cell = _failing(text, text, text.isin(dtype.categories.to_list()))
        case pl.Categorical():
            cell = Cell(text, None)
        case pl.Decimal():
            cell = _decimal(text, dtype, engine)
        case _ if dtype.is_integer():
            cell = _integer(text, dtype, engine)
        case _ if dtype.is_float() and engine.has_ieee_arithmetic:
            cell = _float(text, dtype, engine)
        case _:
            reason = f"which texts are a {dtype} is not said alike in {engine.name}"
            raise NotTranslatedError(reason, _SAME)
    return cell


def _failing(text: Value, value: Value, is_read: Value) -> Cell:
    nothing = ibis.null(value.type())
    return Cell(ibis.ifelse(is_read, value, nothing), text.notnull() & ~is_read)


def _cast(plain: Value, is_read: Value, stored: dt.DataType, text: Value) -> Cell:
    value = ibis.ifelse(is_read, plain, ibis.null(dt.string)).cast(stored)
    return Cell(value, text.notnull() & ~is_read)


def _integer(text: Value, dtype: pl.DataType, engine: Engine) -> Cell:
    least, greatest = bounds(dtype)
    digits = text.re_replace("^[+-]?0*", "")
    # What has more digits than 64 bits is too large without being read.
    is_number = text.re_search("^[+-]?[0-9]+$") & (digits.length() <= 20)
    signed = ibis.ifelse(text.startswith("-"), "-0", "0").concat(digits)
    wide = ibis.ifelse(is_number, signed, ibis.null(dt.string)).cast(dt.Decimal(38, 0))
    is_read = is_number & is_within(wide, least, greatest)
    if dtype.is_unsigned_integer():
        # Polars reads no sign but a plus there, not even in `-0`.
        is_read &= ~text.startswith("-")
    value = ibis.ifelse(is_read, wide, ibis.null(dt.Decimal(38, 0))).cast(engine.stored(dtype))
    return Cell(value, text.notnull() & ~is_read.fill_null(False))


def _decimal(text: Value, dtype: pl.Decimal, engine: Engine) -> Cell:
    whole, scale = dtype.precision - dtype.scale, dtype.scale
    # The whole number fits, and digits beyond the scale are zeros.
    tail = f"[0-9]{{0,{scale}}}0*" if scale else "0*"
    shape = rf"^[+-]?0*[0-9]{{0,{whole}}}(?:\.{tail})?$"
    has_digit = text.re_search("[0-9]")
    is_read = text.re_search(shape) & has_digit
    plain = text.re_replace("^[+]", "").re_replace(r"\.$", "")
    return _cast(plain, is_read, engine.stored(dtype), text)


def _float(text: Value, dtype: pl.DataType, engine: Engine) -> Cell:
    stored = engine.stored(dtype)
    is_number = text.re_search(f"^[+-]?{_NUMBER}$")
    is_infinite, is_nan = text.re_search(_INFINITE), text.re_search(_NAN)
    plain = text.re_replace("^[+]", "")
    number = ibis.ifelse(is_number, plain, ibis.null(dt.string)).cast(stored)
    infinity = ibis.ifelse(text.startswith("-"), "-inf", "inf").cast(stored)
    value = ibis.cases(
        (is_nan, ibis.literal("nan").cast(stored)),
        (is_infinite, infinity),
        (is_number & ~number.isinf(), number),
        else_=ibis.null(stored),
    )
    return Cell(value, text.notnull() & value.isnull())
