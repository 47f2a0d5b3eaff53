"""A Polars expression as one of Ibis that says the same of every row.

The serialized expression is walked as in `separable`, beside the expressions themselves: Polars is
asked for the dtype of each part and for the value of each literal, so nothing of its rules is
repeated here. What is not listed is refused; so is what is listed and could raise, wrap around or
compare otherwise in an engine.
"""

import io
import json
import operator
import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final

import ibis
import ibis.expr.datatypes as dt
import polars as pl

from opsintel_dagster.verification.engines.comparisons import (
    COMPARE,
    Comparison,
    Part,
    is_literal,
    named,
    refusal,
)
from opsintel_dagster.verification.engines.engine import Engine, Value
from opsintel_dagster.verification.engines.refusals import NotTranslatedError
from opsintel_dagster.verification.engines.regexes import common_pattern
from opsintel_dagster.verification.engines.values import bits, bounds, literal, whole_number
from opsintel_dagster.verification.lossless import is_text

_LOGIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "And": operator.and_,
    "Or": operator.or_,
    "LogicalAnd": operator.and_,
    "LogicalOr": operator.or_,
    "Xor": operator.ne,
}
_SUM: Final = {"Plus": operator.add, "Minus": operator.sub}
_PRODUCT: Final = {"Multiply": operator.mul, "TrueDivide": operator.truediv}
_BOUNDS: Final = {
    "Both": ("GtEq", "LtEq"),
    "Left": ("GtEq", "Lt"),
    "Right": ("Gt", "LtEq"),
    "None": ("Gt", "Lt"),
}
_OF_CLOCK: Final[Mapping[str, Callable[[Any], Any]]] = {
    "Hour": lambda moment: moment.hour(),
    "Minute": lambda moment: moment.minute(),
    "Second": lambda moment: moment.second(),
}
_CALENDAR: Final[Mapping[str, Callable[[Any], Any]]] = {
    "Year": lambda day: day.year(),
    "Quarter": lambda day: day.quarter(),
    "Month": lambda day: day.month(),
    "Day": lambda day: day.day(),
    "OrdinalDay": lambda day: day.day_of_year(),
    "WeekDay": lambda day: day.day_of_week.index() + 1,
}
_PARTS_OF_TEXT: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "Contains": lambda text, part: text.contains(part),
    "StartsWith": lambda text, part: text.startswith(part),
    "EndsWith": lambda text, part: text.endswith(part),
}
_MANY: Final = 500
"""A longer list of values is looked up as a table; written out it would slow the planner down."""
_BLANKS: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Rust strips: Unicode's White_Space."""
_VERIFY: Final = "Say it with comparisons, or verify the rows with `verify`"


