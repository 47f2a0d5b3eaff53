"""From a Pandera schema to the facts verification needs; what cannot be exact is refused here.

Everything Pandera-specific about *declarations* stands in this module; everything about running
its checks in `recording` and `judging`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandera.polars as pa
import polars as pl
from pandera.api.checks import Check
from pandera.api.hypotheses import Hypothesis
from pandera.engines import polars_engine
from pandera.errors import SchemaInitError

from opsintel_dagster.errors import ContractError
from opsintel_dagster.verification.problems import ContractProblem

_USE_POLARS: Final = (
    "Import pandera.polars as pa; Column, Field and the built-in checks keep their names, custom "
    "checks take (lazyframe, key) and return lazyframe.select(expression)"
)


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


@dataclass(frozen=True, slots=True)
class SchemaFacts:
    """A whole schema, checked to be verifiable."""

    name: str
    columns: Mapping[str, ContractColumn]
    checks: tuple[Check, ...]
    unique: tuple[tuple[str, ...], ...]
    report_duplicates: str
    is_strict: bool
    is_ordered: bool
    adds_missing: bool
    refused: frozenset[str]
    """Declared columns that are missing in `columns` because of a problem of their own."""


def read_schema(schema: object) -> tuple[SchemaFacts, list[ContractProblem]]:
    """The facts of `schema` and every reason why it cannot be verified exactly.

    Raises:
        ContractError: `schema` is no schema of `pandera.polars`, so nothing of it can be read.
    """
    declared = _as_schema(schema)
    problems: list[ContractProblem] = []
    if declared.parsers:
        problems.append(_parsers("the schema"))
    if declared.dtype is None and not declared.columns:
        problems.append(
            ContractProblem("the schema", "it has no columns", "Declare the columns that matter")
        )
    columns = {
        str(name): read
        for name, column in declared.columns.items()
        if (read := _read_column(str(name), column, declared, problems)) is not None
    }
    unique = _unique_sets(declared, problems)
    _only_plain_checks("the schema", declared.checks, problems)
    facts = SchemaFacts(
        name=str(declared.name or "schema"),
        columns=columns,
        checks=tuple(declared.checks),
        unique=unique,
        report_duplicates=declared.report_duplicates,
        is_strict=declared.strict is True,
        is_ordered=bool(declared.ordered),
        adds_missing=bool(declared.add_missing_columns),
        refused=frozenset(map(str, declared.columns)) - columns.keys(),
    )
    return facts, problems


def _as_schema(schema: object) -> pa.DataFrameSchema:
    if isinstance(schema, pa.DataFrameSchema):
        return schema
    name = getattr(schema, "__name__", type(schema).__name__)
    if isinstance(schema, type) and issubclass(schema, pa.DataFrameModel):
        try:
            return schema.to_schema()
        except (SchemaInitError, TypeError, ValueError, AttributeError) as error:
            fix = "Mend the model until `to_schema()` works"
            problem = ContractProblem(name, f"Pandera cannot build it: {error}", fix)
            raise ContractError(name, [problem]) from error
    kind = schema if isinstance(schema, type) else type(schema)
    origin = next((c.__module__ for c in kind.__mro__ if c.__module__.startswith("pandera.")), "")
    if origin:
        backend = origin.split(".")[2] if origin.startswith("pandera.api.") else origin
        reason = f"it is a schema of pandera.{backend}; contracts are verified by Polars"
        raise ContractError(name, [ContractProblem(name, reason, _USE_POLARS)])
    reason = f"a {kind.__name__} is no contract"
    fix = "Give a pandera.polars DataFrameModel class or DataFrameSchema"
    raise ContractError(name, [ContractProblem(name, reason, fix)])


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
        refuse("a pattern names no column before data is seen", "List the columns one by one")
    if column.parsers:
        problems.append(_parsers(where))
    _only_plain_checks(where, column.checks, problems)
    dtype = _plain_dtype(schema.dtype or column.dtype, refuse)
    default = column.default
    if default is not None and dtype is not None and not _is_value_of(default, dtype):
        refuse(f"the default {default!r} is no value of {dtype}", "Give a plain value of the dtype")
    if column.unique and dtype is not None and isinstance(dtype, pl.Object):
        refuse(f"{dtype} cannot be compared", "Drop unique=True")
    if len(problems) > before or dtype is None:
        return None
    return ContractColumn(
        name=name,
        dtype=dtype,
        checks=tuple(column.checks),
        is_nullable=bool(column.nullable),
        is_unique=bool(column.unique),
        is_required=bool(column.required),
        report_duplicates=column.report_duplicates,
        default=default,
        is_pii=(column.metadata or {}).get("pii") is True,
        description=column.description or column.title or "",
    )


def _is_value_of(default: object, dtype: pl.DataType) -> bool:
    if isinstance(default, pl.Expr):
        return False
    try:
        # The very conversion Pandera makes of a default.
        return pl.select(pl.lit(default, dtype=dtype)).to_series().null_count() == 0
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return False


def _plain_dtype(declared: Any, refuse: Callable[[str, str], None]) -> pl.DataType | None:
    """The one Polars dtype a Pandera dtype stands for, if it stands for one."""
    why = _why_no_verdict(declared)
    if why is not None:
        refuse(*why)
        return None
    dtype = declared.type
    if isinstance(dtype, type):
        try:
            dtype = dtype()
        except TypeError:
            refuse(f"{dtype.__name__} alone is no dtype", f"Complete it: pl.{dtype.__name__}(...)")
            return None
    if not isinstance(dtype, pl.DataType) or isinstance(dtype, pl.Object | pl.Null | pl.Unknown):
        refuse(f"{dtype} is no dtype a text can become", "Use a Polars dtype that has values")
        return None
    return dtype


def _why_no_verdict(declared: Any) -> tuple[str, str] | None:
    """Reason and fix, where a Pandera dtype gives no verdict per cell."""
    match declared:
        case None:
            why = "it has no dtype, so neither cells nor routes can be typed", "Give it one"
        case polars_engine.PanderaSchema() | polars_engine.PydanticModel():
            fix = "Use pl.Struct, or flatten it to columns"
            why = "a nested schema has no verdict per cell", fix
        case polars_engine.Category():
            fix = "Use pl.Enum([...]), or a String with isin"
            why = "pandera's Category has no verdict per cell", fix
        case polars_engine.DateTime(time_zone_agnostic=True):
            fix = "Name the zone: pl.Datetime('us', 'UTC')"
            why = "any time zone is no dtype a cell can get", fix
        case _:
            return None
    return why


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
