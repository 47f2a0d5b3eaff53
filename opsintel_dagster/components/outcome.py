"""`opsintel_dagster.OutcomeComponent`: one outcome, declared in a `defs.yaml`."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel, PrivateAttr

from opsintel_dagster.components.attributes import (
    load_contract,
    passing,
    positions_of,
    rendered,
)
from opsintel_dagster.components.defaults import DefaultsComponent
from opsintel_dagster.components.location import Declaration, compile_location
from opsintel_dagster.components.scaffolding import OutcomeScaffolder
from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.orchestration.assets import drain_stage, outcome_assets
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.definitions import location_defs
from opsintel_dagster.orchestration.instance import components_of, load_context
from opsintel_dagster.orchestration.reports import Stage, StageReport
from opsintel_dagster.outcome import Defaults, Finding, Outcome
from opsintel_dagster.outcome.findings import position_of
from opsintel_dagster.outcome.loading import draft_outcome


def _schema() -> dict[str, Any]:
    """The schema of an outcome as YAML writes it: the contract is a text there."""
    schema = Outcome.model_json_schema()
    schema["properties"]["contract"] = {
        "type": "string",
        "description": "Dotted path of a pandera.polars model or schema: `.contract.Departure`.",
    }
    schema["properties"]["extends"] = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "description": "The defaults this outcome extends, by name.",
    }
    schema["properties"]["produced_elsewhere"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "Outcomes of other code locations that this one refers to.",
    }
    # What defaults may say need not be said again.
    optional = set(Defaults.model_fields)
    schema["if"] = {"not": {"required": ["extends"]}}
    schema["then"] = {"required": schema["required"]}
    schema["required"] = [
        name for name in schema["required"] if name == "name" or name not in optional
    ]
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
    _declaration: Declaration | None = PrivateAttr(default=None)
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

        What is wrong in them is said when definitions are built, together with what is wrong in
        all other outcomes of the code location.
        """
        declaration = declared(context, model.model_dump())
        component = cls(
            outcome=declaration.outcome, produced_elsewhere=declaration.produced_elsewhere
        )
        component._declaration = declaration
        return component

    @property
    def declaration(self) -> Declaration:
        """The outcome with what is wrong in it; nothing is where it was declared in Python."""
        given = Declaration(self.outcome, produced_elsewhere=self.produced_elsewhere)
        return self._declaration or given

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
        siblings = components_of(context, OutcomeComponent)
        is_listed = any(one is self for one in siblings)
        if not is_listed:
            siblings.append(self)
        first = siblings[0]
        keeper = first if is_listed else self
        compiled = keeper.compiled_location(siblings, context)[self.outcome.name]
        assets = outcome_assets(compiled, get_spec=self.get_asset_spec, execute=self.execute)
        defs = dg.Definitions(assets=assets)
        return dg.Definitions.merge(defs, location_defs()) if self is first else defs

    def compiled_location(
        self, siblings: "Sequence[OutcomeComponent]", context: dg.ComponentLoadContext
    ) -> Mapping[str, Compiled]:
        """All outcomes of the location by name, compiled together once and kept here.

        A component made by Python code is not known to the location beforehand. It is compiled
        alone, and knows the others by name.
        """
        if self._location is None:
            name = context.defs_module_name.partition(".")[0]
            together = siblings if self is siblings[0] else [self]
            others = {one.outcome.name for one in siblings if one is not self}
            declarations = [one.declaration for one in together]
            self._location = compile_location(declarations, name, others)
        return self._location


def declared(context: dg.ResolutionContext, attributes: Mapping[str, Any]) -> Declaration:
    """Understand the attributes of an outcome as far as that is possible."""
    folder = load_context(context)
    data: dict[str, Any] = rendered(context, attributes)
    elsewhere = tuple(data.pop("produced_elsewhere", ()))
    positions = positions_of(context)
    shared = {one.defaults.name: one.defaults for one in components_of(folder, DefaultsComponent)}
    draft = draft_outcome(data, source=folder.path.name, positions=positions, shared=shared)
    outcome, findings, unsound = draft.outcome, draft.findings, draft.unsound
    if isinstance(outcome.contract, str) and "contract" not in unsound:
        try:
            contract = load_contract(folder, outcome.contract)
        except DeclarationError as error:
            where, at = f"{outcome.name}.contract", position_of(("contract",), positions)
            placed = [Finding(where, one.what, one.fix, at) for one in error.findings]
            findings, unsound = (*findings, *placed), unsound | {"contract"}
        else:
            outcome = outcome.model_copy(update={"contract": contract})
    if isinstance(outcome.routes, str):
        outcome = outcome.model_copy(update={"routes": str(folder.path / outcome.routes)})
    return Declaration(outcome, findings, unsound, positions, elsewhere)
