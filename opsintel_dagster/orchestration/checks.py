"""The checks on the six assets of an outcome: their names, and what they promise to look at.

A check reports; it never stops a step, save `conservation`.
"""

from collections.abc import Iterator

import dagster as dg

from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.keys import asset_key, check_name


def check_specs(compiled: Compiled, asset: str) -> list[dg.AssetCheckSpec]:
    """The checks on one of the six assets."""
    key = asset_key(compiled.name, asset)
    return [
        dg.AssetCheckSpec(name, asset=key, description=description, blocking=name == "conservation")
        for name, description in _described(compiled, asset)
    ]


def _described(compiled: Compiled, asset: str) -> Iterator[tuple[str, str]]:
    outcome = compiled.outcome
    if asset == "arrivals":
        yield "readable", "Everything the source made available could be read to the last line."
        yield "drift", "The arrivals have the columns of the contract and of those before them."
        yield "volume", "The arrivals have about as many records as arrivals of their weekday have."
        yield "null_rate", "No column of the contract is empty more or less often than it is."
    elif asset == "verified":
        for rule in compiled.contract.rules:
            yield (
                check_name(rule.id),
                _about_rule(compiled, rule.id, rule.severity, rule.description),
            )
    elif asset == "quarantine":
        yield "unresolved", "No case is open, nothing is held, nothing waits for a reference."
    elif asset == "routed":
        yield "all_routed", "The decision table has a row for every verified record."
    elif asset == "delivered":
        yield "confirmed", "Every receiver confirmed what was handed to it."
        yield "dependencies", "No breaker of the source, the store or a receiver is open."
    elif asset == "promise":
        yield "conservation", "Every record that arrived is in exactly one place, counted there."
        yield "deadline", f"Nothing outstanding is older than promised: {outcome.promise}"


def _about_rule(compiled: Compiled, rule: str, severity: str, description: str) -> str:
    mode = compiled.failure_mode_of([rule])
    consequence = (
        "A record that breaks it goes on and is counted."
        if severity == "warning"
        else f"A record that breaks it goes to quarantine, failure mode `{mode}`."
    )
    return f"{description or rule}. {consequence}".replace("..", ".")
