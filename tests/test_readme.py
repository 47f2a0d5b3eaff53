"""Every block of the README is run: Python, YAML and the commands, as a reader would."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsintel_dagster.outcome.loading import load_outcome

REPOSITORY = Path(__file__).parents[1]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
FILES = ("definitions", "pyproject.toml", "dagster.yaml", "workspace.yaml")


def blocks(language: str) -> list[str]:
    found = [text for kind, text in BLOCKS if kind == language]
    assert found, language
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a reader has it, after a short demo."""
    folder = tmp_path_factory.mktemp("readme")
    for name in FILES:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, folder / name)
    command("opsintel demo --days 1", folder)
    return folder


def command(line: str, folder: Path) -> str:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OPSINTEL_ROOT": str(folder),
        "DAGSTER_HOME": str(folder),
    }
    done = subprocess.run(
        ["bash", "-euc", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, f"$ {line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_command_works(project: Path) -> None:
    for block in blocks("bash"):
        for line in block.strip().splitlines():
            command(line, project)


def test_the_corrected_register_heals_the_quarantine(project: Path) -> None:
    """What the README promises of the `cp` above."""
    shown = command("opsintel cases list --json", project)
    assert "unknown_destination" not in shown


def test_the_python_runs(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSINTEL_ROOT", str(project))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102  # our own README
    assert names["delivered"].collect().height > 0


def test_the_declarations_are_read_as_they_stand() -> None:
    whole, *parts = (yaml.safe_load(block) for block in blocks("yaml"))
    outcome = load_outcome(whole["attributes"], source="README.md")
    assert outcome.name == "parcels"
    for part in parts:
        more = load_outcome({**whole["attributes"], **part}, source="README.md")
        assert more.model_fields_set - outcome.model_fields_set == set(part)
