"""Drives the definitions of an operation in this process, and says what Dagster was told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from scenario import DAY_ONE, DEPOTS, Operation

from opsintel_dagster import build_defs
from opsintel_dagster.orchestration import trying_again
from opsintel_dagster.orchestration.troubles import dependencies_of


@dataclass
class Running:
    """An operation with its definitions on an instance."""

    operation: Operation
    instance: dg.DagsterInstance
    defs: dg.Definitions = field(init=False)

    def __post_init__(self) -> None:
        self.deploy()

    def deploy(self) -> None:
        """Load the declarations of the operation as a code location."""
        self.defs = build_defs(self.operation.outcomes, location="tests")

    @property
    def repository(self) -> dg.RepositoryDefinition:
        return self.defs.get_repository_def()

    def run(
        self, outcome: str = "parcels", assets: Sequence[str] | None = None, **options: Any
    ) -> dg.ExecuteInProcessResult:
        """One run of the shared job with all or some assets of an outcome."""
        job = self.repository.get_job("opsintel_drain")
        keys = [
            key
            for key in self.repository.assets_defs_by_key
            if key.path[0] == outcome and (assets is None or key.path[1] in assets)
        ]
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=keys,
            tags={"opsintel/outcome": outcome},
            **options,
        )

    def begin(self) -> dg.ExecuteInProcessResult:
        """The register and the first day, drained by Dagster."""
        self.operation.drop("depots", "depots.csv", DEPOTS)
        self.operation.drop("parcels", "day1.csv", DAY_ONE)
        self.run("depots")
        return self.run("parcels")

    def decide(self, outcome: str = "parcels") -> None:
        """What `opsintel heal` does before it drains."""
        installation = self.operation.installation
        names = dependencies_of(installation, self.operation.compiled[outcome])
        with installation.ledger.write() as connection:
            trying_again.decided(connection, outcome, "tests", names)

    def tick(self, cursor: str | None = None, sensor_name: str = "opsintel_arrivals") -> Any:
        """One tick of a sensor."""
        sensor = self.repository.get_sensor_def(sensor_name)
        context = dg.build_sensor_context(
            instance=self.instance, repository_def=self.repository, cursor=cursor
        )
        with context:
            return sensor.evaluate_tick(context)


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Metadata of every materialization of a run, by the asset's name within its outcome."""
    events = result.get_asset_materialization_events()
    return {
        event.materialization.asset_key.path[1]: {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in events
    }


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """Every check evaluation of a run, by name."""
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def woken(tick: Any) -> list[str]:
    """Which outcomes a tick asked to run, in order."""
    return [request.tags["opsintel/outcome"] for request in tick.run_requests or []]
