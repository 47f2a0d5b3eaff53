"""What an outcome is: the declaration, what is wrong with it, and how it reads."""

from opsintel_dagster.outcome.declaration import Outcome
from opsintel_dagster.outcome.defaults import Defaults, extend
from opsintel_dagster.outcome.durations import format_duration, parse_duration
from opsintel_dagster.outcome.environment import EnvValue, resolve, shown
from opsintel_dagster.outcome.failure_modes import (
    FailureMode,
    GoOn,
    HumanStep,
    Quarantine,
    Remedy,
)
from opsintel_dagster.outcome.findings import Finding, Positions
from opsintel_dagster.outcome.limits import BatchLimits, ReferencePolicy
from opsintel_dagster.outcome.names import NOWHERE, RESERVED_RULES, UNMAPPED
from opsintel_dagster.outcome.receivers import FileReceiver, ReceiverSpec, TableReceiver
from opsintel_dagster.outcome.routes import Route, effective_routes
from opsintel_dagster.outcome.sources import FilesSource, Source, UpstreamSource

__all__ = [
    "NOWHERE",
    "RESERVED_RULES",
    "UNMAPPED",
    "BatchLimits",
    "Defaults",
    "EnvValue",
    "FailureMode",
    "FileReceiver",
    "FilesSource",
    "Finding",
    "GoOn",
    "HumanStep",
    "Outcome",
    "Positions",
    "Quarantine",
    "ReceiverSpec",
    "ReferencePolicy",
    "Remedy",
    "Route",
    "Source",
    "TableReceiver",
    "UpstreamSource",
    "effective_routes",
    "extend",
    "format_duration",
    "parse_duration",
    "resolve",
    "shown",
]
