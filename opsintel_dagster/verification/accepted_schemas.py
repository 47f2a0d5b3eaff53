"""Which objects are schemas of `pandera.polars`; every other one is refused with its equivalent."""

from collections.abc import Iterator
from typing import Any, Final

import pandera.polars as pa
from pandera.api.checks import Check
from pandera.api.hypotheses import Hypothesis
from pandera.errors import SchemaInitError

from opsintel_dagster.errors import ContractError
from opsintel_dagster.verification.problems import ContractProblem
from opsintel_dagster.verification.recording import builtin_name

_USE_POLARS: Final = (
    "Import pandera.polars as pa; Column, Field and the built-in checks keep their names, custom "
    "checks take (lazyframe, key) and return lazyframe.select(expression)"
)
_DTYPES: Final = {
    "bool": "pl.Boolean",
    "boolean": "pl.Boolean",
    "str": "pl.String",
    "string": "pl.String",
    "object": "pl.String",
    "category": "pl.Enum([...])",
    "date": "pl.Date",
    "decimal": "pl.Decimal(38, 2)",
    "timedelta64[ns]": 'pl.Duration("ns")',
    "datetime64[ns]": 'pl.Datetime("ns")',
    **{f"{u}int{bits}": f"pl.{u.upper()}Int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"pl.Float{bits}" for bits in (32, 64)},
}
"""Pandas' name of a dtype, in lower case, and what it is called in Polars."""


def as_schema(schema: object) -> pa.DataFrameSchema:
    """The schema a model class or a schema of `pandera.polars` stands for.

    Raises:
        ContractError: It is something else; of a schema of `pandera.pandas` every column is named
            with what to write instead.
    """
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
        problems = [ContractProblem(name, reason, _USE_POLARS)]
        if backend == "pandas":
            problems += _equivalents(schema)
        raise ContractError(name, problems)
    reason = f"a {kind.__name__} is no contract"
    fix = "Give a pandera.polars DataFrameModel class or DataFrameSchema"
    raise ContractError(name, [ContractProblem(name, reason, fix)])


def _equivalents(schema: Any) -> Iterator[ContractProblem]:
    """What to write in `pandera.polars` for each part of a schema of `pandera.pandas`."""
    try:
        declared = schema.to_schema() if hasattr(schema, "to_schema") else schema
    except Exception:  # noqa: BLE001 - a broken model of another backend: the first problem says enough
        return
    for name, column in getattr(declared, "columns", {}).items():
        where, was = f"column {name!r}", f"in pandera.pandas it is {column.dtype}"
        yield ContractProblem(where, was, f"Write {name!r}: {_column(column)}")
        yield from _without_equivalent(where, column)
    if getattr(declared, "index", None) is not None:
        reason = "Polars has no index"
        yield ContractProblem("the index", reason, "Declare it as a column of its own")
    yield from _without_equivalent("the schema", declared)


def _column(column: Any) -> str:
    checks = ", ".join(map(_check, column.checks))
    options = [f"[{checks}]"] if checks else []
    options += [
        f"{option}=True" for option in ("nullable", "unique", "regex") if getattr(column, option)
    ]
    if not column.required:
        options.append("required=False")
    if column.default is not None:
        options.append(f"default={column.default!r}")
    return f"pa.Column({', '.join([_dtype(column.dtype), *options])})"


def _dtype(dtype: Any) -> str:
    said = str(dtype).lower()
    if said.startswith("datetime64[ns, "):
        return f'pl.Datetime("ns", "{str(dtype)[15:-1]}")'
    if said.startswith("string") or said == "none":
        return "pl.String"
    return _DTYPES.get(said, "<the Polars dtype of its values>")


def _check(check: Check) -> str:
    builtin = builtin_name(check)
    if builtin is None:
        return "pa.Check(lambda data: data.lazyframe.select(...))"
    arguments = ", ".join(f"{key}={value!r}" for key, value in (check.statistics or {}).items())
    shown = arguments if len(arguments) < 100 else "..."
    return f"pa.Check.{builtin}({shown})"


def _without_equivalent(where: str, declared: Any) -> Iterator[ContractProblem]:
    if declared.parsers:
        fix = "Clean the values in a stage before, or declare what is accepted as checks"
        yield ContractProblem(where, "pandera.polars has no parsers", fix)
    for check in declared.checks:
        if isinstance(check, Hypothesis):
            fix = "Watch the distribution in a check of its own; a row cannot break it"
            yield ContractProblem(where, "pandera.polars has no hypothesis tests", fix)
        elif check.groupby is not None:
            fix = "Group inside the check: select(pl.col(...).mean().over('group') > ...)"
            yield ContractProblem(where, "pandera.polars ignores groupby", fix)
