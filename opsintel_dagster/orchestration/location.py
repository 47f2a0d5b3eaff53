"""The outcomes of the code location that a sensor belongs to; it acts on no others."""

import dagster as dg

from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.instance import carried


def outcomes_here(
    context: dg.SensorEvaluationContext,
) -> tuple[dict[str, Compiled], dict[str, list[dg.AssetKey]]]:
    """The outcomes by name, and the asset keys of each, as its team may have changed them."""
    outcomes: dict[str, Compiled] = {}
    keys: dict[str, list[dg.AssetKey]] = {}
    if context.repository_def is not None:
        for key, compiled in carried(context.repository_def):
            keys.setdefault(compiled.name, []).append(key)
            outcomes[compiled.name] = compiled
    return outcomes, keys
