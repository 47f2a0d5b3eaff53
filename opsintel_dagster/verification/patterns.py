"""Columns declared by a pattern, bound to the columns that a batch really has.

A contract is compiled before any data is seen, so its rules are fixed then: one for each demand of
a pattern, whatever it will match. Which columns that concerns is found out per batch; a row breaks
the rule where any of the matching columns does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from opsintel_dagster.verification.compiled import (
    CellRule,
    CheckRule,
    UniqueRule,
    compile_check,
)
from opsintel_dagster.verification.compiling import CompiledRules
from opsintel_dagster.verification.schema_reading import ContractColumn, SchemaFacts


@dataclass(frozen=True, slots=True)
class BoundRules:
    """A contract as it applies to the columns of one batch."""

    facts: SchemaFacts
    compiled: CompiledRules


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Those of `names` that Pandera, which asks Polars, takes for matches."""
    known = pl.Series(names, dtype=pl.String)
    return known.filter(known.str.contains(pattern)).to_list()


def governed(facts: SchemaFacts, names: Sequence[str]) -> dict[str, list[str]]:
    """Pattern to the columns it governs; a column declared by name governs itself."""
    free = [name for name in names if name not in facts.columns and not name.startswith("_")]
    return {called: matching(str(one.pattern), free) for called, one in facts.patterns.items()}


def bind(facts: SchemaFacts, compiled: CompiledRules, names: Sequence[str]) -> BoundRules:
    """The contract for a batch that has the columns `names`."""
    matches = governed(facts, names)
    columns: dict[str, ContractColumn] = {}
    for called in facts.order:
        if called in facts.columns:
            columns[called] = facts.columns[called]
        for name in matches.get(called, ()):
            one = replace(facts.patterns[called], name=name, is_required=False)
            columns.setdefault(name, one)
    for called, column in facts.patterns.items():
        # Of two patterns with two dtypes the second says nothing more: the arrival is held.
        matches[called] = [n for n in matches[called] if columns[n].dtype == column.dtype]
    new = replace(facts, columns=columns, order=tuple(columns))
    return BoundRules(
        new,
        replace(
            compiled,
            coerce=_cells(compiled.coerce, matches),
            not_null=_cells(compiled.not_null, matches),
            unique=tuple(
                UniqueRule(one.rule, columns_of, one.report, one.ignores_null)
                for one in compiled.unique
                for columns_of in _each(one.columns, matches)
            ),
            checks=tuple(bound for one in compiled.checks for bound in _check(one, new, matches)),
        ),
    )


def _cells(rules: Sequence[CellRule], matches: Mapping[str, Sequence[str]]) -> tuple[CellRule, ...]:
    return tuple(
        CellRule(one.rule, name) for one in rules for name in matches.get(one.column, [one.column])
    )


def _each(
    columns: tuple[str, ...], matches: Mapping[str, Sequence[str]]
) -> Sequence[tuple[str, ...]]:
    if len(columns) == 1 and columns[0] in matches:
        return [(name,) for name in matches[columns[0]]]
    return [columns]


def _check(
    one: CheckRule, facts: SchemaFacts, matches: Mapping[str, Sequence[str]]
) -> list[CheckRule]:
    """The check on each column it stands for, compiled again for what is there to be seen."""
    if one.column is None or one.column not in matches:
        names: Sequence[str | None] = [one.column]
    else:
        names = matches[one.column]
    return [
        compile_check(one.check, name, one.rule.id, one.rule.description, facts.seen_by(name))
        for name in names
    ]
