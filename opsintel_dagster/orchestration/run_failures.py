"""What went wrong in a run of Dagster, as the chains that classification reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from opsintel_dagster.healing.failure import Link, link_of_text
from opsintel_dagster.healing.traceback_text import link_of_stored
from opsintel_dagster.orchestration.instance import failure_events


@dataclass(frozen=True)
class RunFailure:
    """One failure of a run.

    Attributes:
        stage: The key of the step; None where no step failed and the run did.
        links: The chain, outermost first.
        metadata: What a `dagster.Failure` carried.
    """

    stage: str | None
    links: tuple[Link, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)


def failures_of_run(instance: dg.DagsterInstance, run_id: str) -> list[RunFailure]:
    """The steps of a run that failed for good, in the order in which they did.

    A run that failed without a failed step, because its worker was killed or never started, gives
    one failure with what the run says. A run that did not fail, or is unknown, gives none.
    """
    failures: list[RunFailure] = []
    ends: list[RunFailure] = []
    for event in failure_events(instance, run_id):
        if event.event_type is dg.DagsterEventType.STEP_FAILURE:
            failures.append(_of_step(event))
        else:
            ends.append(_of_run(event))
    return failures or ends[-1:]


def _of_step(event: dg.DagsterEvent) -> RunFailure:
    failed = event.step_failure_data
    links = _chain(failed.error)
    if failed.error is None:
        links = (link_of_text(None, event.message or ""),)
    told = failed.user_failure_data
    metadata = {name: value.value for name, value in told.metadata.items()} if told else {}
    return RunFailure(event.step_key, links, metadata)


def _of_run(event: dg.DagsterEvent) -> RunFailure:
    said = link_of_text(None, event.message or "")
    data = event.event_specific_data  # none of a run that was declared dead from outside
    return RunFailure(None, (said, *_chain(getattr(data, "error", None))))


def _chain(error: Any) -> tuple[Link, ...]:
    """The links of what Dagster stored of an exception; its context where it has no cause."""
    links = []
    while error is not None:
        links.append(link_of_stored(error.message, error.cls_name))
        error = error.cause or error.context
    return tuple(links)
