"""What only Dagster knows, for commands that run without it: finished runs, assets of others."""

import os
from typing import TYPE_CHECKING, Final

from opsintel_dagster.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsintel_dagster.orchestration.work import FeedOpener

HOME_VARIABLE: Final = "DAGSTER_HOME"


def dagster_side(settings: Settings) -> "tuple[Callable[[str], bool], FeedOpener | None]":
    """Whether a run is finished, and how to follow an asset that is no outcome.

    Without DAGSTER_HOME there is no instance that could know anything.
    """
    if not os.environ.get(HOME_VARIABLE):
        return (lambda _run_id: False), None
    import dagster as dg

    from opsintel_dagster.orchestration.asset_feed import feed_opener  # is Dagster

    instance = dg.DagsterInstance.get()

    def is_run_finished(run_id: str) -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and run.is_finished

    return is_run_finished, feed_opener(instance, settings.root)
