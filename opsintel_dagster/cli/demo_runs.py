"""Drives the definitions the UI shows, on the instance the UI reads, inside this process."""

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opsintel_dagster.errors import RunFailed, SettingsError
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.manual_runs import DEMO_TAG
from opsintel_dagster.settings import ROOT_VARIABLE

if TYPE_CHECKING:
    import dagster as dg

MODULE: Final = "definitions"
HOME_VARIABLE: Final = "DAGSTER_HOME"
MARKED: Final = "true"
"""Its value: of an empty one the UI shows the colon."""

QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The progress bar tells it; the event log keeps it."""


@dataclass(frozen=True)
class Operation:
    """The outcomes of one code location, and the Dagster instance their runs are stored in."""

    compiled: Mapping[str, Compiled]
    instance: "dg.DagsterInstance"
    job: Any

    def drain(self, outcome: str) -> None:
        """Run the six assets of an outcome, as its sensor would.

        Raises:
            RunFailed: the run did not succeed.
        """
        from opsintel_dagster.orchestration.keys import OUTCOME_TAG, outcome_keys

        result = self.job.execute_in_process(
            run_config=QUIET,
            instance=self.instance,
            asset_selection=outcome_keys(outcome),
            tags={OUTCOME_TAG: outcome, DEMO_TAG: MARKED},
            raise_on_error=False,
        )
        if not result.success:
            failed = [event for event in result.all_events if event.is_failure]
            reason = failed[0].message if failed else "no reason was stored"
            raise RunFailed(outcome, result.run_id, str(reason))


def prepare_environment(root: Path) -> None:
    """Let ledger, inboxes and Dagster's instance lie in `root`, unless somebody said otherwise."""
    os.environ.setdefault(ROOT_VARIABLE, str(root))
    os.environ.setdefault(HOME_VARIABLE, str(root))


@contextmanager
def operation(root: Path) -> Iterator[Operation]:
    """The operation declared in `root`, ready to be driven.

    Raises:
        SettingsError: there are no definitions in `root`.
        DeclarationError: they do not compile.
    """
    import dagster as dg  # a second of start that other commands do not pay

    from opsintel_dagster.orchestration.instance import carried
    from opsintel_dagster.orchestration.keys import JOB_NAME

    repository = _definitions(root).get_repository_def()
    compiled = {one.name: one for _, one in carried(repository)}
    with dg.DagsterInstance.get() as instance:
        yield Operation(compiled, instance, repository.get_job(JOB_NAME))


def _definitions(root: Path) -> "dg.Definitions":
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        module = importlib.import_module(MODULE)
    except ModuleNotFoundError as error:
        if error.name != MODULE:
            raise
        fix = "Run the demo in the folder of the repository, where `definitions/` lies."
        raise SettingsError(MODULE, f"there is no such module in {root}", fix) from error
    loaded: dg.Definitions = module.defs()
    return loaded
