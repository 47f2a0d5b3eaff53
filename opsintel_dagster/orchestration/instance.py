"""The one room for Dagster API that is not marked public, each use pinned in `tests/upstream`.

Everything else of this package uses the public API only, so that an upgrade of Dagster is judged
by reading this module and running those tests.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.definitions.op_definition import OpDefinition
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType, TickStatus
from dagster_shared.check import CheckError

NO_EVENT: Final = "__source_asset_observation__"
_PAYLOAD: Final = "_opsintel_payload"

AssetJob: TypeAlias = UnresolvedAssetJobDefinition
"""What `define_asset_job` gives; Dagster has no public name for it."""

Body = TypeVar("Body", bound=Callable[..., Any])
AComponent = TypeVar("AComponent", bound=dg.Component)


@dataclass(frozen=True)
class CheckRecord:
    """The last thing a check said, and when.

    `is_bound` says that it spoke of one materialization: the UI forgets it with the next one.
    """

    passed: bool
    severity: dg.AssetCheckSeverity
    metadata: Mapping[str, Any]
    description: str | None
    at: datetime
    is_bound: bool


def quiet(key: dg.AssetKey) -> "dg.MaterializeResult[None]":
    """The output of a stage that had nothing to do: no materialization, and yet an output.

    Dagster skips every step downstream of an output that was not yielded. A drain with nothing
    new to verify may still have deliveries to repeat, so the chain must go on; and an event that
    nothing happened would count as a sign of life for the freshness policies. Dagster itself
    marks the outputs of observable source assets so, to store no second event for them.
    """
    return dg.MaterializeResult(asset_key=key, metadata={NO_EVENT: True})


def last_checks(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, CheckRecord]:
    """The last finished evaluation of every check that was ever evaluated."""
    records: dict[dg.AssetCheckKey, CheckRecord] = {}
    summaries = instance.event_log_storage.get_asset_check_summary_records(keys)
    for key, summary in summaries.items():
        record = summary.last_completed_check_execution_record
        entry = record.event if record is not None else None
        evaluation = entry.asset_check_evaluation if entry is not None else None
        if entry is None or evaluation is None:
            continue
        records[key] = CheckRecord(
            passed=evaluation.passed,
            severity=evaluation.severity,
            metadata=evaluation.metadata,
            description=evaluation.description,
            at=datetime.fromtimestamp(entry.timestamp, UTC),
            is_bound=evaluation.target_materialization_data is not None,
        )
    return records


def failure_events(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.DagsterEvent]:
    """The events by which steps of a run failed for good, and the run itself, oldest first."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    for entry in instance.all_logs(run_id, of_type=kinds):
        if entry.dagster_event is not None:
            yield entry.dagster_event


def freshness_states(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]
) -> dict[dg.AssetKey, FreshnessState]:
    """What the freshness daemon last said; assets it never looked at are left out."""
    records = instance.get_freshness_state_records(keys)
    return {key: record.freshness_state for key, record in records.items()}


def not_fresh(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> list[dg.AssetKey]:
    """Those of the assets of which the freshness daemon last said that they are too old."""
    states = freshness_states(instance, keys)
    return [key for key, state in states.items() if state is FreshnessState.FAIL]


@dataclass(frozen=True)
class FreshnessChange:
    """One change of what the freshness daemon says of an asset."""

    key: dg.AssetKey
    before: str
    state: str
    at: datetime

    @property
    def has_lapsed(self) -> bool:
        """Whether it is older than its policy allows since then."""
        return self.state == FreshnessState.FAIL.value

    @property
    def has_recovered(self) -> bool:
        """Whether it was older than its policy allows until then."""
        return self.before == FreshnessState.FAIL.value and not self.has_lapsed


def freshness_changes(
    instance: dg.DagsterInstance, after: int, limit: int
) -> tuple[list[FreshnessChange], int]:
    """Changes after this storage id, oldest first, and the storage id to go on from."""
    kind = dg.DagsterEventType.FRESHNESS_STATE_CHANGE
    records = instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(kind, after_cursor=after), limit=limit, ascending=True
    )
    changes = []
    for record in records:
        event = record.event_log_entry.dagster_event
        change = event.event_specific_data if event is not None else None
        if isinstance(change, FreshnessStateChange):
            at = datetime.fromtimestamp(change.state_change_timestamp, UTC)
            changes.append(
                FreshnessChange(change.key, change.previous_state.value, change.new_state.value, at)
            )
    return changes, max([record.storage_id for record in records], default=after)


def newest_freshness_change(instance: dg.DagsterInstance) -> int:
    """The storage id of the last change there was; 0 if there was none."""
    kind = dg.DagsterEventType.FRESHNESS_STATE_CHANGE
    newest = instance.event_log_storage.get_event_records(dg.EventRecordsFilter(kind), limit=1)
    return max([record.storage_id for record in newest], default=0)


@dataclass(frozen=True)
class SensorTicks:
    """What Dagster knows of a sensor; `failures` counts its last ticks that failed in a row."""

    name: str
    location: str
    is_stopped: bool
    ticked_at: datetime | None
    failures: int = 0
    error: str | None = None


