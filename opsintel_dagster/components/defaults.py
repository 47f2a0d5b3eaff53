"""`opsintel_dagster.DefaultsComponent`: house standards that outcomes name in `extends`."""

from typing import Any, Self

import dagster as dg
from pydantic import BaseModel

from opsintel_dagster.components.attributes import passing, positions_of, rendered
from opsintel_dagster.components.scaffolding import DefaultsScaffolder
from opsintel_dagster.outcome import Defaults
from opsintel_dagster.outcome.declared import Origin

_Attributes = passing("DefaultsAttributes", Defaults.model_json_schema)


@dg.scaffold_with(DefaultsScaffolder)
class DefaultsComponent(dg.Component, dg.Model, dg.Resolvable):
    """What several outcomes have in common: owner, receivers, limits. It defines no assets."""

    defaults: Defaults

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """How `dg list components` shows it."""
        return dg.ComponentTypeSpec(
            description="House standards that outcomes name in `extends`.",
            tags=["operations"],
        )

    @classmethod
    def model(cls) -> type[BaseModel]:
        """What Dagster validates attributes with: nothing; see `attributes`."""
        return _Attributes

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> Self:
        """Read the attributes of a `defs.yaml`.

        Raises:
            DeclarationError: they are not valid; with every finding.
        """
        data: dict[str, Any] = rendered(context, model.model_dump())
        origin = Origin(source="defaults", positions=positions_of(context))
        return cls(defaults=Defaults.model_validate(data, context=origin))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002  # Dagster's signature
        """Nothing: defaults become visible in the outcomes that extend them."""
        return dg.Definitions()
