"""What an outcome is: the declaration, what is wrong with it, and how it reads."""

from opsintel_dagster.outcome.amendments import (
    Amendment,
    Rename,
    Repair,
    Reroute,
    content_of,
    contradiction,
    parse_amendment,
)
from opsintel_dagster.outcome.checks import ContractFacts, check
from opsintel_dagster.outcome.conditions import Condition, ConditionError, parse_condition
from opsintel_dagster.outcome.declaration import Outcome
from opsintel_dagster.outcome.defaults import Defaults, extend
from opsintel_dagster.outcome.durations import DurationError, format_duration, parse_duration
from opsintel_dagster.outcome.environment import EnvValue, resolve, shown
from opsintel_dagster.outcome.failure_modes import (
    FailureMode,
    GoOn,
    HumanStep,
    Quarantine,
    Remedy,
)
from opsintel_dagster.outcome.findings import Finding, Positions
from opsintel_dagster.outcome.fingerprint import declaration_fingerprint
from opsintel_dagster.outcome.healing import FailureClass, FailureRule, Healing
from opsintel_dagster.outcome.limits import BatchLimits, ReferencePolicy
from opsintel_dagster.outcome.loading import Draft, draft_outcome, load_defaults, load_outcome
from opsintel_dagster.outcome.map import describe
from opsintel_dagster.outcome.names import NOWHERE, RESERVED_RULES, UNMAPPED
from opsintel_dagster.outcome.notices import (
    MaintenanceWindow,
    Notices,
    WeeklyWindow,
    Window,
    shown_channel,
)
from opsintel_dagster.outcome.positions import read_positions
from opsintel_dagster.outcome.receivers import FileReceiver, ReceiverSpec, TableReceiver
from opsintel_dagster.outcome.routes import Route, effective_routes
from opsintel_dagster.outcome.sources import FilesSource, Source, UpstreamSource
from opsintel_dagster.outcome.symptoms import SYMPTOM_RULES, Symptoms

__all__ = [
    "NOWHERE",
    "RESERVED_RULES",
    "SYMPTOM_RULES",
    "UNMAPPED",
    "Amendment",
    "BatchLimits",
    "Condition",
    "ConditionError",
    "ContractFacts",
    "Defaults",
    "Draft",
    "DurationError",
    "EnvValue",
    "FailureClass",
    "FailureMode",
    "FailureRule",
    "FileReceiver",
    "FilesSource",
    "Finding",
    "GoOn",
    "Healing",
    "HumanStep",
    "MaintenanceWindow",
    "Notices",
    "Outcome",
    "Positions",
    "Quarantine",
    "ReceiverSpec",
    "ReferencePolicy",
    "Remedy",
    "Rename",
    "Repair",
    "Reroute",
    "Route",
    "Source",
    "Symptoms",
    "TableReceiver",
    "UpstreamSource",
    "WeeklyWindow",
    "Window",
    "check",
    "content_of",
    "contradiction",
    "declaration_fingerprint",
    "describe",
    "draft_outcome",
    "effective_routes",
    "extend",
    "format_duration",
    "load_defaults",
    "load_outcome",
    "parse_amendment",
    "parse_condition",
    "parse_duration",
    "read_positions",
    "resolve",
    "shown",
    "shown_channel",
]
