"""Outcomes as Dagster definitions: their assets, and what a code location has once."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import dagster as dg

from opsintel_dagster.orchestration.assets import outcome_assets
from opsintel_dagster.orchestration.autonomy_asset import autonomy_asset
from opsintel_dagster.orchestration.compiled import compile_outcomes
from opsintel_dagster.orchestration.healer import healer_sensor
from opsintel_dagster.orchestration.sensors import arrivals_sensor, drain_job
from opsintel_dagster.orchestration.watch import watch_sensor
from opsintel_dagster.outcome import Outcome


def build_defs(
    outcomes: Sequence[Outcome],
    *,
    location: str | None = None,
    produced_elsewhere: Collection[str] = (),
    folder: Path | None = None,
    with_job_and_sensor: bool = True,
) -> dg.Definitions:
    """Compile outcomes into the definitions of a code location.

    It may be called several times in one code location and its results merged: job, sensors
    and the asset `opsintel/autonomy` are the same objects each time, and find the outcomes by
    themselves.

    Args:
        outcomes: The outcomes.
        location: The code location's name, which the ledger binds the outcomes to; by default
            the top-level package, or module, that calls.
        produced_elsewhere: Outcomes declared elsewhere that these refer to.
        folder: Where decision tables in CSV files with a relative path lie; by default the
            current one.
        with_job_and_sensor: False in a file of a `dg` project whose other files bring them, and
            the asset `opsintel/autonomy`: Dagster copies what each file brings, and refuses two
            sensors, or assets, of one name.

    Raises:
        DeclarationError: with every finding of every outcome.
    """
    if location is None:
        caller = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001  # no public way to ask
        location = caller.partition(".")[0]
    compiled = compile_outcomes(
        outcomes, location=location, produced_elsewhere=produced_elsewhere, folder=folder
    )
    assets = [definition for one in compiled for definition in outcome_assets(one)]
    defs = dg.Definitions(assets=assets)
    return dg.Definitions.merge(defs, location_defs()) if with_job_and_sensor else defs


def location_defs() -> dg.Definitions:
    """What a code location has once: job, sensors, and the asset that measures them all."""
    sensors = [arrivals_sensor(), healer_sensor(), watch_sensor()]
    return dg.Definitions(assets=[autonomy_asset()], jobs=[drain_job()], sensors=sensors)
