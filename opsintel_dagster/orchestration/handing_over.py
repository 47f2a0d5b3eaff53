"""One route of one batch on its way: intent, delivery, receipt, and what the receiver refuses.

What a receiver refuses is halved and sent again until the records it minds stand alone (see
`healing.bisection`). Every part is a delivery with an intent and an id of its own, so a process
that dies in between goes on where it was.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Row

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.errors import DeliveryInDoubt, DeliveryRefused, ReceiverError
from opsintel_dagster.handoff import Delivery, Guarantee, Receipt, Receiver
from opsintel_dagster.healing.bisection import halves, rows_of
from opsintel_dagster.ledger import cases, deliveries, entries
from opsintel_dagster.ledger.deliveries import DeliveryState
from opsintel_dagster.orchestration.compiled import delivery_id
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome.names import IN_DOUBT


@dataclass
class Handover:
    """The deliveries of one batch to one route.

    `rows` are those of the route, as receivers get them; `known` are the deliveries the ledger has,
    by part. `confirmed` and `refused` fill while it goes on: why, by delivery id and by part.
    """

    work: Work
    batch: Row[Any]
    route: str
    receiver: Receiver
    rows: pl.DataFrame
    content: str
    known: dict[str, Row[Any]]
    confirmed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    _is_begun: bool = False

    def all(self) -> None:
        """Hand over everything that has not come to its place.

        Raises:
            ReceiverDown: the receiver cannot be reached.
            DeliveryInDoubt: nobody can say whether a part arrived.
            ReceiverError: a receipt is there and the records are not.
        """
        if self._is_begun:  # an attempt that failed has left traces: it may have been taken
            self._look_up()
        self._is_begun = True
        waiting = [""]
        while waiting:  # the oldest first: whole levels, so that large good parts leave early
            part = waiting.pop(0)
            waiting += self._one(part)

    def refused_rows(self) -> Iterator[tuple[pl.DataFrame, str]]:
        """The rows the receiver will not take, each part with the receiver's own words."""
        for part, reason in self.refused.items():
            yield self._rows_of(part), reason

    def _one(self, part: str) -> tuple[str, ...]:
        """Hand over a part; returns the parts that have to be handed over instead."""
        about = self.known[part]
        rows = self._rows_of(part)
        delivery = self._delivery(about, rows.height)
        if about.state == DeliveryState.SPLIT:
            return halves(part)
        if about.state == DeliveryState.REFUSED:
            self.refused[part] = about.reason
            return ()
        if about.state == DeliveryState.CONFIRMED:
            return ()
        if about.state == DeliveryState.IN_DOUBT:
            reason = f"delivery {about.id} is in doubt since {about.intent_at:%Y-%m-%d %H:%M} UTC"
            raise DeliveryInDoubt(self.receiver.address, reason)
        try:
            receipt = self._send(about, delivery, rows)
        except DeliveryRefused as error:
            return self._divide(part, about, rows.height, error.reason)
        self.confirmed[about.id] = self._confirm(delivery, receipt, rows)
        return ()

    def _look_up(self) -> None:
        with self.work.installation.ledger.read() as connection:
            self.known = of_route(deliveries.of_batch(connection, self.batch.id), self.route)

    def _rows_of(self, part: str) -> pl.DataFrame:
        return self.rows.slice(*rows_of(part, self.rows.height))

    def _delivery(self, about: Row[Any], records: int) -> Delivery:
        return Delivery(
            id=about.id,
            outcome=self.work.name,
            route=self.route,
            batch=self.batch.id,
            epoch=self.work.lease.epoch,
            key=tuple(self.work.compiled.outcome.key),
            records=records,
        )

    def _send(self, about: Row[Any], delivery: Delivery, rows: pl.DataFrame) -> Receipt:
        """Get the receipt: from the ledger, from the receiver, or by delivering."""
        work, receiver = self.work, self.receiver
        if about.state == DeliveryState.RECEIPT:
            return Receipt(delivery.id, about.receipt["records"], about.receipt["detail"])
        receipt = receiver.find(delivery) if about.attempts else None
        if receipt is None:
            if about.attempts and receiver.guarantee is Guarantee.ASK:
                reason = "an earlier attempt ended without an answer"
                self._doubt(delivery, reason)
                raise DeliveryInDoubt(receiver.address, reason)
            with work.lease.write() as connection:
                deliveries.attempt(connection, delivery.id, delivery.epoch, work.run_id)
            try:
                receipt = receiver.deliver(delivery, rows)
            except DeliveryInDoubt as error:
                self._doubt(delivery, error.reason)
                raise
            except ReceiverError:
                if receiver.guarantee is Guarantee.ASK:  # it says that nothing was taken
                    with work.lease.write() as connection:
                        deliveries.not_taken(connection, delivery.id)
                raise
            reached("deliver.sent")
        with work.lease.write() as connection:
            detail = {"records": receipt.records, "detail": dict(receipt.detail)}
            deliveries.received(connection, delivery.id, detail)
        reached("deliver.receipt")
        return receipt

    def _confirm(self, delivery: Delivery, receipt: Receipt, rows: pl.DataFrame) -> str:
        answer = self.receiver.confirm(delivery, receipt, rows)
        if answer.state == "missing":
            raise ReceiverError(
                self.receiver.address,
                f"delivery {delivery.id} has a receipt for {receipt.records} records, and "
                f"{answer.records} are there: {answer.reason}",
            )
        return answer.reason

    def _divide(self, part: str, about: Row[Any], records: int, reason: str) -> tuple[str, ...]:
        """Note that a part is refused; halve it if that may bring out the records it is about."""
        budget = self.work.compiled.outcome.healing.deliveries_per_batch
        is_split = records > 1 and len(self.known) + 2 <= budget
        with self.work.lease.write() as connection:
            deliveries.refused(connection, about.id, reason, is_split=is_split)
            for half in halves(part) if is_split else ():
                deliveries.intend(
                    connection,
                    delivery_id(self.batch.id, self.route, self.content, half),
                    outcome=self.work.name,
                    batch_id=self.batch.id,
                    route=self.route,
                    part=half,
                    guarantee=self.receiver.guarantee,
                    records=rows_of(half, self.rows.height)[1],
                    epoch=self.work.lease.epoch,
                    run_id=self.work.run_id,
                )
            self.known = of_route(deliveries.of_batch(connection, self.batch.id), self.route)
        reached("deliver.refused")
        if is_split:
            return halves(part)
        self.refused[part] = reason
        return ()

    def _doubt(self, delivery: Delivery, reason: str) -> None:
        about = self.work.compiled.about(IN_DOUBT)
        with self.work.lease.write() as connection:
            deliveries.doubt(connection, delivery.id, reason)
            cases.raise_case(
                connection,
                self.work.name,
                about.failure_mode,
                cause=about.cause,
                owner=self.work.compiled.owner_of(about.failure_mode),
                values={f"delivery {delivery.id} to {delivery.route}": delivery.records},
                judged_by={},
            )
            entries.append(
                connection, self.work.name, self.work.actor, IN_DOUBT, delivery.id, reason
            )


def of_route(known: Mapping[tuple[str, str], Row[Any]], route: str) -> dict[str, Row[Any]]:
    """The deliveries of one route by part."""
    return {part: row for (name, part), row in known.items() if name == route}
