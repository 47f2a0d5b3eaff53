"""The care desk on both databases."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from care_desk import Desk

from opsintel_dagster.handoff import open_receiver
from opsintel_dagster.outcome import TableReceiver


@pytest.fixture
def open_desk(database_url: str, tmp_path: Path) -> Callable[..., Desk]:
    def opened(**declared: Any) -> Desk:
        spec = TableReceiver(url=database_url, **{"table": "care_queue", **declared})
        receiver = open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")
        return Desk(database_url, receiver)

    return opened


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk()
