"""What each rule says of each quarantined row: it kept it, broke it, or nobody can know."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from opsintel_dagster.verification.rules import ARRIVAL_COLUMNS, READABLE, Rule

VALID: Final = "valid"
INVALID: Final = "invalid"
UNKNOWN: Final = "unknown"
_SAYS: Final = pl.Enum([VALID, INVALID, UNKNOWN])


def details(
    quarantine: pl.DataFrame, rules: Sequence[Rule], absent: Mapping[str, Collection[str]]
) -> pl.DataFrame:
    """One row a quarantined row, one column a rule.

    Args:
        quarantine: The rows with `_rules`.
        rules: The contract's rules.
        absent: Arrival to the optional columns it lacks, of which nothing can be said.
    """
    identity = [name for name in ("_arrival", "_row", "_line") if name in quarantine.columns]
    keys = ["_rules", *(["_arrival"] if absent and "_arrival" in quarantine.columns else [])]
    missing = next(iter(absent.values()), frozenset()) if "_arrival" not in keys else None
    distinct = quarantine.select(keys).unique(maintain_order=True)
    said = [
        list(_says(row["_rules"], rules, absent.get(str(row.get("_arrival")), missing or ())))
        for row in distinct.iter_rows(named=True)
    ]
    table = pl.DataFrame(said, {rule.id: _SAYS for rule in rules}, orient="row")
    rows = quarantine.select(*identity, pl.col("_rules"))
    both = pl.concat([distinct.rename({"_rules": "_of"}), table], how="horizontal")
    on = ["_rules", *keys[1:]]
    return rows.join(
        both, left_on=on, right_on=["_of", *keys[1:]], how="left", maintain_order="left"
    ).drop("_rules")


def _says(broken: Sequence[str], rules: Sequence[Rule], absent: Collection[str]) -> Iterator[str]:
    is_unjudged = READABLE in broken or ARRIVAL_COLUMNS in broken
    failed = {
        column
        for rule in rules
        if rule.id in broken and rule.id.endswith(".coerce") and len(rule.columns) == 1
        for column in rule.columns
    }
    lost = failed | set(absent)
    for rule in rules:
        if rule.id in broken:
            yield INVALID
        elif is_unjudged or lost.intersection(rule.columns) or (failed and not rule.columns):
            yield UNKNOWN if not rule.id.endswith(".coerce") or is_unjudged else VALID
        else:
            yield VALID
