"""Deliveries in any order, repeated, late, and from drains that have lost their lease."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from opsintel_dagster import crashpoints
from opsintel_dagster.errors import LeaseLost
from opsintel_dagster.handoff import Delivery, Receipt, Receiver, open_receiver
from opsintel_dagster.outcome import TableReceiver

SCHEMA = {"flight": pl.String, "delay": pl.Int64, "_record": pl.String, "_seq": pl.Int64}


class Killed(BaseException):
    """The process ends at the crash point, as far as the database can tell."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at one of the deliveries, by the drain of an epoch, that may be killed."""

    number: int
    epoch: int
    is_killed: bool


@dataclass
class Expected:
    """What the table has to be, in plain Python."""

    highest_epoch: int = 0
    newest: dict[str, tuple[int, int]] = field(default_factory=dict)
    delivered: set[int] = field(default_factory=set)


# A delivery is one or two arrivals; an arrival has one row a key.
arrivals = st.dictionaries(st.sampled_from("ABCD"), st.integers(0, 99), max_size=4)
deliveries = st.lists(st.lists(arrivals, min_size=1, max_size=2), min_size=1, max_size=4)
attempts = st.lists(
    st.builds(Attempt, st.integers(0, 3), st.integers(1, 3), st.booleans()), max_size=10
)


def frames(drawn: list[list[dict[str, int]]], order: list[int]) -> list[pl.DataFrame]:
    """The rows of each delivery; `order` deals the sequences out to the arrivals."""
    sequences = iter(order)
    built = []
    for parts in drawn:
        rows = []
        for part in parts:
            sequence = next(sequences)
            rows += [
                (flight, delay, f"arrival{sequence}:{row}", sequence)
                for row, (flight, delay) in enumerate(part.items(), start=1)
            ]
        built.append(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    return built


@contextlib.contextmanager
def killed(is_killed: bool) -> Iterator[None]:
    def die(_: str) -> None:
        raise Killed

    crashpoints.on_reached = die if is_killed else None
    try:
        yield
    finally:
        crashpoints.on_reached = None


def attempt_delivery(
    receiver: Receiver, attempt: Attempt, rows: pl.DataFrame, expected: Expected
) -> Receipt | None:
    delivery = Delivery(
        f"d{attempt.number}", "o", "r", "b", attempt.epoch, ("flight",), rows.height
    )
    is_zombie = attempt.epoch < expected.highest_epoch
    is_repeated = attempt.number in expected.delivered
    try:
        with killed(attempt.is_killed):
            receipt = receiver.deliver(delivery, rows)
    except LeaseLost:
        assert is_zombie
        return None
    except Killed:
        assert not is_zombie
        assert not is_repeated
        return None
    assert not is_zombie
    expected.highest_epoch = attempt.epoch
    expected.delivered.add(attempt.number)
    for row in rows.rows(named=True):
        if not is_repeated and row["_seq"] > expected.newest.get(row["flight"], (-1, 0))[0]:
            expected.newest[row["flight"]] = (row["_seq"], row["delay"])
    confirmation = receiver.confirm(delivery, receipt, rows)
    assert (confirmation.state, confirmation.records) == ("confirmed", rows.height)
    return receipt


@settings(deadline=None, max_examples=60)
@given(drawn=deliveries, attempts=attempts, data=st.data())
def test_any_interleaving_leaves_the_newest_row_of_each_key_and_every_record_counted(
    drawn: list[list[dict[str, int]]], attempts: list[Attempt], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(sum(map(len, drawn)))))
    sent = frames(drawn, order)
    expected = Expected()
    receipts: dict[str, Receipt] = {}
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/desk.db"
        spec = TableReceiver(url=url, table="desk")
        receiver = open_receiver(spec, root=Path(folder), outcome="o", route="r")
        for attempt in attempts:
            if attempt.number >= len(sent):
                continue
            receipt = attempt_delivery(receiver, attempt, sent[attempt.number], expected)
            if receipt:
                assert receipts.setdefault(receipt.delivery, receipt) == receipt
        if not expected.delivered:
            return
        assert receiver.count(list(receipts.values())) == {
            f"d{number}": sent[number].height for number in expected.delivered
        }
        with create_engine(url, poolclass=NullPool).begin() as connection:
            there = connection.execute(text("SELECT flight, _seq, delay FROM desk")).all()
            assert {row.flight: (row[1], row[2]) for row in there} == expected.newest
            books = connection.execute(
                text(
                    "SELECT records - outdated - displaced,"
                    " (SELECT count(*) FROM desk WHERE _delivery = delivery)"
                    " FROM opsintel_receipt"
                )
            ).all()
            assert all(kept == found for kept, found in books)
            connection.execute(
                text("DELETE FROM desk WHERE flight = (SELECT min(flight) FROM desk)")
            )
        total = sum(sent[number].height for number in expected.delivered)
        counted = sum(receiver.count(list(receipts.values())).values())
        assert counted == total - (1 if expected.newest else 0)
