"""How each rule of a contract is judged, and why so: a table to read before trusting it."""

import polars as pl

from opsintel_dagster.verification.compiling import CompiledRules
from opsintel_dagster.verification.rules import Rule

_SCHEMA = {
    "rule": pl.String,
    "column": pl.String,
    "tier": pl.String,
    "severity": pl.String,
    "why": pl.String,
}


def explain(compiled: CompiledRules) -> pl.DataFrame:
    """One row a rule: id, columns, tier, severity, and why it is judged in that tier."""
    why: dict[str, str] = {}
    for cell in compiled.coerce:
        why[cell.rule.id] = "each cell is read on its own; one that is no value condemns its row"
    for cell in compiled.not_null:
        why[cell.rule.id] = "each cell is looked at on its own; NaN is empty"
    for unique in compiled.unique:
        kept = "" if unique.report == "all" else f"; of equal ones, {unique.report}"
        why[unique.rule.id] = f"rows of an arrival are compared with each other{kept}"
    if compiled.key_not_null is not None:
        why[compiled.key_not_null.id] = "each row's own cells say whether its key is whole"
    for check in compiled.checks:
        why[check.rule.id] = check.why
    return pl.DataFrame(
        [_row(rule, why[rule.id]) for rule in compiled.rules], _SCHEMA, orient="row"
    )


def _row(rule: Rule, why: str) -> tuple[str, str, str, str, str]:
    columns = ", ".join(rule.columns) or "*"
    return rule.id, columns, str(rule.tier), str(rule.severity), why
