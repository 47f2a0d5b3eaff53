"""The fingerprint of a declaration: what batches are pinned to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from opsintel_dagster.outcome.amendments import content_of
from opsintel_dagster.outcome.declaration import Outcome
from opsintel_dagster.outcome.routes import Route, effective_routes

_FORMAT = 1
"""Raised when the same declaration begins to mean something else."""


def declaration_fingerprint(
    outcome: Outcome, contract_fingerprint: str, *, routes: Sequence[Route] | None = None
) -> str:
    """Hash everything of a declaration that changes a verdict or a route, as 64 hex digits.

    Owner, prose and cost are left out, so that a new owner does not make an open batch look as if
    it were judged by other rules. The order of failure modes counts: a row belongs to the first.

    Args:
        outcome: The outcome.
        contract_fingerprint: The contract's own.
        routes: Its decision table, if that stands in a CSV file.

    Raises:
        ValueError: The routes stand in a file and were not given.
    """
    if routes is None:
        if isinstance(outcome.routes, str):
            raise ValueError(f"read the routes of {outcome.name} from {outcome.routes} first")
        routes = outcome.routes
    decisive: dict[str, Any] = {
        "format": _FORMAT,
        "contract": contract_fingerprint,
        "key": outcome.key,
        "tolerance": outcome.tolerance,
        "held_for": sorted(outcome.symptoms.holding()),
        "null_values": getattr(outcome.source, "null_values", ()),
        "failure_modes": [
            [mode.name, mode.rules, *([mode.per] if mode.per else [])]
            for mode in outcome.failure_modes
        ],
        "routes": [
            [route.to, route.when, route.name]
            for route in effective_routes(routes, outcome.handoff)
        ],
        "repeats": outcome.repeats,
    }
    if outcome.amendments:
        decisive["amendments"] = [content_of(one) for one in outcome.amendments]
    return _hash(decisive)


def fingerprint_with(fingerprint: str, amendments: Sequence[Mapping[str, Any]]) -> str:
    """The fingerprint of a declaration with amendments that stand beside it, as 64 hex digits."""
    return _hash({"declaration": fingerprint, "amendments": list(amendments)})


def _hash(decisive: Mapping[str, Any]) -> str:
    text = json.dumps(decisive, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
