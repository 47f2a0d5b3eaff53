"""Is an expression decided by one row alone?

Polars' own `is_row_separable` says yes to means, windows and shifts, so it proves nothing. This
walk over the serialized expression accepts only what is listed; a node that is not, or a form
that cannot be serialized, is not row-wise and the rule falls to the next tier. `is_in` of a
column, `to_date` without a format and literal series look row-wise and are not.
"""

import json
from typing import Any, Final

import polars as pl

_BOOLEAN: Final = frozenset(
    {
        "IsNull",
        "IsNotNull",
        "IsNan",
        "IsNotNan",
        "IsFinite",
        "IsInfinite",
        "Not",
        "IsBetween",
        "IsClose",
        "AllHorizontal",
        "AnyHorizontal",
    }
)
_TEXT: Final = frozenset(
    {
        "Contains",
        "StartsWith",
        "EndsWith",
        "LenBytes",
        "LenChars",
        "Lowercase",
        "Uppercase",
        "StripChars",
        "StripCharsStart",
        "StripCharsEnd",
        "StripPrefix",
        "StripSuffix",
        "Slice",
        "Head",
        "Tail",
        "Replace",
        "Extract",
        "CountMatches",
        "Find",
        "ZFill",
        "PadStart",
        "PadEnd",
        "ConcatHorizontal",
        "Reverse",
    }
)
_TEMPORAL: Final = frozenset(
    {
        "Millennium",
        "Century",
        "Year",
        "IsoYear",
        "Quarter",
        "Month",
        "Week",
        "WeekDay",
        "Day",
        "OrdinalDay",
        "Time",
        "Date",
        "Datetime",
        "Hour",
        "Minute",
        "Second",
        "Millisecond",
        "Microsecond",
        "Nanosecond",
        "TotalDays",
        "TotalHours",
        "TotalMinutes",
        "TotalSeconds",
        "TotalMilliseconds",
        "TotalMicroseconds",
        "TotalNanoseconds",
        "ToString",
        "CastTimeUnit",
        "ConvertTimeZone",
        "TimeStamp",
        "Truncate",
        "OffsetBy",
        "IsLeapYear",
        "MonthStart",
        "MonthEnd",
    }
)
_PLAIN: Final = frozenset(
    {
        "Abs",
        "Negate",
        "Round",
        "Floor",
        "Ceil",
        "Sign",
        "Clip",
        "Coalesce",
        "FillNull",
        "Log",
        "Exp",
        "Pow",
        "AsStruct",
    }
)


def is_row_wise(expression: pl.Expr) -> bool:
    """Whether the value at a row depends on that row only, and there is one for each row."""
    try:
        tree = json.loads(expression.meta.serialize(format="json"))
    except (pl.exceptions.PolarsError, TypeError, ValueError):
        return False  # Python inside
    return _is_listed(tree) and _has_column(tree)


def keeps_length(expressions: tuple[pl.Expr, ...]) -> bool | None:
    """Whether the expressions give a value for each row; None if Polars cannot say."""
    try:
        return all(expression.meta.is_length_preserving() for expression in expressions)
    except pl.exceptions.PolarsError:
        return None  # a selector, or Python inside


def _is_listed(node: Any) -> bool:
    kind, body = _named(node)
    match kind:
        case "Column" | "Selector":
            inner: list[Any] = []
        case "Literal" if "Scalar" in body or "Dyn" in body:
            inner = []
        case "BinaryExpr":
            inner = [body["left"], body["right"]]
        case "Alias":
            inner = [body[0]]
        case "KeepName":
            inner = [body]
        case "RenameAlias" | "Cast":
            inner = [body["expr"]]
        case "Ternary":
            inner = [body["predicate"], body["truthy"], body["falsy"]]
        case "Function" if _is_listed_function(body["function"], body["input"]):
            inner = body["input"]
        case _:
            return False
    return all(map(_is_listed, inner))


def _is_listed_function(function: Any, arguments: list[Any]) -> bool:
    family, detail = _named(function)
    name, options = _named(detail)
    match family:
        case "Boolean" if name == "IsIn":
            listed = "Literal" in arguments[1]
        case "Boolean":
            listed = name in _BOOLEAN
        case "StringExpr" if name == "Strptime":
            listed = options[1]["format"] is not None
        case "StringExpr":
            listed = name in _TEXT
        case "TemporalExpr":
            listed = name in _TEMPORAL
        case _:
            listed = family in _PLAIN
    return listed


def _named(part: Any) -> tuple[str, Any]:
    if isinstance(part, str):
        return part, None
    if isinstance(part, dict) and len(part) == 1:
        return next(iter(part.items()))
    return "", None


def _has_column(node: Any) -> bool:
    if isinstance(node, dict):
        return any(
            key in {"Column", "Selector"} or (key != "Literal" and _has_column(value))
            for key, value in node.items()
        )
    return isinstance(node, list) and any(_has_column(part) for part in node)