def sensor_ticks(
    instance: dg.DagsterInstance, names: Collection[str], last: int
) -> list[SensorTicks] | None:
    """The sensors of these names in all code locations; None: this instance keeps no ticks.

    A sensor that no daemon has ever evaluated is not among them. Two queries, whatever there is.
    """
    if instance.schedule_storage is None:
        return None
    states = [
        state
        for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
        if state.instigator_name in names
    ]
    ids = [state.selector_id for state in states]
    if not ids:
        return []
    ticks: Mapping[str, Sequence[Any]]
    if instance.supports_batch_tick_queries:
        ticks = instance.get_batch_ticks(ids, limit=last + 1)
    else:
        ticks = {
            state.selector_id: instance.get_ticks(
                state.instigator_origin_id, state.selector_id, limit=last + 1
            )
            for state in states
        }
    return [_ticks_of(state, ticks.get(state.selector_id, ())) for state in states]


def _ticks_of(state: Any, ticks: Sequence[Any]) -> SensorTicks:
    times = [tick.timestamp for tick in ticks]
    begun = getattr(state.instigator_data, "last_tick_start_timestamp", None)
    times += [begun] if begun else []
    finished = [tick for tick in ticks if tick.status is not TickStatus.STARTED]
    failures = 0
    while failures < len(finished) and finished[failures].status is TickStatus.FAILURE:
        failures += 1
    error = finished[0].error if failures else None
    return SensorTicks(
        name=state.instigator_name,
        location=state.origin.repository_origin.code_location_origin.location_name,
        is_stopped=state.status is InstigatorStatus.STOPPED,
        ticked_at=datetime.fromtimestamp(max(times), UTC) if times else None,
        failures=failures,
        error=_innermost(error) if error is not None else None,
    )


def _innermost(error: Any) -> str:
    """What failed first, which a sensor's own error is wrapped around; its text in one line."""
    while error.cause is not None:
        error = error.cause
    return str(error.message).strip().partition("\n")[0]


def location_name(context: dg.SensorEvaluationContext) -> str | None:
    """What Dagster calls the code location of a sensor; None in a context made by hand."""
    origin = context.code_location_origin
    return origin.location_name if origin is not None else None


def daemon_heartbeats(instance: dg.DagsterInstance) -> dict[str, datetime | None]:
    """When each daemon this instance needs gave its last heartbeat; None: never.

    Empty where nobody writes heartbeats: without a home, or in Dagster+.
    """
    if instance.daemon_skip_heartbeats_without_errors:
        return {}
    beats = {}
    for name, status in instance.get_daemon_statuses().items():
        last = status.last_heartbeat
        beats[name] = datetime.fromtimestamp(last.timestamp, UTC) if last is not None else None
    return beats


def ends_long_runs(instance: dg.DagsterInstance) -> bool:
    """Whether Dagster's own monitoring ends runs that take longer than their tag allows."""
    return bool(instance.run_monitoring_enabled)


def fail_run(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str) -> None:
    """Mark a run as failed from outside, as Dagster's monitoring does it."""
    instance.report_run_failed(run, message)


def carry(body: Body, payload: object) -> Body:
    """Attach `payload` to the body of an op, where `carried` finds it again.

    The sensor must know the outcomes of its own location, whoever built them and however they
    were post-processed. Definition metadata would do, but is shown in the UI; the body of the op
    is not, and survives every copy Dagster makes of an asset.
    """
    setattr(body, _PAYLOAD, payload)
    return body


def carried(repository: dg.RepositoryDefinition) -> Iterator[tuple[dg.AssetKey, Any]]:
    """Every asset of the code location whose op carries a payload, with that payload."""
    for key, assets in repository.assets_defs_by_key.items():
        node = assets.node_def if assets.is_executable else None
        if not isinstance(node, OpDefinition):
            continue
        body = getattr(node.compute_fn, "decorated_fn", None)
        if hasattr(body, _PAYLOAD):
            yield key, getattr(body, _PAYLOAD)


def assets_downstream(context: dg.AssetExecutionContext, key: dg.AssetKey) -> list[str]:
    """Every asset of the code location that comes after `key`; none where no location is known.

    `dg.materialize` on loose assets, as tests of users do it, has no repository to ask.
    """
    try:
        assets = context.repository_def.assets_defs_by_key
    except CheckError:
        return []
    later = dg.AssetSelection.assets(key).downstream(include_self=False)
    found = later.resolve(dict.fromkeys(assets.values()))
    return sorted(one.to_user_string() for one in found)


_found: dict[type[dg.Component], tuple[object, list[Any]]] = {}


def components_of(context: dg.ComponentLoadContext, kind: type[AComponent]) -> list[AComponent]:
    """All components of one kind in the code location, in the order of their folders.

    Every component of a location asks this, and the tree would walk itself through each time, so
    the answer for the tree that was asked last is kept. The list is that answer, not a copy: a
    component the tree does not list, because it is made by Python code, may add itself.
    """
    tree = context.component_tree
    known = _found.get(kind)
    if known is None or known[0] is not tree:
        known = _found[kind] = (tree, list(tree.get_all_components(of_type=kind)))
    return known[1]


def load_context(context: dg.ResolutionContext) -> dg.ComponentLoadContext:
    """The load context a component is being resolved in; it knows the component's folder."""
    found = dg.ComponentLoadContext.from_resolution_context(context)
    if not isinstance(found, dg.ComponentLoadContext):
        raise TypeError("a component was resolved outside of a component tree")
    return found


def yaml_source(context: dg.ResolutionContext) -> tuple[Path, int] | None:
    """The file the component is written in, and the line its attributes begin in, from one."""
    tree = context.source_position_tree
    attributes = tree.children.get("attributes") if tree is not None else None
    if attributes is None or not Path(attributes.position.filename).is_file():
        return None
    return Path(attributes.position.filename), attributes.position.start.line
