"""The rules of a contract in the form in which they are judged."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from pandera.api.checks import Check

from opsintel_dagster.verification.large_sets import LargeSet, large_set
from opsintel_dagster.verification.recording import WHOLE_FRAME, builtin_name, record
from opsintel_dagster.verification.references import judged_columns, reference_of
from opsintel_dagster.verification.row_rules import broken
from opsintel_dagster.verification.rules import Rule, Severity, Tier
from opsintel_dagster.verification.running import TableVerdict, run_check
from opsintel_dagster.verification.schema_reading import ContractColumn
from opsintel_dagster.verification.separable import is_row_wise, keeps_length

Compared = tuple[frozenset[str], str]
"""The columns whose values are compared, and which of equal rows are condemned."""


@dataclass(frozen=True, slots=True)
class CellRule:
    """`<column>.coerce` or `<column>.not_null`."""

    rule: Rule
    column: str


@dataclass(frozen=True, slots=True)
class UniqueRule:
    """A set of columns that no two rows of an arrival share."""

    rule: Rule
    columns: tuple[str, ...]
    report: str
    ignores_null: bool
    """Whether rows with a null among the columns are left in peace (the key's are)."""

    @property
    def compared(self) -> "Compared":
        """What is compared for it; two rules may share that."""
        return frozenset(self.columns), self.report


@dataclass(frozen=True, slots=True)
class CheckRule:
    """A Pandera check, with its expressions where those decide each row alone."""

    rule: Rule
    check: Check
    column: str | None
    expressions: tuple[pl.Expr, ...] | None
    columns: Mapping[str, ContractColumn]
    """All columns the check is handed."""
    why: str
    """Why it is judged in its tier."""
    mask: pl.Expr | None = None
    """The rows that break it, where that stays the same for ever: of a built-in check."""
    large_set: LargeSet | None = None

    @property
    def key(self) -> str:
        """What Pandera hands the check as its key."""
        return self.column or WHOLE_FRAME

    def seen_of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """What of `frame` Pandera would hand the check."""
        column = self.columns.get(self.column) if self.column is not None else None
        is_alone = column is not None and column.sees_itself_only
        return frame.select(column.name) if column is not None and is_alone else frame

    def what_decides(self) -> list[object]:
        """Everything the check's verdict depends on but the data, for the fingerprint."""
        check = self.check
        name = builtin_name(check)
        function = vars(check)["_check_fn"] if name is None else name
        if self.rule.reference is not None:
            function = "in_reference"
        arguments = vars(check)["_check_kwargs"]
        return [self.rule.id, self.key, function, arguments, check.ignore_na, check.element_wise]

    def current_mask(self, rows: int) -> pl.Expr | None:
        """The mask of those of `rows` that break it; None if Pandera has to run the check."""
        if self.large_set is not None and self.large_set.is_large_for(rows):
            return broken([self.large_set.expression()], ignore_na=self.check.ignore_na)
        if self.mask is not None:
            return self.mask
        now = self.current_expressions()
        return None if now is None else broken(now, ignore_na=self.check.ignore_na)

    def current_expressions(self) -> tuple[pl.Expr, ...] | None:
        """The expressions to judge by now; None if Pandera has to run the check.

        A built-in check says the same for ever. Any other function is asked again, since it may
        have looked at the clock or at a variable; if it no longer selects row-wise
        expressions, it is Pandera's turn.
        """
        if self.expressions is None or builtin_name(self.check) is not None:
            return self.expressions
        now = record(self.check, self.key)
        return now if now is not None and self._is_row_wise(now) else None

    def _is_row_wise(self, now: tuple[pl.Expr, ...]) -> bool:
        known = self.expressions or ()
        if len(now) == len(known) and all(
            one.meta.eq(other) for one, other in zip(now, known, strict=True)
        ):
            return True
        try:
            tier, _, _ = _tier(self.check, now, self.columns)
        except CheckRefusedError:
            return False
        return tier is Tier.ROW


class CheckRefusedError(Exception):
    """The check can never run; the text says why."""


def compile_check(
    check: Check,
    column: str | None,
    rule_id: str,
    description: str,
    columns: Mapping[str, ContractColumn],
) -> CheckRule:
    """Find the first tier in which the check is judged exactly.

    Raises:
        CheckRefusedError: Pandera could not run it on any frame of the contract's dtypes.
    """
    severity = Severity.WARNING if check.raise_warning else Severity.ERROR
    use = reference_of(check)
    if use is not None:
        looked_at = judged_columns(check, column)
        unknown = [name for name in looked_at if name not in columns]
        if unknown:
            names = ", ".join(f'"{name}"' for name in unknown)
            message = f"it looks up {names}, which is no column of the contract"
            raise CheckRefusedError(message)
        rule = Rule(rule_id, looked_at, severity, Tier.ROW, use, description)
        why = "each row's values are looked up in the rows of the reference"
        return CheckRule(rule, check, column, None, columns, why)
    expressions = record(check, column or WHOLE_FRAME)
    tier, roots, why = _tier(check, expressions, columns)
    own = (column,) if column is not None else ()
    looked_at = tuple(dict.fromkeys((*own, *roots)))
    is_about_arrival = tier is not Tier.ROW and not check.element_wise
    rule = Rule(rule_id, looked_at, severity, tier, None, description, is_about_arrival)
    if tier is not Tier.ROW or expressions is None:
        return CheckRule(rule, check, column, None, columns, why)
    if builtin_name(check) is None:
        return CheckRule(rule, check, column, expressions, columns, why)
    mask = broken(expressions, ignore_na=check.ignore_na)
    dtype = columns[column].dtype if column is not None else None
    texts = large_set(check, column, dtype)
    return CheckRule(rule, check, column, expressions, columns, why, mask, texts)


def _tier(
    check: Check, expressions: tuple[pl.Expr, ...] | None, columns: Mapping[str, ContractColumn]
) -> tuple[Tier, tuple[str, ...], str]:
    if builtin_name(check) == "unique_values_eq":
        return Tier.TABLE, (), "it compares the set of all values, not a row"
    if expressions is None:
        _refuse_what_is_written_for_pandas(check, columns)
        why = (
            "it is Python called for each value"
            if check.element_wise
            else "its function does more with the frame than select an expression"
        )
        return Tier.OPAQUE, (), f"{why}; Pandera runs it"
    empty = pl.DataFrame(schema={name: column.dtype for name, column in columns.items()})
    try:
        outputs = empty.lazy().select(expressions).collect_schema()
        is_row_rule = all(map(is_row_wise, expressions))
        if is_row_rule:
            _probe(check, expressions, empty).select(expressions)
    except pl.exceptions.PolarsError as error:
        raise CheckRefusedError(str(error).split("\n", maxsplit=1)[0]) from error
    is_boolean = all(isinstance(dtype, pl.Boolean) for dtype in outputs.dtypes())
    selects = any(expression.meta.has_multiple_outputs() for expression in expressions)
    names = tuple(columns) if selects else _roots(expressions)
    # A selector takes the columns that are there, which optional ones may not be.
    is_same = not selects or all(column.is_required for column in columns.values())
    if is_boolean and is_same and is_row_rule:
        return Tier.ROW, names, f"one row decides it: {_shown(expressions)}"
    if is_row_rule and not is_same:
        why = "it looks at every column there is, which differs from arrival to arrival"
    elif is_row_rule:
        why = "its answer is no boolean"
    else:
        why = f"it is not proven that one row decides it: {_shown(expressions)}"
    match keeps_length(expressions):
        case None:
            return Tier.OPAQUE, names, f"{why}; Pandera runs it"
        case True:
            return Tier.FRAME, names, why
        case _:
            return Tier.TABLE, names, f"one answer for all rows: {_shown(expressions)}"


def _probe(check: Check, expressions: tuple[pl.Expr, ...], empty: pl.DataFrame) -> pl.DataFrame:
    """A frame to try a built-in check on: a pattern is only read where there is a text."""
    roots = _roots(expressions)
    if builtin_name(check) is None or not any(
        isinstance(empty.schema.get(name, pl.String()), pl.String) for name in roots
    ):
        return empty
    texts = [name for name, dtype in empty.schema.items() if dtype == pl.String]
    return empty.clear(1).with_columns(pl.lit("").alias(name) for name in texts)


def _shown(expressions: tuple[pl.Expr, ...]) -> str:
    text = "; ".join(str(expression) for expression in expressions)
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:199] + "…"


def _roots(expressions: tuple[pl.Expr, ...]) -> tuple[str, ...]:
    found = [name for expression in expressions for name in expression.meta.root_names()]
    return tuple(dict.fromkeys(found))


def _refuse_what_is_written_for_pandas(check: Check, columns: Mapping[str, ContractColumn]) -> None:
    """Checks of pandas take a series: they raise on any frame, and say on what."""
    if check.element_wise or not columns:
        return
    empty = pl.DataFrame(schema={name: column.dtype for name, column in columns.items()})
    verdict = run_check(check, next(iter(columns)), empty, has_rows=False)
    if isinstance(verdict, TableVerdict) and verdict.has_raised and "PolarsData" in verdict.why:
        message = (
            f"{verdict.why}; in pandera.polars a check takes PolarsData(lazyframe, key) and "
            "returns lazyframe.select(expression)"
        )
        raise CheckRefusedError(message)
