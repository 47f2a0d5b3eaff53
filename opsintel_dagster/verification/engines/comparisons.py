"""Comparing two parts of an expression as Polars compares them, whatever their dtypes are."""

import decimal
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import ibis
import ibis.expr.datatypes as dt
import polars as pl

from opsintel_dagster.verification.engines.engine import Value
from opsintel_dagster.verification.engines.refusals import NotTranslatedError
from opsintel_dagster.verification.engines.values import literal
from opsintel_dagster.verification.lossless import is_text

if TYPE_CHECKING:
    from opsintel_dagster.verification.engines.expressions import Translator

Part = tuple[pl.Expr, Any]
"""A part of an expression, and the same serialized."""

COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtEq": operator.le,
    "Gt": operator.gt,
    "GtEq": operator.ge,
    "EqValidity": lambda left, right: left.identical_to(right),
    "NotEqValidity": lambda left, right: ~left.identical_to(right),
}
_ORDER: Final = frozenset({"Lt", "LtEq", "Gt", "GtEq"})
_VALIDITY: Final = frozenset({"EqValidity", "NotEqValidity"})
_VERIFY: Final = "Say it with plain comparisons, or verify the rows with `verify`"


def named(part: Any) -> tuple[str, Any]:
    """The kind of a serialized part and what it consists of."""
    if isinstance(part, dict) and len(part) == 1:
        kind, body = next(iter(part.items()))
        return str(kind), body
    return str(part), None


def is_literal(node: Any) -> bool:
    """Whether a serialized part is one value."""
    return named(node)[0] == "Literal"


def refusal(part: pl.Expr, why: str = "") -> NotTranslatedError:
    """What to raise for a part without translation."""
    text = " ".join(str(part).split())
    shown = text if len(text) <= 120 else text[:119] + "…"
    reason = f"{shown} has no translation that is proven to say the same"
    return NotTranslatedError(f"{reason}: {why}" if why else reason, _VERIFY)


class Comparison:
    """The comparisons of one expression."""

    def __init__(self, translator: "Translator", whole: pl.Expr) -> None:
        self.translator = translator
        self.whole = whole
        self.engine = translator.engine

    def refuse_mixed(self, parts: Sequence[Part]) -> None:
        """Refuse bounds of two dtypes: Polars finds one for all three parts together."""
        value, *limits = (self.translator.dtype(part) for part, _ in parts)
        if value.is_integer() and any(not limit.is_integer() for limit in limits):
            raise refusal(self.whole, "its bounds are no integers")

    def of(self, op: str, left: Part, right: Part) -> Value:
        """Whether the comparison holds at each row."""
        dtypes = [self.translator.dtype(part) for part, _ in (left, right)]
        nulls = [isinstance(dtype, pl.Null) for dtype in dtypes]
        if any(nulls):
            return self._with_null(op, right if nulls[0] else left)
        both = self._comparable(op, (left, right), dtypes)
        return COMPARE[op](*both)

    def _with_null(self, op: str, part: Part) -> Value:
        if op not in _VALIDITY:
            return ibis.null(dt.boolean)
        value = self._value(part)
        return value.isnull() if op == "EqValidity" else value.notnull()

    def _value(self, part: Part) -> Value:
        return self.translator.value(part[0])

    def _comparable(
        self, op: str, parts: tuple[Part, Part], dtypes: list[pl.DataType]
    ) -> Sequence[Value]:
        first, second = dtypes
        if first.is_integer() and second.is_integer():
            return [self._integer(part) for part in parts]
        if all(dtype.is_integer() or dtype.is_float() for dtype in dtypes):
            return [self._float(part, dtypes[1 - i]) for i, part in enumerate(parts)]
        if is_text(first) and is_text(second):
            return self._texts(op, parts, dtypes)
        if any(isinstance(dtype, pl.Decimal) for dtype in dtypes):
            return self._decimals(parts, dtypes)
        is_plain = isinstance(first, pl.Boolean | pl.Date | pl.Time | pl.Datetime)
        if first == second and is_plain:
            return [self._value(part) for part in parts]
        raise refusal(self.whole, f"{first} and {second} may not compare alike")

    def _integer(self, part: Part) -> Value:
        """Integers compare as numbers, whatever their widths are."""
        if not is_literal(part[1]):
            return self._value(part)
        number = pl.select(part[0]).item()
        if not -(2**63) <= number < 2**64:
            raise refusal(part[0], "it is no integer of 64 bits")
        return ibis.literal(number)

    def _float(self, part: Part, other: pl.DataType) -> Value:
        dtype = self.translator.dtype(part[0])
        if is_literal(part[1]):
            # A plain number becomes what it is compared with; one with a dtype keeps it.
            is_plain = named(named(part[1])[1])[0] == "Dyn"
            own = other if is_plain and other.is_float() else pl.Float64()
            value = pl.select(part[0]).to_series().cast(own).item()
            return literal(value, own, self.engine)
        value = self._value(part)
        return value.cast(dt.float64) if dtype.is_integer() else value

    def _texts(
        self, op: str, parts: tuple[Part, Part], dtypes: list[pl.DataType]
    ) -> Sequence[Value]:
        kinds = [dtype for dtype in dtypes if not isinstance(dtype, pl.String)]
        if op in _ORDER and kinds:
            raise refusal(self.whole, f"{kinds[0]} has an order of its own")
        for part, dtype in zip(reversed(parts), dtypes, strict=True):
            if isinstance(dtype, pl.Enum):
                known = set(dtype.categories)
                if not is_literal(part[1]) or pl.select(part[0]).item() not in known:
                    raise refusal(self.whole, "it compares more than a category with an Enum")
        texts = [self._value(part) for part in parts]
        return [self.engine.bytes_of(text) for text in texts] if op in _ORDER else texts

    def _decimals(self, parts: tuple[Part, Part], dtypes: list[pl.DataType]) -> Sequence[Value]:
        if any(dtype.is_float() for dtype in dtypes):
            raise refusal(self.whole, "a Decimal is compared with a float; give a Decimal")
        scales = [dtype.scale if isinstance(dtype, pl.Decimal) else 0 for dtype in dtypes]
        values, whole_digits = [], []
        for part, dtype, scale in zip(parts, dtypes, scales, strict=True):
            if is_literal(part[1]):
                number = decimal.Decimal(pl.select(part[0]).item())
                values.append(ibis.literal(str(number)))
                whole_digits.append(max(number.adjusted() + 1, 1))
            elif isinstance(dtype, pl.Decimal):
                values.append(self._value(part))
                whole_digits.append(dtype.precision - scale)
            else:
                raise refusal(self.whole, f"{dtype} and a Decimal may not compare alike")
        digits = max(whole_digits) + max(scales)
        if digits > 38:
            raise refusal(self.whole, "it needs more than 38 digits")
        # Ibis compares decimals of one scale only.
        return [value.cast(dt.Decimal(digits, max(scales))) for value in values]
