"""Is everything there that a drain will need, and if not, what to do; and names given back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from scenario import Operation
from typer.testing import Result

from opsintel_dagster.ledger import bindings

Run = Callable[..., Result]
ENV_MODULE = """
from scenario import depots, parcels
from opsintel_dagster import build_defs

receiver = {"kind": "table", "url": {"env": "DESK_URL"}, "table": "gate_queue"}
handoff = {"gate": receiver, "freight": {"kind": "files", "path": "out/freight"}}
defs = build_defs([parcels(handoff=handoff), depots()], location="tests")
"""


@pytest.fixture
def home(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGSTER_HOME."""
    home = root / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return home


@pytest.fixture
def diagnose(opsintel: Run) -> Callable[..., dict[str, Any]]:
    """What doctor says, by culprit; its exit code must agree."""

    def run(*arguments: str) -> dict[str, Any]:
        result = opsintel("doctor", *arguments, "--json")
        document = json.loads(result.stdout)
        assert document["ok"] == (result.exit_code == 0)
        return {one["culprit"]: one for one in document["diagnoses"]}

    return run


Diagnose = Callable[..., dict[str, Any]]


@pytest.mark.usefixtures("drained", "home")
def test_a_sound_installation_is_well(opsintel: Run) -> None:
    result = opsintel("doctor")
    assert result.exit_code == 0, result.stdout
    assert "✗" not in result.stdout
    hints = result.stdout.count("\n!  ")
    assert f"Nothing is wrong; {hints} hint" in result.stdout


@pytest.mark.usefixtures("operation", "home")
def test_looking_creates_neither_ledger_nor_store(root: Path, diagnose: Diagnose) -> None:
    found = diagnose()
    assert all(one["ok"] for one in found.values()), found
    assert not (root / ".opsintel").exists()


@pytest.mark.usefixtures("operation", "home")
def test_an_unset_variable_is_named_with_the_field_that_wants_it(
    root: Path, diagnose: Diagnose
) -> None:
    (root / "definitions.py").write_text(ENV_MODULE)
    found = diagnose()
    assert not found["parcels.handoff.gate"]["ok"]
    assert "DESK_URL" in found["parcels.handoff.gate"]["reason"]
    assert found["parcels.handoff.freight"]["ok"]


@pytest.mark.usefixtures("home")
def test_a_missing_inbox_and_an_unreachable_receiver_are_told(
    operation: Operation, diagnose: Diagnose
) -> None:
    (operation.root / "inbox" / "depots").rmdir()
    (operation.root / "out").write_text("a file where a folder should be")
    found = diagnose()
    assert "does not exist" in found["depots.source"]["reason"]
    assert "is not a folder" in found["parcels.handoff.freight"]["reason"]


TOLD_MODULE = """
from scenario import depots, parcels
from opsintel_dagster import build_defs

notices = {"channels": {"team:parcels": ["slack://a/b/SECRET", {"env": "PAGER_URL"}]},
           "fallback": "team:duty"}
defs = build_defs([parcels(notices=notices), depots()], location="tests")
"""


