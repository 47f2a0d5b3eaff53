"""One declaration, as YAML would give it, that the tests of this folder spoil in one place each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest

Declare = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Facts:
    """A contract of departures."""

    rules: Mapping[str, str] = field(
        default_factory=lambda: {
            "dest_known": "error",
            "tail_known": "warning",
            "month.ge": "error",
        }
    )
    columns: Mapping[str, pl.DataType] = field(
        default_factory=lambda: {
            "carrier": pl.String(),
            "flight": pl.Int64(),
            "dep_delay": pl.Float64(),
            "dep_time": pl.Datetime("us", "UTC"),
            "day": pl.Date(),
            "cancelled": pl.Boolean(),
        }
    )
    references: frozenset[str] = frozenset({"airport_register"})
    pii: frozenset[str] = frozenset({"carrier"})


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
def declare() -> Declare:
    def declared(**changes: Any) -> dict[str, Any]:
        data: dict[str, Any] = {
            "name": "flight_disruptions",
            "promise": "Every disrupted departure reaches the right desk, once.",
            "within": "15m",
            "owner": "team:network-control",
            "cost_per_hour": 4200,
            "source": {"kind": "files", "path": "inbox/*.csv"},
            "contract": "departures.contract.Departure",
            "key": ["carrier", "flight"],
            "tolerance": 0.2,
            "failure_modes": [
                {
                    "name": "unknown_destination",
                    "rules": ["dest_known"],
                    "human_step": {"does": "dispatcher looks the code up", "minutes": 6},
                    "remedy": {"kind": "quarantine", "replay_when": "airport_register"},
                },
                {
                    "name": "unknown_aircraft",
                    "rules": ["tail_known"],
                    "remedy": {"kind": "go_on"},
                },
            ],
            "routes": [
                {"to": "rebooking", "when": "dep_time IS NULL"},
                {"to": "nowhere"},
            ],
            "handoff": {
                "rebooking": {"kind": "table", "url": {"env": "DESK_URL"}, "table": "queue"}
            },
        }
        data.update(changes)
        return {name: value for name, value in data.items() if value is not ...}

    return declared
