"""Doctor says from outside whether anybody watches: daemons, sensors, and the outbox."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat
from scenario import Operation
from typer.testing import Result

from opsintel_dagster.cli import watching
from opsintel_dagster.cli.watching import look_at_machinery
from opsintel_dagster.ledger import Ledger, episodes, notices
from opsintel_dagster.orchestration.instance import SensorTicks
from opsintel_dagster.settings import Settings

HEARTBEATS = "opsintel_dagster.orchestration.instance.daemon_heartbeats"
TICKS = "opsintel_dagster.orchestration.instance.sensor_ticks"


@pytest.fixture
def used_home(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGSTER_HOME that something is kept for."""
    home = root / "home"
    (home / "schedules").mkdir(parents=True)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    return home


@pytest.fixture
def without_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is kept there is answered by the test."""
    monkeypatch.setattr(dg.DagsterInstance, "get", dg.DagsterInstance.ephemeral)
    monkeypatch.setattr(HEARTBEATS, lambda _: {"SENSOR": now(), "ASSET": now()})
    monkeypatch.setattr(TICKS, lambda *_: [ticked(name) for name in NAMES])
    return


def now() -> datetime:
    """Asked anew by each test: a test may run long after its module was read."""
    return datetime.now(UTC)


NAMES = ("opsintel_arrivals", "opsintel_healer", "opsintel_watch")


def ticked(name: str, **known: Any) -> SensorTicks:
    return SensorTicks(
        **{"name": name, "location": "ops", "is_stopped": False, "ticked_at": now(), **known}
    )


def diagnoses(root: Path) -> dict[str, Any]:
    found = look_at_machinery(Settings.below(root))
    return {one.culprit: one for one in found}


@pytest.mark.usefixtures("used_home", "without_disk")
def test_who_ticks_and_gives_heartbeats_is_well(root: Path) -> None:
    found = diagnoses(root)
    assert set(found) == {"Dagster's daemons", *(f"sensor ops/{name}" for name in NAMES)}
    assert all(one.is_well and not one.is_advice for one in found.values())
    assert "2 daemons, the oldest heartbeat" in found["Dagster's daemons"].reason
    assert found["sensor ops/opsintel_watch"].reason.startswith("running, last tick ")


@pytest.mark.usefixtures("used_home", "without_disk")
def test_sensors_that_are_stopped_silent_or_fail_are_told_each_with_its_fix(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = now() - timedelta(hours=1)
    sick = [
        ticked("opsintel_arrivals", is_stopped=True, ticked_at=hour),
        ticked("opsintel_healer", ticked_at=hour),
        ticked("opsintel_watch", failures=3, error="OSError: postgresql://a:secret@b/c"),
    ]
    monkeypatch.setattr(TICKS, lambda *_: sick)
    found = diagnoses(root)
    assert not any(found[f"sensor ops/{name}"].is_well for name in NAMES)
    assert found["sensor ops/opsintel_arrivals"].reason == "stopped; last tick 1.0 h ago"
    assert found["sensor ops/opsintel_healer"].reason == "does not tick; last tick 1.0 h ago"
    assert "only fails, 3 ticks" in found["sensor ops/opsintel_watch"].reason
    assert "secret" not in found["sensor ops/opsintel_watch"].reason
    monkeypatch.setattr(TICKS, lambda *_: sick[:1])
    missing = diagnoses(root)["sensors opsintel_healer, opsintel_watch"]
    assert missing.is_advice


@pytest.mark.usefixtures("used_home", "without_disk")
def test_a_daemon_without_a_heartbeat_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = now() - timedelta(hours=1)
    monkeypatch.setattr(HEARTBEATS, lambda _: {"SENSOR": hour, "ASSET": now(), "BACKFILL": None})
    daemons = diagnoses(root)["Dagster's daemons"]
    assert not daemons.is_well
    assert daemons.reason == "no heartbeat: BACKFILL (never), SENSOR (1.0 h ago)"


def test_a_real_instance_is_asked_and_an_empty_home_is_left_empty(
    used_home: Path, root: Path
) -> None:
    (used_home / "schedules").rmdir()
    assert diagnoses(root)["Dagster's daemons"].is_advice
    assert list(used_home.iterdir()) == []
    with dg.DagsterInstance.from_config(str(used_home)) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(now().timestamp(), "SENSOR", "id"))
    found = diagnoses(root)
    assert "FRESHNESS_DAEMON (never)" in found["Dagster's daemons"].reason
    assert f"sensors {', '.join(NAMES)}" in found


@pytest.mark.usefixtures("without_disk")
def test_a_storage_that_cannot_be_reached_is_told_masked(
    used_home: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("cannot reach postgresql://a:secret@b/c\nmore")

    monkeypatch.setattr(dg.DagsterInstance, "get", fail)
    (told,) = diagnoses(root).values()
    assert told.reason == "OSError: cannot reach postgresql://a:***@b/c"
    assert used_home.exists()


def put(ledger: Ledger, number: int, *, attempts: int) -> None:
    with ledger.write() as connection:
        identity = f"episode{number}"
        episodes.begin(
            connection, identity, identity, kind="gave_up", outcome="parcels", subject="",
            owner="team:parcels", title="x", facts={}, began_at=now(),
        )  # fmt: skip
        notices.decided(
            connection, f"notice{number}", outcome="parcels", episode_id=identity,
            kind=notices.NoticeKind.BEGUN, step=0, owner="team:parcels", title="x", body="x",
            now=now(),
        )  # fmt: skip
        if attempts:
            connection.exec_driver_sql(
                f"UPDATE opsintel_notice SET attempts = {attempts}, failure = 'it answered 500' "
                f"WHERE id = 'notice{number}'"
            )


def test_notices_that_wait_are_counted_and_those_that_fail_are_a_problem(
    drained: Operation, root: Path, opsintel: Callable[..., Result]
) -> None:
    assert diagnoses(root)["notices"].reason == "no notice is waiting"
    put(drained.installation.ledger, 1, attempts=0)
    assert diagnoses(root)["notices"].reason == "1 notice waiting"
    assert diagnoses(root)["notices"].is_well
    put(drained.installation.ledger, 2, attempts=3)
    shown = opsintel("doctor", "--json")
    (told,) = (one for one in json.loads(shown.stdout)["diagnoses"] if one["culprit"] == "notices")
    assert not told["ok"]
    assert told["reason"] == "2 notices waiting, 1 failing; the last answer: it answered 500"
    assert "opsintel notices test parcels" in told["fix"]
    assert watching.FAILED_SENDINGS == 3
