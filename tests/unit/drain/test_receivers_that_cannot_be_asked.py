"""A receiver that cannot say what arrived: a delivery in doubt is a case and never sent again."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scenario import DEPOTS, HEADER, Operation

from opsintel_dagster.errors import DeliveryInDoubt
from opsintel_dagster.handoff import (
    Confirmation,
    Delivery,
    Guarantee,
    Receipt,
    Receiver,
    open_receiver,
)
from opsintel_dagster.ledger import case_listing
from opsintel_dagster.orchestration import receivers


class Died(BaseException):
    """The process is gone: nothing may catch it and go on."""


@dataclass
class Telephone(Receiver):
    """Takes deliveries by word of mouth, and keeps no list of them."""

    guarantee = Guarantee.ASK
    answer: BaseException | None
    sent: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Its number."""
        return "telephone"

    def deliver(self, delivery: Delivery, rows: pl.DataFrame) -> Receipt:
        """Say it, and hear an answer or not."""
        self.sent.append(delivery.id)
        if self.answer is not None:
            raise self.answer
        return Receipt(delivery.id, rows.height, {})

    def find(self, delivery: Delivery) -> Receipt | None:
        """Nobody remembers anything."""
        remembered: dict[str, Receipt] = {}
        return remembered.get(delivery.id)

    def confirm(self, delivery: Delivery, receipt: Receipt, rows: pl.DataFrame) -> Confirmation:
        """The answer was the confirmation."""
        assert receipt.delivery == delivery.id
        return Confirmation("confirmed", rows.height, "said yes")

    def count(self, receipts: Sequence[Receipt]) -> dict[str, int]:
        """What was answered."""
        return {receipt.delivery: receipt.records for receipt in receipts}

    def check(self) -> str | None:
        """It rings."""
        return None


@pytest.fixture
def called(operation: Operation, monkeypatch: pytest.MonkeyPatch) -> Telephone:
    """The gate desk takes calls; one parcel for it has arrived."""
    telephone = Telephone(DeliveryInDoubt("telephone", "the line went dead"))

    def opened(spec: Any, *, root: Path, outcome: str, route: str) -> Receiver:
        if route == "gate":
            return telephone
        return open_receiver(spec, root=root, outcome=outcome, route=route)

    monkeypatch.setattr(receivers, "open_receiver", opened)
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "day1.csv", HEADER + "P1,HAM,1,\n")
    return telephone


def drained_later(operation: Operation, hours: int) -> dict[str, int]:
    later = datetime.now(UTC) + timedelta(hours=hours)
    law = operation.drain(clock=lambda: later).promise.conservation
    assert law is not None
    assert law.holds
    return {"delivered": law.delivered, "in_flight": law.in_flight}


def doubts(operation: Operation) -> list[str]:
    with operation.installation.ledger.read() as connection:
        [case] = case_listing.listing(connection, ["parcels"])
        return list(case.facts["values"])


def test_an_answer_that_means_nothing_becomes_a_case_and_is_not_sent_again(
    operation: Operation, called: Telephone
) -> None:
    operation.drain()
    called.answer = None
    assert [drained_later(operation, hours) for hours in (1, 30, 300)][-1] == {
        "delivered": 0,
        "in_flight": 1,
    }
    assert len(called.sent) == 1
    assert doubts(operation) == [f"delivery {called.sent[0]} to gate"]


def test_a_process_that_died_before_the_answer_is_not_made_good_by_sending_again(
    operation: Operation, called: Telephone
) -> None:
    called.answer = Died()
    with pytest.raises(Died):
        operation.drain()
    called.answer = None
    assert drained_later(operation, 1) == {"delivered": 0, "in_flight": 1}
    assert len(called.sent) == 1
    assert doubts(operation) == [f"delivery {called.sent[0]} to gate"]


def test_an_error_of_its_library_says_nothing_either(
    operation: Operation, called: Telephone
) -> None:
    called.answer = ConnectionResetError(errno.ECONNRESET, "connection reset by peer")
    operation.drain(sleep=lambda _seconds: None)
    called.answer = None
    assert drained_later(operation, 1) == {"delivered": 0, "in_flight": 1}
    assert len(called.sent) == 1
    assert doubts(operation) == [f"delivery {called.sent[0]} to gate"]


def test_what_was_taken_is_not_sent_again_because_it_cannot_be_confirmed_at_once(
    operation: Operation, called: Telephone, monkeypatch: pytest.MonkeyPatch
) -> None:
    called.answer = None
    confirm, asked = called.confirm, []

    def interrupted(*about: Any) -> Confirmation:
        asked.append(about)
        if len(asked) == 1:
            raise ConnectionResetError(errno.ECONNRESET, "connection reset by peer")
        return confirm(*about)

    monkeypatch.setattr(called, "confirm", interrupted)
    assert operation.drain(sleep=lambda _seconds: None).delivered.delivered == 1
    assert (len(asked), len(called.sent)) == (2, 1)


def test_an_answer_that_is_clear_closes_the_batch(operation: Operation, called: Telephone) -> None:
    called.answer = None
    operation.drain()
    assert drained_later(operation, 1) == {"delivered": 1, "in_flight": 0}
    assert len(called.sent) == 1
