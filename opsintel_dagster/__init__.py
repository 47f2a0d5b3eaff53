"""Operational intelligence on Dagster: declare the outcome, own the result."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opsintel_dagster.components.defaults import DefaultsComponent
    from opsintel_dagster.components.outcome import OutcomeComponent
    from opsintel_dagster.errors import OpsintelError
    from opsintel_dagster.orchestration.definitions import build_defs
    from opsintel_dagster.orchestration.reading import read
    from opsintel_dagster.outcome import FailureMode, HumanStep, Outcome
    from opsintel_dagster.settings import Settings
    from opsintel_dagster.verification import in_reference

__all__ = [
    "DefaultsComponent",
    "FailureMode",
    "HumanStep",
    "OpsintelError",
    "Outcome",
    "OutcomeComponent",
    "Settings",
    "build_defs",
    "in_reference",
    "read",
]

_MODULES = {
    "DefaultsComponent": "components.defaults",
    "FailureMode": "outcome",
    "HumanStep": "outcome",
    "OpsintelError": "errors",
    "Outcome": "outcome",
    "OutcomeComponent": "components.outcome",
    "Settings": "settings",
    "build_defs": "orchestration.definitions",
    "in_reference": "verification",
    "read": "orchestration.reading",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for and nothing else: every `dg` command imports this module."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """All public names, imported or not, so that `dg list components` finds the components."""
    return sorted(__all__)
