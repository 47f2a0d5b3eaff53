"""Operations in a folder of their own, run by Dagster in this process."""

import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from running import Running
from scenario import Operation


@pytest.fixture(autouse=True)
def _quiet_dagster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> Iterator[Running]:
    """The scenario's operation, its definitions, and an instance to run them on."""
    monkeypatch.setenv("OPSINTEL_ROOT", str(tmp_path))
    operation = Operation(tmp_path)
    try:
        yield Running(operation, instance)
    finally:
        operation.close()
