"""SQL about one record alone: conditions that say yes or no, and expressions that give a value."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from polars.exceptions import PolarsError

from opsintel_dagster.outcome.findings import did_you_mean

_ROW_WISE_FIX: Final = "compare columns of the record itself; count in the contract or upstream"
_EXAMPLE: Final = "write one SQL condition over the contract's columns, such as `dep_delay >= 15`"
_VALUE_EXAMPLE: Final = "write one SQL expression over the source's columns, such as `TRIM(dest)`"
_AS_TEXT_FIX: Final = (
    "the columns come as text: compare them with texts, and write TRY_CAST where a number or a "
    "date is meant"
)

_LEAVES: Final = frozenset({"Column", "Literal"})
_BRANCHES: Final = frozenset({"BinaryExpr", "Function", "Cast", "Ternary", "Alias"})
_FUNCTIONS: Final = frozenset(
    {"Abs", "Ceil", "Floor", "Round", "Sign", "Negate", "Clip", "Pow", "Exp", "Log", "Log1p"}
    | {"Trigonometry", "Atan2", "Bitwise", "MaxHorizontal", "MinHorizontal", "Coalesce"}
    | {"StringExpr", "TemporalExpr", "StructExpr", "ListExpr", "ArrayExpr", "Boolean", "Sql"}
)
"""Functions of one record. A whitelist: what is not known to look at one record is refused."""

_ACROSS_RECORDS: Final = {
    "Boolean": frozenset(
        {"Any", "All", "IsUnique", "IsDuplicated", "IsFirstDistinct", "IsLastDistinct", "HasNulls"}
    ),
    "StringExpr": frozenset({"ConcatVertical"}),
    "Bitwise": frozenset({"And", "Or", "Xor"}),
}
"""Members of those families that look at other records all the same."""

_CLOCK: Final = re.compile(
    r"(?i)\b(now\s*\(|(?:current|local)_(?:date|timestamp|time)\b|localtime(?:stamp)?\b)"
)
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_AWKWARD_TEXT: Final = "\u00a0?"
"""Text that no cast turns into a number, a date or a truth value."""


class ConditionError(Exception):
    """A condition that cannot decide about a record: what is wrong and what to write instead."""

    def __init__(self, what: str, fix: str) -> None:
        self.what = what
        self.fix = fix
        super().__init__(f"{what}; {fix}")


@dataclass(frozen=True)
class Condition:
    """A condition as declared, and the Polars expression that is true where it holds."""

    text: str
    expression: pl.Expr


def parse_condition(text: str, columns: Mapping[str, pl.DataType]) -> Condition:
    """Compile a condition against the contract's columns, or say why it cannot decide.

    It is tried on rows as awkward as their types allow: Polars types many comparisons only when
    it runs them, and a declaration is refused when it loads, not when a batch meets it. Whatever
    looks at other records is refused, because the way of a record must not depend on which others
    share its batch; so is the clock, because a rerun must route as the first run did.

    Raises:
        ConditionError: It does not parse, names unknown columns, looks at other records or the
            clock, is not true or false, or fails on values its columns allow.
    """
    expression = _row_wise(text, _EXAMPLE)
    roots = list(dict.fromkeys(expression.meta.root_names()))
    _refuse_unknown(roots, columns)
    if not roots:
        raise ConditionError(
            "it decides without looking at the record",
            "leave `when` out and put the route last, or compare a column",
        )
    answer = _try_on_awkward_rows(
        expression,
        columns,
        "compare a column with values of its own type (`DATE '2013-01-31'` for dates); "
        "write TRY_CAST where a cast can fail",
    )
    _refuse_no_answer(answer)
    return Condition(text, expression)


def parse_value(text: str, *, is_condition: bool = False, is_over_text: bool = False) -> pl.Expr:
    """Compile an expression over the source's own columns, or say why it cannot stand.

    Which columns a source brings, and in which types, is known only when it brings them. So no
    column is unknown here, and it is tried on awkward rows only where every column comes as text.

    Args:
        text: The expression.
        is_condition: Whether it says yes or no.
        is_over_text: Whether every column comes as text, as from CSV.

    Raises:
        ConditionError: It does not parse, looks at other records or the clock, or fails on texts.
    """
    expression = _row_wise(text, _VALUE_EXAMPLE)
    if is_over_text:
        texts = dict.fromkeys(expression.meta.root_names(), pl.String())
        answer = _try_on_awkward_rows(expression, texts or {"_": pl.String()}, _AS_TEXT_FIX)
        if is_condition:
            _refuse_no_answer(answer)
    return expression


def _row_wise(text: str, example: str) -> pl.Expr:
    """The expression, which looks at nothing but one record."""
    expression, tree = _parsed(text, example)
    if foreign := _beyond_one_record(tree):
        raise ConditionError(
            f"it looks beyond the record itself ({', '.join(sorted(foreign))})", _ROW_WISE_FIX
        )
    _refuse_clock(text)
    return expression


def _parsed(text: str, example: str) -> tuple[pl.Expr, Any]:
    try:
        expression = pl.sql_expr(text)
        return expression, json.loads(expression.meta.serialize(format="json"))
    except (PolarsError, TypeError) as error:
        reason = _first_line(error)
        said = "" if "unable to parse" in reason else f" ({reason})"
        raise ConditionError(f"it does not parse as SQL{said}", example) from None


def _refuse_unknown(roots: list[str], columns: Collection[str]) -> None:
    unknown = [name for name in roots if name not in columns]
    if unknown:
        fixes = dict.fromkeys(did_you_mean(name, columns, plural="columns") for name in unknown)
        names = ", ".join(f"`{name}`" for name in unknown)
        raise ConditionError(
            f"the contract has no column {names}",
            " and ".join(fixes) + "; a text stands in single quotes",
        )


def _refuse_clock(text: str) -> None:
    found = _CLOCK.search(_QUOTED.sub("''", text))
    if found:
        raise ConditionError(
            f"it looks at the clock (`{found.group(1).rstrip('( ')}`), so a rerun would decide "
            "differently",
            "compare with a column, such as the time the record was written",
        )


def _try_on_awkward_rows(
    expression: pl.Expr, columns: Mapping[str, pl.DataType], fix: str
) -> pl.Series:
    series = [pl.Series(name, _awkward(dtype), dtype=dtype) for name, dtype in columns.items()]
    try:
        answer = pl.DataFrame(series).select(expression).to_series()
    except PolarsError as error:
        said = f"it fails on values its columns allow ({_first_line(error)})"
        raise ConditionError(said, fix) from None
    if expression.meta.root_names() and answer.len() != 3:
        raise ConditionError("it gives more or fewer answers than records", _ROW_WISE_FIX)
    return answer


def _refuse_no_answer(answer: pl.Series) -> None:
    if answer.dtype != pl.Boolean:
        raise ConditionError(
            f"it is {answer.dtype}, not true or false",
            "compare it with something, such as `dep_delay >= 15` or `tailnum IS NULL`",
        )


def _awkward(dtype: pl.DataType) -> list[object]:
    """Three values of a type that conditions stumble over."""
    if dtype.is_integer():
        zero = pl.lit(0, dtype=dtype)
        return [None, *pl.select(low=zero.lower_bound(), high=zero.upper_bound()).row(0)]
    if dtype.is_float():
        return [None, float("nan"), float("inf")]
    if dtype == pl.String:
        return [None, _AWKWARD_TEXT, ""]
    if dtype == pl.Boolean:
        return [None, True, False]
    return [None, None, None]


def _beyond_one_record(node: Any) -> set[str]:
    """Name the parts of a serialized expression not known to look at one record alone."""
    kind, body = _named(node)
    if kind in _LEAVES:
        return set()
    if kind not in _BRANCHES:
        return {kind}
    own = _foreign_function(body["function"]) if kind == "Function" else set()
    return own.union(*(_beyond_one_record(operand) for operand in _operands(kind, body)))


def _operands(kind: str, body: Any) -> list[Any]:
    match kind:
        case "Function":
            return list(body["input"])
        case "Cast":
            return [body["expr"]]
        case "Alias":
            return [body[0]]
        case "BinaryExpr":
            return [body["left"], body["right"]]
    return [body["predicate"], body["truthy"], body["falsy"]]


def _foreign_function(function: Any) -> set[str]:
    family, member = _named(function)
    if family not in _FUNCTIONS:
        return {family}
    name = _named(member)[0] if member is not None else ""
    return {name} if name in _ACROSS_RECORDS.get(family, frozenset()) else set()


def _named(function: Any) -> tuple[str, Any]:
    """A function is serialized as its name, or as its name and options: `{name: options}`."""
    return next(iter(function.items())) if isinstance(function, dict) else (str(function), None)


def _first_line(error: Exception) -> str:
    """The first line of an error's text: Polars appends the whole query plan."""
    return str(error).strip().partition("\n")[0]