@pytest.mark.usefixtures("operation", "home")
def test_who_cannot_be_told_anything_is_named_as_advice(
    root: Path, opsintel: Run, diagnose: Diagnose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER_URL", "pagerduty://a/b")
    (root / "definitions.py").write_text(TOLD_MODULE)
    found = diagnose()
    duty = found["parcels.notices.channels.team:duty"]
    assert (duty["ok"], duty["is_advice"]) == (True, True)
    assert "has no channel: notices stay in the outbox and in the UI" in duty["reason"]
    assert found["parcels.notices.channels.team:parcels"]["reason"] == "slack://***, $PAGER_URL"
    shown = opsintel("doctor")
    assert shown.exit_code == 0
    assert "!  parcels.notices.channels.team:duty" in shown.stdout
    monkeypatch.delenv("PAGER_URL")
    assert not diagnose()["parcels.notices.channels.team:parcels[1]"]["ok"]


@pytest.mark.usefixtures("operation")
def test_without_dagster_home_runs_are_forgotten(diagnose: Diagnose) -> None:
    assert "throw-away instance" in diagnose()["DAGSTER_HOME"]["reason"]


@pytest.mark.usefixtures("operation")
@pytest.mark.parametrize("home", ["relative/home", "/nowhere/at/all"])
def test_a_home_that_is_none_is_told(
    home: str, monkeypatch: pytest.MonkeyPatch, diagnose: Diagnose
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", home)
    assert not diagnose()["DAGSTER_HOME"]["ok"]


POSTGRES = """
storage:
  postgres:
    postgres_db: {{hostname: db, username: dagster, password: x, db_name: dagster{scheme}}}
"""


@pytest.mark.usefixtures("operation")
@pytest.mark.parametrize(
    ("scheme", "has_psycopg", "is_well"),
    [
        ("", False, False),
        ("", True, True),
        (", scheme: postgresql+psycopg2", False, True),
    ],
)
def test_a_postgres_storage_needs_the_scheme_of_an_installed_driver(
    *,
    home: Path,
    diagnose: Diagnose,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    has_psycopg: bool,
    is_well: bool,
) -> None:
    if tuple(map(int, sqlalchemy.__version__.split(".")[:2])) < (2, 1):
        pytest.skip("SQLAlchemy before 2.1 takes psycopg2 by itself")
    there = {"dagster_postgres", *(["psycopg"] if has_psycopg else [])}
    monkeypatch.setattr(
        "opsintel_dagster.cli.diagnosis.find_spec", lambda name: name if name in there else None
    )
    (home / "dagster.yaml").write_text(POSTGRES.format(scheme=scheme))
    # Nothing listens there, which Dagster needs ten seconds to find out.
    monkeypatch.setattr("opsintel_dagster.cli.doctor.look_at_machinery", lambda _: iter(()))
    found = diagnose()["home/dagster.yaml"]
    assert found["ok"] is is_well
    assert is_well or "scheme: postgresql+psycopg2" in found["fix"]


@pytest.mark.usefixtures("operation")
@pytest.mark.parametrize("text", ["storage: [", "- a list"])
def test_a_dagster_yaml_that_is_none_is_told(home: Path, diagnose: Diagnose, text: str) -> None:
    (home / "dagster.yaml").write_text(text)
    assert not diagnose()["home/dagster.yaml"]["ok"]


@pytest.mark.usefixtures("drained", "home")
def test_a_name_that_belongs_to_another_location_is_told_with_both_names(
    root: Path, diagnose: Diagnose
) -> None:
    text = (root / "definitions.py").read_text()
    (root / "definitions.py").write_text(text.replace('"tests"', '"theirs"'))
    found = diagnose()["parcels.name"]
    assert "'tests'" in found["reason"]
    assert "'theirs'" in found["reason"]
    assert "opsintel release parcels" in found["fix"]


@pytest.mark.usefixtures("root", "home")
def test_a_module_that_does_not_import_is_a_finding_and_no_traceback(
    root: Path, diagnose: Diagnose
) -> None:
    (root / "definitions.py").write_text("1 / 0\n")
    assert "ZeroDivisionError" in diagnose()["definitions"]["reason"]


@pytest.mark.usefixtures("home")
def test_a_ledger_that_cannot_be_reached_is_told_without_its_password(
    root: Path, opsintel: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql+psycopg2://ops:secret@127.0.0.1:1/ledger"
    monkeypatch.setenv("OPSINTEL_LEDGER_URL", url)
    result = opsintel("doctor")
    assert result.exit_code == 1
    assert "secret" not in result.stdout
    assert "Start the database, or correct OPSINTEL_LEDGER_URL." in result.stdout
    assert not (root / ".opsintel").exists()


@pytest.mark.usefixtures("drained", "home")
def test_a_ledger_of_a_newer_version_is_told(drained: Operation, diagnose: Diagnose) -> None:
    with drained.installation.ledger.write() as connection:
        statement = sqlalchemy.text("UPDATE opsintel_alembic_version SET version_num = '9999'")
        connection.execute(statement)
    address = drained.installation.ledger.address
    assert "newer opsintel-dagster" in diagnose()[f"ledger {address}"]["reason"]


def test_a_released_name_may_be_claimed_by_another_location(
    drained: Operation, opsintel: Run
) -> None:
    result = opsintel("release", "parcels", "--json")
    assert json.loads(result.stdout) == {"outcome": "parcels", "released_from": "tests"}
    with drained.installation.ledger.read() as connection:
        assert bindings.bound(connection, "parcels") is None
    assert opsintel("release", "parcels").exit_code == 1


def test_version_and_help_are_there(opsintel: Run) -> None:
    assert opsintel("--version").stdout.startswith("opsintel 0.")
    shown = opsintel("--help").stdout
    for command in ("status", "trace", "cases", "drain", "doctor", "demo", "release", "classify"):
        assert f"  {command}" in shown
    assert "0 fine" in shown
