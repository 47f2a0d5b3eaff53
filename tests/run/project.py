"""A project of somebody else, which has only the installed package, and commands run in it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

DEFINITIONS = """\
from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""

DAGSTER_YAML = """\
telemetry: {enabled: false}
nux: {enabled: false}
run_monitoring: {enabled: false}
"""


@dataclass(frozen=True)
class Project:
    """A folder with a `pyproject.toml`, a package `ops`, and a Dagster home."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> "Project":
        """A project without any outcome."""
        package = root / "ops"
        (package / "defs").mkdir(parents=True)
        for folder in (package, package / "defs"):
            (folder / "__init__.py").touch()
        (package / "definitions.py").write_text(DEFINITIONS)
        (root / "pyproject.toml").write_text(
            dedent(
                """\
                [project]
                name = "ops"
                version = "0.1.0"

                [tool.dg]
                directory_type = "project"

                [tool.dg.project]
                root_module = "ops"
                """
            )
        )
        home = root / "home"
        home.mkdir()
        (home / "dagster.yaml").write_text(DAGSTER_YAML)
        return cls(root)

    @property
    def environment(self) -> dict[str, str]:
        """What commands see: the project, its home, and nothing of the repository's tests."""
        inherited = {name: value for name, value in os.environ.items() if "DAGSTER" not in name}
        return {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root),
            "DAGSTER_HOME": str(self.root / "home"),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "OPSINTEL_ROOT": str(self.root),
            "OPSINTEL_SENSOR_SECONDS": "1",
            "COLUMNS": "200",
        }

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the project; gives everything it said."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout
        assert check or done.returncode != 0, done.stdout
        return done.stdout

    def scaffold(self, name: str) -> Path:
        """Add an outcome as `dg` writes it, without the cost of starting `dg`."""
        from dagster.components.component_scaffolding import scaffold_object  # noqa: PLC0415

        folder = self.root / "ops" / "defs" / name
        component = "opsintel_dagster.OutcomeComponent"
        scaffold_object(folder, component, None, "yaml", self.root)
        return folder

    def drop(self, outcome: str, name: str, content: str) -> None:
        """Put a file into an outcome's inbox."""
        inbox = self.root / "inbox" / outcome
        inbox.mkdir(parents=True, exist_ok=True)
        (inbox / name).write_text(content)

    def delivered(self, outcome: str) -> list[str]:
        """The lines the outcome's desk has received, without their heads."""
        files = sorted((self.root / "outbox" / outcome).glob("*.csv"))
        return [line for file in files for line in file.read_text().splitlines()[1:]]
