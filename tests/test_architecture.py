"""The direction of imports is the direction of the flow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "opsintel_dagster"
GROUND = {"outcome", "ledger", "store", "settings", "errors", "crashpoints"}
STAGES = {"ingestion", "verification", "routing", "handoff", "healing", "watching"}
BELOW: dict[str, set[str]] = {
    **dict.fromkeys(GROUND, GROUND),
    "errors": GROUND | {"verification"},  # a type of its problems, for the type checker only
    **{stage: GROUND | {stage} for stage in STAGES},
    "orchestration": GROUND | STAGES | {"orchestration"},
    "testing": GROUND | STAGES | {"orchestration"},
    "components": GROUND | STAGES | {"orchestration", "components"},
    "cli": GROUND | STAGES | {"orchestration", "components", "cli", "testing"},
}
WITHOUT_DAGSTER = GROUND | STAGES


def imported_by(file: Path) -> set[str]:
    """The modules a file imports anywhere, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms() -> list[tuple[str, Path]]:
    files = [file for file in PACKAGE.rglob("*.py") if file.parent != PACKAGE]
    files += [file for file in PACKAGE.glob("*.py") if file.name != "__init__.py"]
    return sorted((file.relative_to(PACKAGE).parts[0].removesuffix(".py"), file) for file in files)


@pytest.mark.parametrize("room", sorted(BELOW))
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    for name, file in rooms():
        if name == room:
            for imported in imported_by(file):
                parts = imported.split(".")
                if parts[0] == "opsintel_dagster" and len(parts) > 1:
                    allowed = BELOW[room] | {"__version__"}
                    assert parts[1] in allowed, f"{file.name} imports {imported}"


def test_every_room_has_a_place_in_the_order() -> None:
    assert {name for name, _ in rooms()} <= set(BELOW)


def test_dagster_is_not_seen_below_orchestration() -> None:
    for name, file in rooms():
        if name in WITHOUT_DAGSTER:
            for imported in imported_by(file):
                assert not imported.startswith("dagster"), f"{file.name} imports {imported}"


def test_a_drain_needs_no_dagster() -> None:
    code = (
        "import sys, opsintel_dagster.orchestration.drain, opsintel_dagster.testing\n"
        "sys.exit('dagster' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'polars', 'pandera', 'dagster', 'sqlalchemy', 'pydantic', 'alembic'}"
    code = f"import sys, opsintel_dagster\nsys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    for _, file in rooms():
        assert len(file.read_text().splitlines()) <= 400, file
