"""One condition of a decision table: SQL over the contract's columns, as a Polars expression."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl
from polars.datatypes import IntegerType
from polars.exceptions import PolarsError

ACROSS_ROWS: Final = frozenset(
    {"Agg", "Over", "Window", "Rolling", "Len", "Explode", "Selector", "Quantile", "Correlation"}
    | {"Sort", "SortBy", "Slice", "Gather", "Filter", "Shift", "Rank", "SubPlan"}
)
"""Nodes of a Polars expression whose value for a row depends on other rows."""

ROW_WISE_FIX: Final = "compare columns of the row itself, or count in the contract or upstream"

AWKWARD_TEXT: Final = "\u00a0?"
"""Text that no cast turns into a number, a date or a truth value."""


class ConditionError(Exception):
    """A condition cannot decide about rows: what is wrong, and what to write instead."""

    def __init__(self, what: str, fix: str) -> None:
        self.what = what
        self.fix = fix
        super().__init__(f"{what}; {fix}")


@dataclass(frozen=True)
class Condition:
    """The text as declared, and the Polars expression that is true where it holds."""

    text: str
    expression: pl.Expr


def parse_condition(text: str, columns: Mapping[str, pl.DataType]) -> Condition:
    """Compile SQL text against the contract's columns, or say why it cannot decide about rows.

    The expression is tried on rows that are as awkward as their types allow (nulls, extremes, text
    that is no number): Polars types many comparisons only when it runs them, and a declaration is
    to be refused when it is loaded, not when a batch meets it. Aggregates are refused: the way of a
    record must not depend on which other records happen to be in its batch.

    Raises:
        ConditionError: the text does not parse, names unknown columns, looks at other rows, is
            not true-or-false, or fails on values its columns allow.
    """
    try:
        expression = pl.sql_expr(text)
        tree = json.loads(expression.meta.serialize(format="json"))
    except (PolarsError, TypeError) as error:
        if "subplan" in str(error):
            raise ConditionError("a query inside a condition", ROW_WISE_FIX) from None
        raise ConditionError(
            f"does not parse as SQL ({first_line(error)})",
            "write one SQL condition over the contract's columns, such as dep_delay >= 15",
        ) from None
    if across := _across_rows(tree):
        raise ConditionError(f"looks at other rows ({', '.join(sorted(across))})", ROW_WISE_FIX)
    if unknown := sorted(set(expression.meta.root_names()) - set(columns)):
        raise ConditionError(
            f"no column {', '.join(unknown)} in the contract",
            f"use one of {', '.join(columns)}; text stands in single quotes",
        )
    _try_on_awkward_rows(expression, columns)
    return Condition(text, expression)


def _try_on_awkward_rows(expression: pl.Expr, columns: Mapping[str, pl.DataType]) -> None:
    rows = pl.select(
        pl.Series(name, _awkward_values(dtype), dtype=dtype) for name, dtype in columns.items()
    )
    try:
        dtype = rows.select(expression).to_series().dtype
    except PolarsError as error:
        raise ConditionError(
            f"fails on values its columns allow ({first_line(error)})",
            "compare a column with values of its own type (DATE '2013-01-31' for dates); "
            "use TRY_CAST where a cast can fail",
        ) from None
    if dtype != pl.Boolean:
        raise ConditionError(
            f"is {dtype}, not true or false",
            "compare it with something, such as dep_delay >= 15 or tailnum IS NULL",
        )


def _awkward_values(dtype: pl.DataType) -> list[object]:
    if isinstance(dtype, IntegerType):
        return [None, *pl.select(low=dtype.min(), high=dtype.max()).row(0)]
    if dtype.is_float():
        return [None, float("nan"), float("inf")]
    if dtype == pl.String:
        return [None, AWKWARD_TEXT, ""]
    if dtype == pl.Boolean:
        return [None, True, False]
    return [None, None, None]


def _across_rows(tree: object) -> set[str]:
    """The names of the nodes in a serialized expression that look at more than one row."""
    if isinstance(tree, str):
        return {tree} & ACROSS_ROWS
    if isinstance(tree, list):
        return set().union(*map(_across_rows, tree))
    if isinstance(tree, dict):
        inner = (value for node, value in tree.items() if node not in {"Literal", "Column"})
        return (tree.keys() & ACROSS_ROWS).union(*map(_across_rows, inner))
    return set()


def first_line(error: Exception) -> str:
    """The first line of an error's text: Polars appends the whole query plan."""
    return str(error).strip().partition("\n")[0]
