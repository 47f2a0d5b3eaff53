import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from opsintel_dagster.errors import LeaseLost
from opsintel_dagster.ledger import HeldBy, Lease, Ledger, hold
from opsintel_dagster.ledger.tables import lease

HOLD_AND_DIE = """
import os, sys
from opsintel_dagster.ledger import Ledger, hold
with hold(Ledger(sys.argv[1]), "flights", run_id="run-1"):
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    opened = Ledger(database_url)
    opened.migrate()
    yield opened
    opened.close()


def holder_elsewhere(ledger: Ledger, *, run_id: str | None = None) -> None:
    """A lease held by a process of another machine, whose heartbeat stands still."""
    with hold(ledger, "flights"):
        pass
    holder = {"host": "elsewhere", "machine": "another boot", "pid": 1, "started": "1"}
    with ledger.write() as connection:
        connection.execute(update(lease).values(holder=json.dumps(holder), run_id=run_id))


def test_each_holder_has_a_higher_epoch_than_the_one_before(ledger: Ledger) -> None:
    epochs = []
    for _ in range(3):
        with hold(ledger, "flights") as held:
            assert isinstance(held, Lease)
            epochs.append(held.epoch)
    assert epochs == sorted(set(epochs))


def test_a_lease_that_beats_is_held_by_its_holder(ledger: Ledger) -> None:
    with hold(ledger, "flights", run_id="run-1") as first:
        assert isinstance(first, Lease)
        with hold(ledger, "flights") as second:
            assert isinstance(second, HeldBy)
            assert "run run-1" in str(second)


def test_outcomes_do_not_share_a_lease(ledger: Ledger) -> None:
    with hold(ledger, "flights") as first, hold(ledger, "hotels") as second:
        assert isinstance(first, Lease)
        assert isinstance(second, Lease)


def test_a_holder_that_was_killed_on_this_machine_is_taken_over_at_once(
    ledger: Ledger, database_url: str
) -> None:
    died = subprocess.run([sys.executable, "-c", HOLD_AND_DIE, database_url], check=False)
    assert died.returncode == -9
    began = time.monotonic()
    with hold(ledger, "flights", stale_after=60) as held:
        assert isinstance(held, Lease)
    assert time.monotonic() - began < 20


def test_a_silent_holder_elsewhere_is_taken_over_after_the_wait(ledger: Ledger) -> None:
    holder_elsewhere(ledger)
    began = time.monotonic()
    with hold(ledger, "flights", stale_after=0.6) as held:
        assert isinstance(held, Lease)
    assert time.monotonic() - began >= 0.6


def test_a_run_that_dagster_reports_as_finished_shortens_the_wait(ledger: Ledger) -> None:
    holder_elsewhere(ledger, run_id="run-7")
    with hold(ledger, "flights", is_run_finished=lambda run: run == "run-7") as held:
        assert isinstance(held, Lease)


def test_a_run_that_dagster_does_not_know_never_shortens_the_wait(ledger: Ledger) -> None:
    holder_elsewhere(ledger, run_id="run-7")
    began = time.monotonic()
    with hold(ledger, "flights", is_run_finished=lambda _run: False, stale_after=0.6):
        assert time.monotonic() - began >= 0.6


def test_a_zombie_that_wakes_after_the_takeover_writes_nothing(ledger: Ledger) -> None:
    with hold(ledger, "flights") as zombie:
        assert isinstance(zombie, Lease)
        with ledger.write() as connection:  # somebody took over while it slept
            connection.execute(update(lease).values(epoch=zombie.epoch + 1))
        with pytest.raises(LeaseLost), zombie.write() as connection:
            connection.execute(update(lease).values(run_id="written by the zombie"))
    with ledger.read() as connection:
        row = connection.execute(select(lease)).one()
    assert row.run_id is None
    assert row.epoch == zombie.epoch + 1


def test_of_many_that_begin_at_once_one_holds_the_lease(ledger: Ledger) -> None:
    holding: list[Lease] = []
    at_once: list[int] = []

    def drain() -> None:
        with hold(ledger, "flights") as held:
            if isinstance(held, Lease):
                holding.append(held)
                at_once.append(len(holding))
                time.sleep(0.3)
                holding.remove(held)

    threads = [threading.Thread(target=drain) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(at_once) == {1}
