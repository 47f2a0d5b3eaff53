"""Short, stable ids for the checks of a schema.

A rule's id names a failure mode, an asset check and every reason in quarantine, so it must not
depend on a check's default error text (a 50,000-value `isin` has one of 444 KB), nor on the order
in which anything was built.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pandera.api.checks import Check

from opsintel_dagster.verification.problems import ContractProblem
from opsintel_dagster.verification.recording import builtin_name
from opsintel_dagster.verification.references import judged_columns, reference_of
from opsintel_dagster.verification.rules import RESERVED_RULES, rule_of_column

SHORT: Final = {
    "equal_to": "eq",
    "not_equal_to": "ne",
    "greater_than": "gt",
    "greater_than_or_equal_to": "ge",
    "less_than": "lt",
    "less_than_or_equal_to": "le",
    "in_range": "in_range",
    "isin": "isin",
    "notin": "notin",
    "str_matches": "matches",
    "str_contains": "contains",
    "str_startswith": "startswith",
    "str_endswith": "endswith",
    "str_length": "length",
    "unique_values_eq": "unique_values_eq",
}
_NAMELESS: Final = {"<lambda>": "check", "partial": "check", "in_reference": "in_reference"}


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """A check and the column it stands on; None for a check of the whole frame."""

    check: Check
    column: str | None


def own_name(check: Check) -> str | None:
    """The name somebody gave the check, or its function; None if nobody did."""
    builtin = builtin_name(check)
    if check.name is None or check.name == builtin or check.name in _NAMELESS:
        return None
    return str(check.name)


def name_checks(
    declared: Sequence[DeclaredCheck], taken: Sequence[str], problems: list[ContractProblem]
) -> list[str]:
    """One id for each check, in order.

    A named check is called by its name; on several columns, by column and name. A built-in check
    is called by its column and a short word. The second and later ones of the same id get `_2`,
    `_3`; so do ids that Dagster, which knows fewer characters, could not tell apart.

    Args:
        declared: The checks in the order of the schema.
        taken: Ids of the other rules of the contract.
        problems: Where a name that means something else already is reported.
    """
    columns_of = defaultdict(set)
    for one in declared:
        columns_of[own_name(one.check)].add(one.column)
    used = Counter(check_name(rule) for rule in taken)
    ids = []
    for one in declared:
        name = own_name(one.check)
        if name in RESERVED_RULES:
            reason = "this name belongs to a rule of the package"
            problems.append(ContractProblem(f"check {name!r}", reason, "Give it another name="))
        wanted = _wanted(one, is_shared=len(columns_of[name]) > 1)
        rule, count = wanted, 1
        while used[check_name(rule)]:
            count += 1
            rule = f"{wanted}_{count}"
        used[check_name(rule)] += 1
        ids.append(rule)
    return ids


def _wanted(one: DeclaredCheck, *, is_shared: bool) -> str:
    name = own_name(one.check)
    builtin = builtin_name(one.check)
    if name is not None and not is_shared:
        return name
    if name is not None:
        short = name
    elif builtin is not None:
        short = SHORT.get(builtin, builtin)
    else:
        short = _NAMELESS.get(str(one.check.name), "check")
    if one.column is None and reference_of(one.check) is not None:
        return rule_of_column("+".join(judged_columns(one.check, None)), short)
    return rule_of_column(one.column or "frame", short)


def check_name(rule: str) -> str:
    """The rule's id as Dagster allows a check to be called."""
    return re.sub(r"[^A-Za-z0-9_]", "_", rule.replace(".", "__"))
