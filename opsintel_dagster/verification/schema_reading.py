"""From a Pandera schema to the facts verification needs; what cannot be exact is refused here.

Everything Pandera-specific about *declarations* stands in this module; everything about running
its checks in `recording` and `judging`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.api.checks import Check
from pandera.api.hypotheses import Hypothesis

from opsintel_dagster.verification.accepted_schemas import as_schema
from opsintel_dagster.verification.column_dtypes import default_value, plain_dtype
from opsintel_dagster.verification.problems import ContractProblem


@dataclass(frozen=True, slots=True)
class ContractColumn:
    """One column of a contract, free of Pandera but for its checks."""

    name: str
    dtype: pl.DataType
    checks: tuple[Check, ...] = ()
    is_nullable: bool = False
    is_unique: bool = False
    is_required: bool = True
    report_duplicates: str = "all"
    default: Any = None
    is_pii: bool = False
    description: str = ""
    pattern: str | None = None
    """The expression whose matches this column stands for; None for a column by name."""
    sees_itself_only: bool = False
    """Whether Pandera hands the checks this column and no other."""


@dataclass(frozen=True, slots=True)
class SchemaFacts:
    """A whole schema, checked to be verifiable."""

    name: str
    columns: Mapping[str, ContractColumn]
    patterns: Mapping[str, ContractColumn]
    """Columns declared by a pattern, under what the user wrote, less `^` and `$`."""
    order: tuple[str, ...]
    """Names of columns and patterns as they were declared."""
    checks: tuple[Check, ...]
    unique: tuple[tuple[str, ...], ...]
    report_duplicates: str
    is_strict: bool
    is_ordered: bool
    adds_missing: bool
    refused: frozenset[str]
    """Declared columns that are missing in `columns` because of a problem of their own."""

    @property
    def declared(self) -> dict[str, ContractColumn]:
        """Columns and patterns in their order; a pattern stands for a column that may be absent."""
        both = {**self.columns}
        both |= {name: replace(one, is_required=False) for name, one in self.patterns.items()}
        return {name: both[name] for name in self.order}

    def is_needed(self, column: ContractColumn) -> bool:
        """Whether an arrival without the column cannot be judged."""
        is_filled_in = self.adds_missing and (column.is_nullable or column.default is not None)
        return column.is_required and not is_filled_in

    def seen_by(self, column: str | None) -> dict[str, ContractColumn]:
        """The columns that a check of `column` is handed; of the whole frame if that is None."""
        declared = self.declared
        if column is not None and declared[column].sees_itself_only:
            return {column: declared[column]}
        return declared


def read_schema(schema: object) -> tuple[SchemaFacts, list[ContractProblem]]:
    """The facts of `schema` and every reason why it cannot be verified exactly.

    Raises:
        ContractError: `schema` is no schema of `pandera.polars`, so nothing of it can be read.
    """
    declared = as_schema(schema)
    problems: list[ContractProblem] = []
    if declared.parsers:
        problems.append(_parsers("the schema"))
    if declared.dtype is None and not declared.columns:
        problems.append(
            ContractProblem("the schema", "it has no columns", "Declare the columns that matter")
        )
    read = {
        _called(str(name), column, declared): _read_column(str(name), column, declared, problems)
        for name, column in (declared.columns or _any_column(declared)).items()
    }
    known = {name: column for name, column in read.items() if column is not None}
    columns = {name: column for name, column in known.items() if column.pattern is None}
    unique = _unique_sets(declared, problems)
    _only_plain_checks("the schema", declared.checks, problems)
    facts = SchemaFacts(
        name=str(declared.name or "schema"),
        columns=columns,
        patterns={name: column for name, column in known.items() if column.pattern is not None},
        order=tuple(known),
        checks=tuple(declared.checks),
        unique=unique,
        report_duplicates=declared.report_duplicates,
        is_strict=declared.strict is True,
        is_ordered=bool(declared.ordered),
        adds_missing=bool(declared.add_missing_columns),
        refused=frozenset(read) - known.keys(),
    )
    return facts, problems


def _any_column(schema: pa.DataFrameSchema) -> dict[str, pa.Column]:
    """A schema with a dtype and no columns says of every column that it has the dtype."""
    every = pa.Column(schema.dtype, name="^.*$", regex=True, required=False)
    return {} if schema.dtype is None else {"^.*$": every}


def _called(name: str, column: Any, schema: pa.DataFrameSchema) -> str:
    plain = name.removeprefix("^").removesuffix("$") if column.regex else name
    return name if plain in schema.columns else plain


def _parsers(where: str) -> ContractProblem:
    return ContractProblem(
        where,
        "it has parsers, which pandera.polars does not run",
        "Clean the values in a stage before, or declare what is accepted as checks",
    )


def _only_plain_checks(where: str, checks: Any, problems: list[ContractProblem]) -> None:
    for check in checks:
        if not isinstance(check, Check) or isinstance(check, Hypothesis):
            reason = f"{type(check).__name__} is not run by pandera.polars"
            problems.append(ContractProblem(where, reason, "Write it as a Check"))
        elif check.groupby is not None:
            reason = f"check {check.name!r} has groupby, which pandera.polars ignores"
            problems.append(ContractProblem(where, reason, "Group inside the check, with .over()"))


def _read_column(
    name: str, column: Any, schema: pa.DataFrameSchema, problems: list[ContractProblem]
) -> ContractColumn | None:
    before = len(problems)
    where = f"column {name!r}"

    def refuse(reason: str, fix: str) -> None:
        problems.append(ContractProblem(where, reason, fix))

    if name.startswith("_"):
        refuse("names that begin with _ belong to the control columns", "Rename the column")
    if column.regex:
        _only_a_pattern(column, refuse)
    if column.parsers:
        problems.append(_parsers(where))
    _only_plain_checks(where, column.checks, problems)
    dtype = plain_dtype(schema.dtype or column.dtype, refuse)
    default = column.default
    if default is not None and dtype is not None:
        value = default_value(default, dtype)
        if value is None:
            fix = "Give a plain value of the dtype"
            refuse(f"the default {default!r} is no value of {dtype}", fix)
        elif isinstance(default, pl.Expr):
            default = value.item()
    if column.unique and dtype is not None and isinstance(dtype, pl.Object):
        refuse(f"{dtype} cannot be compared", "Drop unique=True")
    if len(problems) > before or dtype is None:
        return None
    return ContractColumn(
        name=_called(name, column, schema),
        dtype=dtype,
        checks=tuple(column.checks),
        is_nullable=bool(column.nullable),
        is_unique=bool(column.unique),
        is_required=bool(column.required),
        report_duplicates=column.report_duplicates,
        default=default,
        is_pii=(column.metadata or {}).get("pii") is True,
        description=column.description or column.title or "",
        pattern=column.selector if column.regex else None,
        sees_itself_only=column.regex and all(one.regex for one in schema.columns.values()),
    )


def _only_a_pattern(column: Any, refuse: Callable[[str, str], None]) -> None:
    try:
        pl.Series(["x"]).str.contains(column.selector)
    except pl.exceptions.PolarsError as error:
        refuse(f"Polars cannot read the pattern: {error}", "Use the syntax of Rust's regex")
    if (column.metadata or {}).get("pii") is True:
        refuse("a pattern cannot say which columns are personal data", "Name those columns")


def _unique_sets(
    schema: pa.DataFrameSchema, problems: list[ContractProblem]
) -> tuple[tuple[str, ...], ...]:
    declared = schema.unique or []
    sets = [declared] if all(isinstance(part, str) for part in declared) else declared
    unique = tuple(tuple(dict.fromkeys(part)) for part in sets if part)
    problems.extend(
        ContractProblem(
            f"unique {'+'.join(columns)}",
            f"column {name!r} is not declared",
            f"Declare it, or use some of {', '.join(map(str, schema.columns))}",
        )
        for columns in unique
        for name in columns
        if name not in schema.columns
    )
    return unique
