"""`opsintel_dagster.OutcomeComponent`: one outcome, declared in a `defs.yaml`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel, Field, PrivateAttr

from opsintel_dagster.components.attributes import (
    load_contract,
    passing,
    positions_of,
    rendered,
)
from opsintel_dagster.components.defaults import DefaultsComponent
from opsintel_dagster.components.scaffolding import OutcomeScaffolder
from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.orchestration.assets import drain_stage, outcome_assets
from opsintel_dagster.orchestration.compiled import Compiled, compile_outcomes
from opsintel_dagster.orchestration.definitions import location_defs
from opsintel_dagster.orchestration.instance import components_of, load_context
from opsintel_dagster.orchestration.reports import Stage, StageReport
from opsintel_dagster.outcome import Finding, Outcome, Positions
from opsintel_dagster.outcome.findings import FieldPath, position_of
from opsintel_dagster.outcome.loading import load_outcome


def _schema() -> dict[str, Any]:
    """The schema of an outcome as YAML writes it: the contract is a text there."""
    schema = Outcome.model_json_schema()
    schema["properties"]["contract"] = {
        "type": "string",
        "description": "Dotted path of a pandera.polars model or schema: `.contract.Departure`.",
    }
    schema["properties"]["produced_elsewhere"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "Outcomes of other code locations that this one refers to.",
    }
    return schema


_Attributes = passing("OutcomeAttributes", _schema)


@dg.scaffold_with(OutcomeScaffolder)
class OutcomeComponent(dg.Component, dg.Model, dg.Resolvable):
    """An outcome an operation must produce, drained by assets that own the result.

    The first outcome of a code location, by folder, also contributes what a location has once:
    the job and the sensor. So nothing has to be added by hand, and nothing is there twice.

    Override `get_asset_spec` to change how its assets look, and `execute` to do something around
    the drain of a stage.
    """

    outcome: Outcome
    produced_elsewhere: tuple[str, ...] = ()
    positions: Positions = Field(default_factory=dict, repr=False)
    """Where the parts of the declaration stand in its file, for findings about them."""

    _location: Mapping[str, Compiled] | None = PrivateAttr(default=None)

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """How `dg list components` shows it."""
        return dg.ComponentTypeSpec(
            description="An outcome an operation must produce: records are ingested, verified, "
            "routed, handed over and accounted for.",
            tags=["operations"],
            produces=["asset", "asset_check", "job", "sensor"],
        )

    @classmethod
    def model(cls) -> type[BaseModel]:
        """What Dagster validates attributes with: nothing; see `attributes`."""
        return _Attributes

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> Self:
        """Read the attributes of a `defs.yaml`; a leading dot is its folder.

        Raises:
            DeclarationError: they are not valid; with every finding and its position.
        """
        folder = load_context(context)
        data: dict[str, Any] = rendered(context, model.model_dump())
        elsewhere = tuple(data.pop("produced_elsewhere", ()))
        positions = positions_of(context)
        shared = {
            one.defaults.name: one.defaults for one in components_of(folder, DefaultsComponent)
        }
        outcome = load_outcome(data, source=folder.path.name, positions=positions, shared=shared)
        changes: dict[str, Any] = {}
        if isinstance(outcome.contract, str):
            at = position_of(("contract",), positions)
            place = Finding(f"{outcome.name}.contract", "", "", at)
            changes["contract"] = load_contract(folder, outcome.contract, place)
        if isinstance(outcome.routes, str):
            changes["routes"] = str(folder.path / outcome.routes)
        return cls(
            outcome=outcome.model_copy(update=changes),
            produced_elsewhere=elsewhere,
            positions=positions,
        )

    def get_asset_spec(self, spec: dg.AssetSpec) -> dg.AssetSpec:
        """Change how an asset of this outcome looks; its key must stay."""
        return spec

    def execute(
        self, context: dg.AssetExecutionContext, compiled: Compiled, stage: Stage
    ) -> StageReport:
        """Drain one stage. Raise, and the step fails; what is outstanding stays outstanding."""
        return drain_stage(context, compiled, stage)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The six assets, their checks, and in the first outcome of the location job and sensor.

        Raises:
            DeclarationError: with every finding of every outcome of the location.
        """
        siblings = components_of(context, OutcomeComponent) or [self]
        first = siblings[0]
        compiled = first.compiled_location(siblings, context)[self.outcome.name]
        assets = outcome_assets(compiled, get_spec=self.get_asset_spec, execute=self.execute)
        defs = dg.Definitions(assets=assets)
        return dg.Definitions.merge(defs, location_defs()) if self is first else defs

    def compiled_location(
        self, components: "Sequence[OutcomeComponent]", context: dg.ComponentLoadContext
    ) -> Mapping[str, Compiled]:
        """All outcomes of the location by name, compiled together once and kept here."""
        if self._location is None:
            self._location = _compile(components, context)
        return self._location


def _compile(
    components: Sequence[OutcomeComponent], context: dg.ComponentLoadContext
) -> dict[str, Compiled]:
    """Compile all outcomes of the location together, so that all findings come at once."""
    elsewhere = [name for one in components for name in one.produced_elsewhere]
    try:
        compiled = compile_outcomes(
            [one.outcome for one in components],
            location=context.defs_module_name.partition(".")[0],
            produced_elsewhere=elsewhere,
        )
    except DeclarationError as error:
        positions = {one.outcome.name: one.positions for one in components}
        raise DeclarationError([_placed(one, positions) for one in error.findings]) from error
    return {one.name: one for one in compiled}


def _placed(finding: Finding, positions: Mapping[str, Positions]) -> Finding:
    """A finding of the check against the contract, with the position of what it is about."""
    name, _, rest = finding.where.partition(".")
    if finding.position is not None or name not in positions:
        return finding
    at = position_of(_path(rest), positions[name])
    return Finding(finding.where, finding.what, finding.fix, at)


def _path(text: str) -> FieldPath:
    """`routes[1].when` as a path."""
    parts = re.findall(r"\[(\d+)\]|([^.\[\]]+)", text)
    return tuple(int(index) if index else name for index, name in parts)
