"""Forgets what the demo did, and only that."""

import shutil
from typing import TYPE_CHECKING

from opsintel_dagster.cli.demo_plan import OUTCOMES, inbox_files
from opsintel_dagster.cli.demo_runs import MARKED, Operation
from opsintel_dagster.errors import LedgerError
from opsintel_dagster.ledger import bindings
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.manual_runs import DEMO_TAG
from opsintel_dagster.settings import Settings

if TYPE_CHECKING:
    import dagster as dg


def forget(installation: Installation, running: Operation) -> None:
    """Remove ledger, frames, desk database and inbox files, and the runs from Dagster's history.

    Raises:
        LedgerError: the ledger is not the demo's own; nothing is removed then.
    """
    settings = installation.settings
    own = Settings.below(settings.root)
    if settings != own:
        raise LedgerError(
            f"the ledger ({installation.ledger.address}) or the store is not the one below "
            f"{own.root / '.opsintel'}; `--fresh` removes only what the demo made there"
        )
    if installation.ledger.exists():
        with installation.ledger.read() as connection:
            others = {row.name for row in bindings.all_bound(connection)} - {*OUTCOMES}
        if others:
            raise LedgerError(
                f"the ledger also holds {', '.join(sorted(others))}; `--fresh` would forget them "
                "too, so remove .opsintel yourself if that is what you want"
            )
    installation.ledger.close()
    _forget_runs(running.instance)
    home = own.root / ".opsintel"
    for path in home.iterdir() if home.exists() else ():
        if path.name == "demo":
            continue  # the day files are only cut once
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for file in inbox_files(settings.root):
        file.unlink(missing_ok=True)


def _forget_runs(instance: "dg.DagsterInstance") -> None:
    import dagster as dg

    from opsintel_dagster.orchestration.keys import outcome_keys

    for run in instance.get_runs(dg.RunsFilter(tags={DEMO_TAG: MARKED})):
        instance.delete_run(run.run_id)
    instance.wipe_assets([key for name in OUTCOMES for key in outcome_keys(name)])
