"""Runs a drain in a process of its own and stops it at a named point, to be killed there."""

import os
import signal
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from scenario import Operation, depots, parcels

from opsintel_dagster import crashpoints
from opsintel_dagster.errors import LeaseLost
from opsintel_dagster.outcome import Outcome

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["scenario", "laboratory", "opsintel_dagster.orchestration.drain"])
WAIT_SECONDS = 60


def declared(desk_url: str) -> tuple[Outcome, ...]:
    """The scenario's outcomes with their tables at `desk_url`."""
    gate = {"kind": "table", "url": desk_url, "table": "gate_queue"}
    freight = {"kind": "files", "path": "out/freight"}
    register = {"kind": "table", "url": desk_url, "table": "depots"}
    return (
        depots(handoff={"register": register}),
        parcels(handoff={"freight": freight, "gate": gate}),
    )


def drain_until(
    root: Path, ledger_url: str, desk_url: str, point: str, nth: int, pipe: Connection
) -> None:
    """Drain `parcels`; the `nth` time at `point`, say so and wait to be killed or to go on."""
    seen = 0

    def stop(reached: str) -> None:
        nonlocal seen
        seen += reached == point
        if reached == point and seen == nth:
            pipe.send("reached")
            pipe.recv()

    crashpoints.on_reached = stop
    operation = Operation(root, declared(desk_url), ledger_url=ledger_url, desk_url=desk_url)
    try:
        operation.drain()
        pipe.send("finished")
    except LeaseLost:
        pipe.send("lease lost")


class DrainProcess:
    """A drain on its way to a point, from the parent's side."""

    def __init__(
        self, root: Path, ledger_url: str, desk_url: str, point: str, nth: int = 1
    ) -> None:
        self.pipe, theirs = PROCESSES.Pipe()
        self.process: ForkServerProcess = PROCESSES.Process(
            target=drain_until, args=(root, ledger_url, desk_url, point, nth, theirs)
        )
        self.process.start()
        theirs.close()

    def answer(self) -> str:
        """What the process says next: `reached`, `finished` or `lease lost`."""
        assert self.pipe.poll(WAIT_SECONDS), "the drain neither reached the point nor finished"
        return str(self.pipe.recv())

    def kill(self) -> None:
        """kill -9, unless it has come to its end by itself."""
        self.process.kill()
        self.process.join(WAIT_SECONDS)
        self.pipe.close()

    def signal(self, number: signal.Signals) -> None:
        """Send any signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def go_on(self) -> None:
        """Let it continue from the point."""
        self.pipe.send("go on")