class Translator:
    """Translates expressions over the typed columns of one table."""

    def __init__(
        self, values: Mapping[str, Value], dtypes: Mapping[str, pl.DataType], engine: Engine
    ) -> None:
        self.values = values
        self.engine = engine
        self.empty = pl.LazyFrame(schema=dict(dtypes))

    def outputs(self, expression: pl.Expr) -> list[Value]:
        """The columns an expression selects; several, if it has a selector.

        Raises:
            NotTranslatedError: It has a part that is not proven to mean the same.
        """
        if not expression.meta.has_multiple_outputs():
            return [self.value(expression)]
        tree = expression.meta.serialize(format="json")
        names = self.empty.select(_selector(expression)).collect_schema().names()
        return [self.value(_of_column(tree, name)) for name in names]

    def value(self, expression: pl.Expr) -> Value:
        """The value of an expression at each row."""
        return self._value(expression, json.loads(expression.meta.serialize(format="json")))

    def dtype(self, expression: pl.Expr) -> pl.DataType:
        """The dtype Polars gives an expression."""
        return self.empty.select(expression).collect_schema().dtypes()[0]

    def _value(self, expression: pl.Expr, node: Any) -> Value:
        kind, body = named(node)
        inputs = [*reversed(expression.meta.pop())]
        match kind:
            case "Column":
                value = self.values[body]
            case "Alias":
                value = self._value(inputs[0], body[0])
            case "KeepName":
                value = self._value(inputs[0], body)
            case "Literal":
                value = literal(_constant(expression), self.dtype(expression), self.engine)
            case "BinaryExpr":
                nodes = [body["left"], body["right"]]
                value = self._binary(body["op"], expression, [*zip(inputs, nodes, strict=True)])
            case "Ternary":
                nodes = [body["truthy"], body["falsy"], body["predicate"]]
                truthy, falsy, predicate = zip(inputs, nodes, strict=True)
                dtype = self.dtype(expression)
                value = ibis.ifelse(
                    self._as(*predicate, pl.Boolean()),
                    self._as(*truthy, dtype),
                    self._as(*falsy, dtype),
                )
            case "Cast":
                value = self._as(inputs[0], body["expr"], self.dtype(expression))
            case "Function":
                parts = [*zip(inputs, body["input"], strict=True)]
                value = self._function(expression, body["function"], parts)
            case _:
                raise refusal(expression)
        return value

    def _as(self, part: pl.Expr, node: Any, dtype: pl.DataType) -> Value:
        """The value of a part in a dtype that holds all values of its own."""
        stored = self.engine.stored(dtype)
        if is_literal(node):
            constant = pl.select(part).to_series()
            try:
                cast = constant.cast(dtype)
                same = cast.cast(constant.dtype).equals(constant)
            except pl.exceptions.PolarsError:
                same = False
            if same:
                return literal(cast.item(), dtype, self.engine)
            raise refusal(part, f"{constant.item()!r} is no {dtype}")
        own = self.dtype(part)
        value = self._value(part, node)
        if own == dtype:
            return value
        if _widens(own, dtype):
            # An integer of 32 bits is all that PostgreSQL makes of a Boolean.
            return (value.cast(dt.int32) if own == pl.Boolean else value).cast(stored)
        raise refusal(part, f"a {own} may not be the same value as {dtype}")

    def _binary(self, op: str, whole: pl.Expr, parts: list[Part]) -> Value:
        result = self.dtype(whole)
        if op in COMPARE:
            return Comparison(self, whole).of(op, *parts)
        if op in _LOGIC and isinstance(result, pl.Boolean):
            left, right = (self._as(*part, pl.Boolean()) for part in parts)
            return _LOGIC[op](left, right)
        if op in _SUM and result.is_integer():
            left, right = (self._wide(*part) for part in parts)
            return self._wrapped(_SUM[op](left, right), result)
        if op == "Modulus" and result.is_integer():
            return self._modulus(whole, *parts)
        if op in {**_SUM, **_PRODUCT} and isinstance(result, pl.Float64):
            if not self.engine.has_ieee_arithmetic:
                raise refusal(whole, f"{self.engine.name} raises where floats overflow")
            left, right = (self._as(*part, result) for part in parts)
            return {**_SUM, **_PRODUCT}[op](left, right)
        raise refusal(whole)

    def _wide(self, part: pl.Expr, node: Any) -> Value:
        """An integer in a type in which the sum of two cannot overflow."""
        dtype = self.dtype(part)
        if not dtype.is_integer() or bits(dtype) > 64:
            raise refusal(part, "it is no integer of at most 64 bits")
        if is_literal(node):
            return ibis.literal(_constant(part)).cast(dt.Decimal(20, 0))
        return self._value(part, node).cast(dt.Decimal(20, 0))

    def _wrapped(self, wide: Value, dtype: pl.DataType) -> Value:
        """An integer that went beyond its dtype begins again at the other end, as in Polars."""
        if bits(dtype) > 64:
            raise NotTranslatedError(f"{dtype} has more than 64 bits", _VERIFY)
        least, greatest = bounds(dtype)
        span = greatest - least + 1
        into = ibis.cases(
            (wide > whole_number(greatest), wide - whole_number(span)),
            (wide < whole_number(least), wide + whole_number(span)),
            else_=wide,
        )
        return into.cast(self.engine.stored(dtype))

    def _modulus(self, whole: pl.Expr, left: Part, right: Part) -> Value:
        by = _constant(right[0]) if is_literal(right[1]) else None
        if by is None or not 0 < by < 2**31:
            raise refusal(whole, "only the remainder of a positive constant is the same")
        rest = self._wide(*left) % whole_number(by)
        # Polars rounds down where SQL rounds to zero.
        return ibis.ifelse(rest < 0, rest + by, rest).cast(self.engine.stored(self.dtype(whole)))

    def _function(self, whole: pl.Expr, function: Any, parts: list[Part]) -> Value:
        family, detail = named(function)
        name, options = named(detail)
        match family:
            case "Boolean":
                return self._predicate(whole, name, options, parts)
            case "StringExpr":
                return self._text(whole, name, options, parts)
            case "TemporalExpr":
                return self._temporal(whole, name, parts)
            case "FillNull" | "Coalesce":
                dtype = self.dtype(whole)
                return ibis.coalesce(*(self._as(*part, dtype) for part in parts))
            case "Abs" | "Negate":
                return self._sign(whole, family, parts[0])
        raise refusal(whole)

    def _sign(self, whole: pl.Expr, family: str, part: Part) -> Value:
        dtype = self.dtype(whole)
        if dtype.is_integer():
            wide = self._wide(*part)
            return self._wrapped(wide.abs() if family == "Abs" else -wide, dtype)
        if dtype.is_float():
            value = self._as(*part, dtype)
            return value.abs() if family == "Abs" else -value
        raise refusal(whole)

    def _predicate(self, whole: pl.Expr, name: str, options: Any, parts: list[Part]) -> Value:
        first, first_node = parts[0]
        dtype = self.dtype(first)
        if name in {"IsNull", "IsNotNull"}:
            value = self._value(first, first_node)
            return value.isnull() if name == "IsNull" else value.notnull()
        if name == "Not" and isinstance(dtype, pl.Boolean):
            return ~self._value(first, first_node)
        if name in {"AllHorizontal", "AnyHorizontal"}:
            fold = operator.and_ if name == "AllHorizontal" else operator.or_
            return reduce(fold, (self._as(*part, pl.Boolean()) for part in parts))
        if name == "IsBetween":
            at_least, at_most = _BOUNDS[options["closed"]]
            comparison = Comparison(self, whole)
            comparison.refuse_mixed(parts)
            low = comparison.of(at_least, parts[0], parts[1])
            return low & comparison.of(at_most, parts[0], parts[2])
        if name == "IsIn" and is_literal(parts[1][1]):
            return self._is_in(whole, parts[0], pl.select(parts[1][0]).to_series(), options)
        if name in {"IsNan", "IsNotNan", "IsFinite", "IsInfinite"} and dtype.is_float():
            value = self._value(first, first_node)
            is_nan, is_infinite = value.isnan(), value.isinf()
            return {
                "IsNan": is_nan,
                "IsNotNan": ~is_nan,
                "IsFinite": ~(is_nan | is_infinite),
                "IsInfinite": is_infinite,
            }[name]
        raise refusal(whole)

    def _is_in(self, whole: pl.Expr, part: Part, listed: pl.Series, options: Any) -> Value:
        dtype = self.dtype(part[0])
        if (options or {}).get("nulls_equal") or not isinstance(listed.dtype, pl.List):
            raise refusal(whole)
        # A null of the list equals nothing, and does not make the answer unknown as in SQL.
        members = listed.explode().drop_nulls().unique(maintain_order=True)
        inner = members.dtype
        if isinstance(inner, pl.Null) or (is_text(inner) and is_text(dtype)):
            members = members.cast(pl.String)
        elif inner.is_integer() and dtype.is_integer():
            members = members.cast(dtype, strict=False).drop_nulls()
        elif isinstance(inner, pl.Decimal) and isinstance(dtype, pl.Decimal):
            rescaled = members.cast(dtype, strict=False)
            if not (rescaled.cast(inner) == members).all(ignore_nulls=False):
                raise refusal(whole, f"it lists what is no {dtype}")
            members = rescaled
        elif inner != dtype:
            raise refusal(whole, f"{inner} and {dtype} may not be compared alike")
        value = self._value(*part)
        if members.is_empty():
            return ibis.ifelse(value.isnull(), ibis.null(dt.boolean), False)
        if len(members) > _MANY:
            known = ibis.memtable(pl.DataFrame({"known": members}).to_arrow())
            return value.isin(known["known"].cast(self.engine.stored(dtype)))
        return value.isin([literal(one, dtype, self.engine) for one in members.to_list()])

    def _text(self, whole: pl.Expr, name: str, options: Any, parts: list[Part]) -> Value:
        if not isinstance(self.dtype(parts[0][0]), pl.String):
            raise refusal(whole)
        text = self._value(*parts[0])
        if name == "LenChars":
            return text.length()
        given = _constant(parts[1][0]) if len(parts) == 2 and is_literal(parts[1][1]) else None
        if name == "StripChars" and len(parts) == 2 and is_literal(parts[1][1]):
            signs = _BLANKS if given is None else re.sub(r"([\\\]\[^-])", r"\\\1", given)
            return text.re_replace(f"^[{signs}]+|[{signs}]+$", "") if signs else text
        if given is None:
            raise refusal(whole)
        if name == "Contains" and not options["literal"]:
            return text.re_search(common_pattern(given, self.engine.most_repeats))
        if name in _PARTS_OF_TEXT:
            return _PARTS_OF_TEXT[name](text, given)
        raise refusal(whole)

    def _temporal(self, whole: pl.Expr, name: str, parts: list[Part]) -> Value:
        dtype = self.dtype(parts[0][0])
        is_moment = isinstance(dtype, pl.Datetime) and dtype.time_zone is None
        if name in _CALENDAR and (is_moment or isinstance(dtype, pl.Date)):
            return _CALENDAR[name](self._value(*parts[0]))
        if name in _OF_CLOCK and is_moment:
            return _OF_CLOCK[name](self._value(*parts[0]))
        raise refusal(whole)


