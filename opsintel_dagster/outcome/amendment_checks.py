"""Checks of an amendment against contract and receivers: where it is declared, and where kept."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import polars as pl

from opsintel_dagster.outcome.amendments import Amendment, Rename, Repair, Reroute
from opsintel_dagster.outcome.conditions import ConditionError, parse_condition, parse_value
from opsintel_dagster.outcome.findings import Problem, did_you_mean
from opsintel_dagster.outcome.names import NOWHERE
from opsintel_dagster.outcome.sources import FilesSource, Source


def amendment_problems(
    amendment: Amendment,
    columns: Mapping[str, pl.DataType],
    receivers: Collection[str],
    source: Source,
) -> Iterator[Problem]:
    """Find why an amendment cannot be applied, with paths relative to it."""
    if isinstance(amendment, Repair):
        yield from _repair_problems(amendment, columns, is_over_text=brings_text(source))
    elif isinstance(amendment, Rename):
        for new, column in amendment.columns.items():
            if column not in columns:
                yield _unknown(("columns", new), column, columns)
            elif new in columns:
                what = f"the contract has a column `{new}` itself"
                yield Problem(("columns", new), what, "remove it")
    else:
        yield from _route_problems(amendment, columns, receivers)


def brings_text(source: Source) -> bool:
    """Whether every value of the source comes as text."""
    if not isinstance(source, FilesSource):
        return False
    if source.format is not None:
        return source.format == "csv"
    return isinstance(source.path, str) and source.path.endswith((".csv", ".tsv"))


def _repair_problems(
    repair: Repair, columns: Mapping[str, pl.DataType], *, is_over_text: bool
) -> Iterator[Problem]:
    if repair.column not in columns:
        yield _unknown(("column",), repair.column, columns)
    for field, text in (("expression", repair.expression), ("when", repair.when)):
        if text is None:
            continue
        try:
            found = parse_value(text, is_condition=field == "when", is_over_text=is_over_text)
        except ConditionError as error:
            what = f"`{text}` cannot be worked out: {error.what}"
            yield Problem((field,), what, error.fix)
            continue
        if field == "expression" and repair.when is None and not found.meta.root_names():
            what = f"`{text}` gives every record the same value"
            yield Problem((field,), what, "look at a column, or say `when`")


def _route_problems(
    reroute: Reroute, columns: Mapping[str, pl.DataType], receivers: Collection[str]
) -> Iterator[Problem]:
    if reroute.to != NOWHERE and reroute.to not in receivers:
        fix = did_you_mean(reroute.to, [*receivers, NOWHERE], plural="receivers")
        yield Problem(("to",), f"the route to `{reroute.to}` has no receiver", fix)
    try:
        parse_condition(reroute.when, columns)
    except ConditionError as error:
        what = f"the condition `{reroute.when}` cannot decide: {error.what}"
        yield Problem(("when",), what, error.fix)


def _unknown(path: tuple[str, ...], column: str, columns: Mapping[str, Any]) -> Problem:
    fix = did_you_mean(column, columns, plural="columns")
    return Problem(path, f"the contract has no column `{column}`", fix)
