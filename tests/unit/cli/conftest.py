"""The command line on a small installation that has been drained: every kind of record in it."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandera.polars as pa
import pytest
from scenario import Operation, Parcel, depots, parcels
from typer.testing import CliRunner, Result

from opsintel_dagster.cli.app import app

DEFINITIONS = """
from scenario import depots, parcels
from opsintel_dagster import build_defs

defs = build_defs([parcels(), depots()], location="tests")
"""


class PrivateParcel(Parcel):
    """The same parcels, whose note is personal."""

    note: str = pa.Field(nullable=True, metadata={"pii": True})


@pytest.fixture
def opsintel() -> Callable[..., Result]:
    """Run one command in this process."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def answer(opsintel: Callable[..., Result]) -> Callable[..., Any]:
    """The JSON document of a command that is fine."""

    def run(*arguments: str) -> Any:
        result = opsintel(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty installation; a definitions module of the scenario's outcomes lies in it."""
    for name in ("OPSINTEL_LEDGER_URL", "OPSINTEL_STORE_URL", "OPSINTEL_MODULE", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPSINTEL_ROOT", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "definitions.py").write_text(DEFINITIONS)
    monkeypatch.delitem(sys.modules, "definitions", raising=False)
    yield tmp_path
    sys.modules.pop("definitions", None)


@pytest.fixture
def operation(root: Path) -> Iterator[Operation]:
    """The installation with two inboxes; nothing has arrived, nothing was drained."""
    operation = Operation(root)
    yield operation
    operation.close()


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installation after the register and the first day; drained once."""
    folder = tmp_path_factory.mktemp("first-day")
    operation = Operation(folder)
    operation.begin()
    operation.close()
    return folder


@pytest.fixture
def drained(first_day: Path, root: Path) -> Iterator[Operation]:
    """A copy of it, which a test may change; nothing in it depends on where it lies."""
    shutil.copytree(first_day, root, dirs_exist_ok=True)
    operation = Operation(root)
    yield operation
    operation.close()


@pytest.fixture(scope="session")
def first_private_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same day, of an outcome whose contract marks a column as personal data."""
    folder = tmp_path_factory.mktemp("first-private-day")
    operation = Operation(folder, (depots(), parcels(contract=PrivateParcel)))
    operation.begin()
    operation.close()
    return folder


@pytest.fixture
def private(first_private_day: Path, root: Path) -> None:
    """A copy of it."""
    shutil.copytree(first_private_day, root, dirs_exist_ok=True)