def _constant(expression: pl.Expr) -> Any:
    return pl.select(expression).item()


def _widens(own: pl.DataType, dtype: pl.DataType) -> bool:
    if isinstance(own, pl.Boolean):
        return dtype.is_integer()
    if own.is_integer() and dtype.is_integer():
        (low, high), (least, greatest) = bounds(own), bounds(dtype)
        return least <= low and high <= greatest
    # To the nearest float, which is the same one everywhere.
    return isinstance(dtype, pl.Float64) and (own.is_integer() or isinstance(own, pl.Float32))


def _selector(expression: pl.Expr) -> pl.Expr:
    inputs = expression.meta.pop()
    several = [part for part in inputs if part.meta.has_multiple_outputs()]
    return _selector(several[0]) if several else expression


def _of_column(tree: str, name: str) -> pl.Expr:
    """The expression with a column in the place of its selector."""

    def replaced(node: Any) -> Any:
        if isinstance(node, dict):
            if "Selector" in node:
                return {"Column": name}
            return {key: replaced(value) for key, value in node.items()}
        return [replaced(part) for part in node] if isinstance(node, list) else node

    text = json.dumps(replaced(json.loads(tree)))
    try:
        return pl.Expr.deserialize(io.StringIO(text), format="json")
    except pl.exceptions.PolarsError as error:  # NaN and infinity have no JSON
        reason = "it selects several columns and compares them with NaN or infinity"
        raise NotTranslatedError(reason, _VERIFY) from error
