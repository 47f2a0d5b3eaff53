"""A place where a drain goes wrong as was said beforehand, here or in a process that is killed.

A fault in this process is an exception at some point, and `Died` is one that nothing may catch:
what a real kill leaves behind (a lease that nobody gives back, a transaction that is torn off) only
a process of its own shows, which is ended with kill -9.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import faulty_store
from faulty_receiver import Behaviour, Desk, in_place
from scenario import Operation, depots, parcels

from opsintel_dagster import crashpoints
from opsintel_dagster.errors import LedgerError
from opsintel_dagster.handoff import Guarantee
from opsintel_dagster.outcome import Outcome

ERRORS: Final = {
    "disk": lambda: OSError(errno.EIO, os.strerror(errno.EIO)),
    "reset": lambda: ConnectionResetError(errno.ECONNRESET, "connection reset by peer"),
    "bug": lambda: KeyError("nobody thought of this"),
    "ledger": lambda: LedgerError("ledger: the server closed the connection unexpectedly"),
    "memory": lambda: MemoryError("no more of it"),
}


class Died(BaseException):
    """The drain ends here, and nothing may catch it and go on."""


@dataclass(frozen=True)
class Faults:
    """What goes wrong during one drain; nothing, if nothing is said."""

    point: str | None = None
    nth: int = 1
    how: str = "died"
    store: dict[int, str] = field(default_factory=dict)
    answers: tuple[str, ...] = ()
    confirms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a laboratory is, for a process that shall drain there."""

    root: Path
    ledger_url: str
    desk_url: str
    store_url: str
    asks: bool
    deployed: tuple[int, int, int]
    offset: timedelta


def declared(place: Place) -> tuple[Outcome, Outcome]:
    """The scenario's outcomes as they are deployed now: with three desks and tight budgets."""
    max_files, attempts, version = place.deployed
    table = {"kind": "table", "url": place.desk_url}
    source = {"kind": "files", "path": "inbox/parcels/*", "settle": "0s"}
    return (
        depots(handoff={"register": {**table, "table": "depots"}}, within="9999h"),
        parcels(
            source={**source, "same_name": "correction"},
            repeats="skip_equal",
            batch={"max_files": max_files},
            healing={"attempts_per_batch": attempts, "attempts_per_hour": 12},
            routes=[
                {"to": "nowhere", "when": "weight = 0"},
                {"to": "desk", "when": "note = 'desk'"},
                {"to": "freight", "when": "weight >= 30"},
                {"to": "gate", "when": "weight > 0", "name": f"light_{version}"},
            ],
            handoff={
                "freight": {"kind": "files", "path": "out/freight"},
                "gate": {**table, "table": "gate_queue"},
                "desk": {**table, "table": "desk_queue"},
            },
        ),
    )


def opened(place: Place) -> Operation:
    """The installation of a laboratory."""
    return Operation(
        place.root,
        declared(place),
        ledger_url=place.ledger_url,
        desk_url=place.desk_url,
        store_url=place.store_url,
        clock=lambda: datetime.now(UTC) + place.offset,
    )


def desk_of(place: Place) -> Desk:
    """The desk that remembers what it took, or cannot be asked."""
    guarantee = Guarantee.ASK if place.asks else Guarantee.IDEMPOTENT
    return Desk(place.root / "desk.jsonl", guarantee)


@contextmanager
def going_wrong(faults: Faults, desk: Desk, pipe: Connection | None = None) -> Iterator[Behaviour]:
    """Let these things go wrong inside; at a point with a pipe, wait to be killed."""
    seen = 0
    behaviour = Behaviour(faults.answers, faults.confirms)

    def stop(reached: str) -> None:
        nonlocal seen
        seen += reached == faults.point
        if reached != faults.point or seen != faults.nth:
            return
        behaviour.fired[f"{faults.how} at a point"] += 1
        if pipe is not None:
            pipe.send("reached")
            pipe.recv()
        raise Died if faults.how == "died" else ERRORS[faults.how]()

    faulty_store.fail(faults.store)
    crashpoints.on_reached = stop if faults.point is not None else None
    try:
        with in_place(behaviour, desk):
            yield behaviour
    finally:
        crashpoints.on_reached = None
        behaviour.fired += faulty_store.fail({})


def drain_to_be_killed(place: Place, faults: Faults, pipe: Connection) -> None:
    """In a process of its own: drain until the point, and wait there."""
    operation = opened(place)
    with going_wrong(faults, desk_of(place), pipe):
        try:
            operation.drain(sleep=lambda _seconds: None)
        except Exception as error:  # noqa: BLE001  # a stage may fail before the point is reached
            pipe.send(type(error).__name__)
        else:
            pipe.send("finished")
