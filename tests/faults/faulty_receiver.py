"""Receivers that misbehave: call by call as was said beforehand, and then well.

`Faulty` stands before a real receiver. `Desk` is one of its own: a file of what was taken, one line
a record, that is only ever added to, so what is taken twice stands there twice.
"""

import errno
import json
import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import polars as pl
import requests

from opsintel_dagster.errors import DeliveryInDoubt, DeliveryRefused, ReceiverDown
from opsintel_dagster.handoff import (
    Confirmation,
    Delivery,
    Guarantee,
    Receipt,
    Receiver,
    open_receiver,
)
from opsintel_dagster.orchestration import receivers
from opsintel_dagster.outcome import ReceiverSpec

POISON: Final = "poison"
"""The note of a parcel that no receiver takes."""

HANGS_SECONDS: Final = 0.02

ANSWERS: Final = ("accepted", "reset", "lost", "busy", "unavailable", "down", "hangs", "denied")
"""Timed out or cut off after it had accepted, timed out before; 429, 503, away, hanging, 403.

429 asks to wait 7 seconds, or as many as stand behind it: `busy 3600`.
"""

CONFIRMS: Final = ("down", "reset")


@dataclass
class Behaviour:
    """What the receivers of a drain answer, one call after the other, whichever is called."""

    answers: Sequence[str] = ()
    confirms: Sequence[str] = ()
    fired: Counter[str] = field(default_factory=Counter)
    sent: list[int] = field(default_factory=list)
    """How many records were in each delivery."""

    def __post_init__(self) -> None:
        self._answers, self._confirms = deque(self.answers), deque(self.confirms)

    def next_answer(self) -> str | None:
        """How the next delivery goes; None: well."""
        return self._count("receiver", self._answers.popleft() if self._answers else None)

    def next_confirm(self) -> str | None:
        """How the next question goes whether it is there."""
        return self._count("confirm", self._confirms.popleft() if self._confirms else None)

    def _count(self, what: str, answer: str | None) -> str | None:
        if answer is not None:
            self.fired[f"{what} {answer}"] += 1
        return answer


def answered(status: int, headers: dict[str, str]) -> requests.HTTPError:
    """What `requests` raises about an answer."""
    response: Any = SimpleNamespace(status_code=status, headers=headers)
    return requests.HTTPError(f"{status} Server Error", response=response)


class Faulty(Receiver):
    """A real receiver, and what lies between it and the drain."""

    def __init__(self, inner: Receiver, behaviour: Behaviour) -> None:
        self._inner = inner
        self._behaviour = behaviour
        self.guarantee = inner.guarantee  # type: ignore[misc]  # that of what stands behind it

    @property
    def address(self) -> str:
        return self._inner.address

    @property
    def dependency(self) -> str:
        return self._inner.dependency

    def deliver(self, delivery: Delivery, rows: pl.DataFrame) -> Receipt:
        self._behaviour.sent.append(rows.height)
        answer = self._behaviour.next_answer()
        if answer not in (None, "accepted", "reset"):
            raise self._silence(str(answer))
        if POISON in rows["note"]:
            raise DeliveryRefused(self.address, "we take no poison")
        receipt = self._inner.deliver(delivery, rows)
        if answer == "accepted":
            raise self._timeout()
        if answer == "reset":  # by an author who leaves the errors of the library as they are
            raise ConnectionResetError(errno.ECONNRESET, "connection reset by peer")
        return receipt

    def find(self, delivery: Delivery) -> Receipt | None:
        return self._inner.find(delivery)

    def confirm(self, delivery: Delivery, receipt: Receipt, rows: pl.DataFrame) -> Confirmation:
        fault = self._behaviour.next_confirm()
        if fault == "down":
            raise ReceiverDown(self.address, "refused") from ConnectionRefusedError(
                errno.ECONNREFUSED, "connection refused"
            )
        if fault == "reset":
            raise ReceiverDown(self.address, "reset") from ConnectionResetError(
                errno.ECONNRESET, "connection reset by peer"
            )
        return self._inner.confirm(delivery, receipt, rows)

    def count(self, receipts: Sequence[Receipt]) -> dict[str, int]:
        return self._inner.count(receipts)

    def check(self) -> str | None:
        return self._inner.check()

    def _timeout(self) -> Exception:
        if self.guarantee is Guarantee.ASK:
            return DeliveryInDoubt(self.address, "no answer within 30 s")
        down = ReceiverDown(self.address, "no answer within 30 s")
        down.__cause__ = requests.ReadTimeout("read timed out")
        return down

    def _silence(self, answer: str) -> Exception:
        """What it raises that has taken nothing, or may have."""
        if answer == "lost":
            return self._timeout()
        if answer == "hangs":
            time.sleep(HANGS_SECONDS)
            return self._timeout()
        answer, _, seconds = answer.partition(" ")
        causes: dict[str, Exception] = {
            "busy": answered(429, {"Retry-After": seconds or "7"}),
            "unavailable": answered(503, {}),
            "down": ConnectionRefusedError(errno.ECONNREFUSED, "connection refused"),
            "denied": answered(403, {}),
        }
        down = ReceiverDown(self.address, answer)
        down.__cause__ = causes[answer]
        return down


class Desk(Receiver):
    """Takes rows into a file of lines; whether it knows a delivery again depends on the desk."""

    def __init__(self, file: Path, guarantee: Guarantee) -> None:
        self._file = file
        self.guarantee = guarantee  # type: ignore[misc]  # the laboratory has one of either kind

    @property
    def address(self) -> str:
        return "the desk"

    def taken(self) -> list[dict[str, Any]]:
        """Every record it took, in order."""
        if not self._file.exists():
            return []
        return [json.loads(line) for line in self._file.read_text().splitlines()]

    def deliver(self, delivery: Delivery, rows: pl.DataFrame) -> Receipt:
        if self.guarantee is Guarantee.ASK or self._records(delivery.id) == 0:
            lines = "".join(
                json.dumps({**row, "_delivery": delivery.id}) + "\n" for row in rows.to_dicts()
            )
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                os.write(descriptor, lines.encode())  # whole or not at all, also if it is killed
            finally:
                os.close(descriptor)
        return Receipt(delivery.id, rows.height, {})

    def find(self, delivery: Delivery) -> Receipt | None:
        records = 0 if self.guarantee is Guarantee.ASK else self._records(delivery.id)
        return Receipt(delivery.id, records, {}) if records else None

    def confirm(self, delivery: Delivery, receipt: Receipt, rows: pl.DataFrame) -> Confirmation:
        records = self._records(receipt.delivery)
        state = "confirmed" if records == rows.height else "missing"
        return Confirmation(state, records, f"{records} records of {delivery.id} are there")

    def count(self, receipts: Sequence[Receipt]) -> dict[str, int]:
        return {receipt.delivery: self._records(receipt.delivery) for receipt in receipts}

    def check(self) -> str | None:
        return None

    def _records(self, delivery: str) -> int:
        return sum(line["_delivery"] == delivery for line in self.taken())


@contextmanager
def in_place(behaviour: Behaviour, desk: Desk | None = None) -> Iterator[None]:
    """Every receiver that is opened inside misbehaves so; the route `desk` leads to the desk."""

    def opened(spec: ReceiverSpec, *, root: Path, outcome: str, route: str) -> Receiver:
        real = open_receiver(spec, root=root, outcome=outcome, route=route)
        if outcome == "depots":
            return real
        return Faulty(desk if route == "desk" and desk is not None else real, behaviour)

    before = receivers.open_receiver
    receivers.open_receiver = opened
    try:
        yield
    finally:
        receivers.open_receiver = before
