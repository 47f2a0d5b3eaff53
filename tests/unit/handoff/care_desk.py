"""A desk that deliveries reach, in order and out of it, and what is sent to it."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from opsintel_dagster.handoff import Confirmation, Delivery, Receipt, Receiver

KEY = ("flight",)


def delivery(
    name: str, *, epoch: int = 1, key: tuple[str, ...] = KEY, records: int = 0
) -> Delivery:
    return Delivery(name, "disruptions", "care", f"batch-{name}", epoch, key, records)


def rows(sequence: int, flights: dict[str, int]) -> pl.DataFrame:
    """One arrival: its flights with their delays, numbered from 1."""
    return pl.DataFrame(
        {
            "flight": list(flights),
            "delay": list(flights.values()),
            "_record": [f"arrival{sequence}:{row}" for row in range(1, len(flights) + 1)],
            "_seq": [sequence] * len(flights),
        },
        schema={"flight": pl.String, "delay": pl.Int64, "_record": pl.String, "_seq": pl.Int64},
    )


@dataclass
class Desk:
    """A receiver, what was sent to it, and its table seen with other eyes."""

    url: str
    receiver: Receiver
    receipts: dict[str, Receipt] = field(default_factory=dict)

    def send(self, name: str, sent: pl.DataFrame, **about: Any) -> Receipt:
        receipt = self.receiver.deliver(delivery(name, records=sent.height, **about), sent)
        self.receipts[name] = receipt
        return receipt

    def confirm(self, name: str, sent: pl.DataFrame, **about: Any) -> Confirmation:
        return self.receiver.confirm(delivery(name, **about), self.receipts[name], sent)

    def counts(self) -> dict[str, int]:
        return self.receiver.count(list(self.receipts.values()))

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []

    def delays(self) -> dict[str, int]:
        return dict(self.sql("SELECT flight, delay FROM care_queue"))

    def tables(self) -> set[str]:
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.connect() as connection:
            return set(inspect(connection).get_table_names())
