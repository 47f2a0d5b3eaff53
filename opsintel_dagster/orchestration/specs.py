"""The six assets of an outcome as Dagster shows them: names, owners, tags, lineage, schema, map."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import dagster as dg

from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.keys import (
    ASSETS,
    OUTCOME_TAG,
    STAGE_TAG,
    TAG,
    asset_key,
)
from opsintel_dagster.outcome import (
    FilesSource,
    TableReceiver,
    UpstreamSource,
    describe,
    format_duration,
)

_SHORTEST_WINDOW: Final = timedelta(seconds=60)
_MOST_KINDS: Final = 3  # more of them hide the name in the lineage graph

_ABOUT: Final = {
    "arrivals": "Arrivals claimed from the source, raw values kept.",
    "verified": "Records that keep the contract, typed.",
    "quarantine": "Records that do not keep the contract, with the rules they broke.",
    "routed": "Verified records, each with the route it takes and the rule that chose it.",
    "delivered": "Records that their receiver confirmed.",
    "promise": "Whether the promise is kept right now.",
}


def outcome_specs(compiled: Compiled) -> dict[str, dg.AssetSpec]:
    """The specs of the six assets, by asset."""
    return {asset: _spec(compiled, asset) for asset in ASSETS}


def _spec(compiled: Compiled, asset: str) -> dg.AssetSpec:
    outcome = compiled.outcome
    return dg.AssetSpec(
        asset_key(outcome.name, asset),
        deps=_deps(compiled, asset),
        description=f"{_ABOUT[asset]}\n\n{_map(compiled)}",
        metadata=_definition_metadata(compiled, asset),
        # A stage with nothing to do ends without a materialization.
        skippable=True,
        group_name=outcome.name,
        code_version=compiled.fingerprint,
        owners=[outcome.owner],
        tags={**outcome.tags, TAG: "", OUTCOME_TAG: outcome.name, STAGE_TAG: asset},
        kinds=set(_kinds(compiled, asset)),
        freshness_policy=_freshness(compiled, asset),
    )


def _map(compiled: Compiled) -> str:
    rules = {rule.id: rule.severity.value for rule in compiled.contract.rules}
    return describe(compiled.outcome, rules=rules, routes=compiled.routes)


def _deps(compiled: Compiled, asset: str) -> list[dg.AssetKey]:
    outcome = compiled.outcome
    if asset == "arrivals":
        source = outcome.source
        upstream = source.asset if isinstance(source, UpstreamSource) else None
        return [dg.AssetKey(upstream.split("/"))] if upstream else []
    before = {
        "verified": "arrivals",
        "quarantine": "arrivals",
        "routed": "verified",
        "delivered": "routed",
        "promise": "delivered",
    }
    deps = [asset_key(outcome.name, before[asset])]
    if asset in {"verified", "quarantine"}:
        references = dict.fromkeys(use.outcome for use in compiled.contract.references)
        deps.extend(asset_key(name, "delivered") for name in references if name != outcome.name)
    return deps


def _freshness(compiled: Compiled, asset: str) -> dg.FreshnessPolicy | None:
    window = freshness_window(compiled, asset)
    return dg.FreshnessPolicy.time_window(fail_window=window) if window is not None else None


def freshness_window(compiled: Compiled, asset: str) -> timedelta | None:
    """How old an asset may become; None: it may be as old as it is."""
    window = None
    if asset == "promise":
        window = compiled.outcome.within
    elif asset == "arrivals":
        window = compiled.outcome.source.expect
    return max(window, _SHORTEST_WINDOW) if window is not None else None


def _definition_metadata(compiled: Compiled, asset: str) -> dict[str, object]:
    outcome = compiled.outcome
    metadata: dict[str, object] = {}
    if asset in {"verified", "routed", "delivered"}:
        metadata["dagster/column_schema"] = column_schema(compiled)
    if asset == "promise":
        metadata["promise"] = outcome.promise
        metadata["within"] = format_duration(outcome.within)
        metadata["cost_per_hour"] = outcome.cost_per_hour
    return metadata


def column_schema(compiled: Compiled) -> dg.TableSchema:
    """The contract's columns with their types and the rules that hold for each."""
    contract = compiled.contract
    columns = []
    for name, dtype in contract.columns.items():
        rules = [rule.id for rule in contract.rules if tuple(rule.columns) == (name,)]
        required, unique = f"{name}.not_null", f"{name}.unique"
        columns.append(
            dg.TableColumn(
                name,
                type=str(dtype),
                constraints=dg.TableColumnConstraints(
                    nullable=required not in rules,
                    unique=unique in rules,
                    other=[rule for rule in rules if rule not in {required, unique}],
                ),
                tags={"pii": ""} if name in contract.pii else {},
            )
        )
    return dg.TableSchema(columns=columns)


def _kinds(compiled: Compiled, asset: str) -> Iterable[str]:
    """What the UI shows as icons, at most three."""
    outcome = compiled.outcome
    if asset == "arrivals":
        source = outcome.source
        if isinstance(source, UpstreamSource):
            return ("polars",)
        return (_FORMATS.get(source.format or _suffix(source), "file"), "polars")
    if asset in {"verified", "quarantine"}:
        return ("polars", "pandera")
    if asset == "routed":
        return ("polars", "sql")
    if asset == "delivered":
        kinds = dict.fromkeys(_receiver_kind(spec) for spec in outcome.handoff.values())
        return list(kinds)[:_MOST_KINDS] or ("polars",)
    return ("opsintel",)


_FORMATS: Final = {"csv": "csv", "json_lines": "json", "parquet": "parquet"}
_SUFFIXES: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json_lines",
    ".jsonl": "json_lines",
    ".ndjson": "json_lines",
    ".parquet": "parquet",
}


def _suffix(source: FilesSource) -> str:
    path = source.path if isinstance(source.path, str) else ""
    stem = path.removesuffix(".gz")
    return next((name for ending, name in _SUFFIXES.items() if stem.endswith(ending)), "")


def _receiver_kind(spec: object) -> str:
    if not isinstance(spec, TableReceiver):
        return "file"
    url = spec.url if isinstance(spec.url, str) else ""
    if url.startswith("postgresql"):
        return "postgres"
    return "sqlite" if url.startswith("sqlite") else "table"
