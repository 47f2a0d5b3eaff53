"""`opsintel demo --fresh` forgets what the demo did, and nothing else."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from opsintel_dagster.cli.demo_fresh import forget
from opsintel_dagster.cli.demo_runs import Operation
from opsintel_dagster.errors import LedgerError
from opsintel_dagster.ledger import bindings
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.below(tmp_path)


def bound(settings: Settings, *names: str) -> None:
    """A ledger in which these outcomes have drained."""
    with Installation.open(settings) as installation:
        installation.ledger.migrate()
        with installation.ledger.write() as connection:
            for name in names:
                bindings.bind(connection, name, "definitions", "some declaration", {})


def forgotten(settings: Settings) -> None:
    with dg.DagsterInstance.ephemeral() as instance, Installation.open(settings) as installation:
        forget(installation, Operation({}, instance, job=None))


def test_the_demo_starts_over_and_its_day_files_stay(settings: Settings) -> None:
    bound(settings, "airport_register", "flight_disruptions")
    inbox = settings.root / "inbox" / "departures"
    kept = [
        inbox / "departures-2013-02-30.csv",
        settings.root / ".opsintel" / "demo" / "days" / "departures-2013-01-01.csv",
        settings.root / "notes.txt",
    ]
    gone = [inbox / "departures-2013-12-31.csv", settings.root / ".opsintel" / "desk.db"]
    for file in (*kept, *gone):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()

    forgotten(settings)

    assert all(file.exists() for file in kept)
    assert not any(file.exists() for file in gone)
    assert not (settings.root / ".opsintel" / "ledger.db").exists()


def test_there_may_be_nothing_to_forget(settings: Settings) -> None:
    forgotten(settings)


def test_a_ledger_that_others_use_too_is_not_touched(settings: Settings) -> None:
    bound(settings, "airport_register", "payroll")

    with pytest.raises(LedgerError, match="payroll"):
        forgotten(settings)

    assert (settings.root / ".opsintel" / "ledger.db").exists()


def test_a_ledger_elsewhere_is_not_touched(settings: Settings) -> None:
    elsewhere = replace(settings, ledger_url=f"sqlite:///{settings.root / 'company.db'}")
    bound(elsewhere, "airport_register")

    with pytest.raises(LedgerError, match="removes only what the demo made"):
        forgotten(elsewhere)

    assert (settings.root / "company.db").exists()
