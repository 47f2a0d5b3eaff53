"""Operations in a folder of their own, run by Dagster in this process."""

import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from running import Running
from scenario import Operation

import definitions
from opsintel_dagster.cli.demo_source import DemoSource
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.instance import carried
from opsintel_dagster.settings import Settings


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


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Compiled]:
    """The outcomes as the UI shows them, by name."""
    repository = definitions.defs().get_repository_def()
    return {one.name: one for _, one in carried(repository)}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DemoSource:
    """The tables of New York's departures."""
    return DemoSource.found(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """An empty one for the outcomes of `definitions`."""
    monkeypatch.delenv("DESK_URL", raising=False)
    with Installation.open(Settings.below(tmp_path)) as opened:
        yield opened
