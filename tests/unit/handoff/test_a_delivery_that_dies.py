"""A delivery is killed at its last moment, and made again."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

from care_desk import Desk, delivery, rows

from opsintel_dagster.handoff import open_receiver
from opsintel_dagster.outcome import FileReceiver, TableReceiver

DIES = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {rooms!r})
from care_desk import delivery, rows
from opsintel_dagster import crashpoints
from opsintel_dagster.handoff import database, open_receiver
from opsintel_dagster.outcome import FileReceiver, TableReceiver

def die(point):
    if point == "deliver.staged":
        os.kill(os.getpid(), signal.{signal})

crashpoints.on_reached = die
database.IDLE_SECONDS = 1
receiver = open_receiver({spec}, root=Path("."), outcome="disruptions", route="care")
receiver.deliver(delivery("d1"), rows(1, {{"UA1": 20, "AA2": 30}}))
"""


def process_that_dies(spec: str, signal_name: str = "SIGKILL") -> "subprocess.Popen[bytes]":
    code = DIES.format(rooms=str(Path(__file__).parent), spec=spec, signal=signal_name)
    return subprocess.Popen([sys.executable, "-c", code])


def test_a_delivery_killed_before_its_commit_leaves_nothing(desk: Desk) -> None:
    desk.send("d0", rows(0, {"UA1": 1}))
    with process_that_dies(f"TableReceiver(url={desk.url!r}, table='care_queue')") as process:
        assert process.wait(timeout=20) == -signal.SIGKILL
    assert desk.delays() == {"UA1": 1}
    assert desk.receiver.find(delivery("d1")) is None
    assert desk.counts() == {"d0": 1}
    again = rows(1, {"UA1": 20, "AA2": 30})
    desk.send("d1", again)
    assert desk.confirm("d1", again).state == "confirmed"
    assert desk.counts() == {"d0": 1, "d1": 2}


def test_the_very_first_delivery_killed_leaves_not_even_a_table(desk: Desk) -> None:
    with process_that_dies(f"TableReceiver(url={desk.url!r}, table='care_queue')") as process:
        process.wait(timeout=20)
    assert desk.tables() == set()
    desk.send("d1", rows(1, {"UA1": 20}))
    assert desk.delays() == {"UA1": 20}


def test_a_delivery_that_was_stopped_and_taken_over_is_refused_when_it_wakes(
    postgres_url: str, tmp_path: Path
) -> None:
    table = TableReceiver(url=postgres_url, table="care_queue")
    desk = Desk(postgres_url, open_receiver(table, root=tmp_path, outcome="o", route="r"))
    spec = f"TableReceiver(url={postgres_url!r}, table='care_queue')"
    with process_that_dies(spec, "SIGSTOP") as zombie:
        os.waitpid(zombie.pid, os.WUNTRACED)
        desk.send("d2", rows(2, {"UA1": 99}), epoch=2)
        zombie.send_signal(signal.SIGCONT)
        assert zombie.wait(timeout=20) == 1
    assert desk.delays() == {"UA1": 99}
    assert desk.receiver.find(delivery("d1")) is None


def test_a_delivery_that_was_stopped_on_sqlite_makes_the_next_one_wait(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    table = TableReceiver(url=url, table="care_queue")
    desk = Desk(url, open_receiver(table, root=tmp_path, outcome="o", route="r"))
    with process_that_dies(f"TableReceiver(url={url!r}, table='care_queue')", "SIGSTOP") as stopped:
        os.waitpid(stopped.pid, os.WUNTRACED)
        successor = Thread(target=desk.send, args=("d2", rows(2, {"UA1": 99})), kwargs={"epoch": 2})
        successor.start()
        stopped.send_signal(signal.SIGCONT)
        assert stopped.wait(timeout=20) == 0
        successor.join()
    assert desk.delays() == {"UA1": 99, "AA2": 30}


def test_a_file_killed_before_its_rename_is_not_seen_and_is_swept_up(tmp_path: Path) -> None:
    folder = tmp_path / "care"
    with process_that_dies(f"FileReceiver(path={str(folder)!r}, format='csv')") as process:
        assert process.wait(timeout=20) == -signal.SIGKILL
    assert [path.suffix for path in folder.iterdir()] == [".part"]
    assert list(folder.glob("*.csv")) == []
    spec = FileReceiver(path=str(folder), format="csv")
    receiver = open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")
    assert receiver.find(delivery("d1")) is None
    receiver.deliver(delivery("d1"), rows(1, {"UA1": 20, "AA2": 30}))
    assert [path.name for path in folder.iterdir()] == ["disruptions-care-d1.csv"]
