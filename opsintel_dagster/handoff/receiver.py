"""What every receiver promises, and the plain values that pass between a drain and a receiver."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal, TypeAlias

import polars as pl

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


class Guarantee(StrEnum):
    """What happens to rows when a delivery is repeated, or nobody knows whether it arrived."""

    EXACTLY_ONCE = "exactly_once"
    """Rows and receipt are written in one transaction of the receiver's own database."""
    IDEMPOTENT = "idempotent"
    """The receiver recognises the delivery id and takes a repeated delivery once."""
    ASK = "ask"
    """The receiver cannot tell; an ambiguous answer becomes a case and is never sent again."""


@dataclass(frozen=True)
class Delivery:
    """Rows of one batch on their way to one route; `id` is a hash of exactly that.

    `epoch` is that of the drain's lease: a receiver that can refuse an older one does. `key` names
    the outcome's key columns; without one a record is identified by where it came from.
    """

    id: str
    outcome: str
    route: str
    batch: str
    epoch: int
    key: tuple[str, ...]
    records: int


@dataclass(frozen=True)
class Receipt:
    """Proof that a delivery was sent; `detail` is the receiver's own and goes to the ledger."""

    delivery: str
    records: int
    detail: Mapping[str, Json]


@dataclass(frozen=True)
class Confirmation:
    """Whether a delivery is there: `records` of it are, and `reason` says so in words.

    `taken` means that it was there and the receiver's users have fetched it.
    """

    state: Literal["confirmed", "taken", "missing"]
    records: int
    reason: str


class Receiver(ABC):
    """Where a route delivers. Methods open what they need and close it before they return.

    Raises, from every method but `check`:
        ReceiverDown: it could not be reached or was busy; try again later.
        ReceiverUnfit: it can take no rows as it is; somebody has to change it.
        DeliveryRefused: it answered and will not take these rows.
    """

    guarantee: ClassVar[Guarantee]

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it is, as shown to people: secrets are masked."""

    @property
    def dependency(self) -> str:
        """What it stands and falls with, as all routes that use it call it."""
        return self.address

    @abstractmethod
    def deliver(self, delivery: Delivery, rows: pl.DataFrame) -> Receipt:
        """Hand over the rows (contract columns, `_record`, `_seq`); repeating it is harmless.

        Raises:
            LeaseLost: a drain with a higher epoch has delivered here; nothing was written.
        """

    @abstractmethod
    def find(self, delivery: Delivery) -> Receipt | None:
        """The receipt of an earlier attempt, if that one got through."""

    @abstractmethod
    def confirm(self, delivery: Delivery, receipt: Receipt, rows: pl.DataFrame) -> Confirmation:
        """Look whether what the receipt speaks of is really there."""

    @abstractmethod
    def count(self, receipts: Sequence[Receipt]) -> dict[str, int]:
        """Records that are there now, by delivery id, read from the place and not from receipts."""

    @abstractmethod
    def check(self) -> str | None:
        """What stands in the way of a delivery now, or None; creates and changes nothing."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address}>"
