"""Hands routed batches to their receivers: intent, delivery, receipt, confirmation, closed.

The intent is in the ledger before anything is sent, so that after a crash it is known what may
have been. What the receiver holds a receipt of is never sent again.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Row

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.errors import (
    DeliveryInDoubt,
    LeaseLost,
    OpsintelError,
    ReceiverDown,
    ReceiverError,
)
from opsintel_dagster.handoff import Delivery, Guarantee, Receipt, Receiver
from opsintel_dagster.ledger import arrivals, batches, cases, deliveries, entries
from opsintel_dagster.ledger.batches import BatchState, Role
from opsintel_dagster.ledger.deliveries import DeliveryState
from opsintel_dagster.orchestration.compiled import delivery_id
from opsintel_dagster.orchestration.receivers import open_route
from opsintel_dagster.orchestration.reports import DeliveredReport
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome import NOWHERE

IN_DOUBT = "in_doubt"


@dataclass
class Tally:
    """What the report will say."""

    closed: int = 0
    delivered: int = 0
    no_action: int = 0
    by_route: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    down: dict[str, str] = field(default_factory=dict)


def deliver(work: Work) -> DeliveredReport:
    """Deliver every routed batch that is due, oldest first, and close what is confirmed.

    A receiver that is down is not tried again in this drain; batches for others go on.

    Raises:
        LeaseLost: another drain has taken over; from here on nothing of this one counts.
    """
    tally = Tally()
    receivers: dict[str, Receiver] = {}
    for batch in work.due(BatchState.ROUTED):
        try:
            _deliver_batch(work, batch, receivers, tally)
        except LeaseLost:
            raise
        except (OpsintelError, pl.exceptions.PolarsError) as error:
            if isinstance(error, ReceiverDown):
                tally.down[error.receiver] = str(error)
            tally.failures[batch.id] = work.failed(batch, error)
    return _report(work, receivers, tally)


def _deliver_batch(
    work: Work, batch: Row[Any], receivers: dict[str, Receiver], tally: Tally
) -> None:
    reached("deliver.begun")
    with work.installation.ledger.read() as connection:
        files = batches.files_of(connection, batch.id, Role.ROUTED)
        members = arrivals.in_batch(connection, batch.id)
    content = ":".join(file.sha256 for file in files)
    rows = work.installation.store.read([file.path for file in files])
    counts = dict(rows.group_by("_route", maintain_order=True).len().iter_rows())
    wanted = {route: count for route, count in counts.items() if route != NOWHERE}
    for route in wanted:
        if route not in receivers:
            receivers[route] = open_route(work.installation, work.compiled, route)
    done = _intend(work, batch, wanted, receivers, content)
    confirmed: dict[str, str] = {}
    for route, count in wanted.items():
        about = done[route]
        if about.state == DeliveryState.CONFIRMED:
            continue
        if about.state == DeliveryState.IN_DOUBT:
            reason = f"delivery {about.id} is in doubt since {about.intent_at:%Y-%m-%d %H:%M} UTC"
            raise DeliveryInDoubt(receivers[route].address, reason)
        mine = _for_receiver(rows, route, members)
        delivery = Delivery(
            id=about.id,
            outcome=work.name,
            route=route,
            batch=batch.id,
            epoch=work.lease.epoch,
            key=tuple(work.compiled.outcome.key),
            records=count,
        )
        receiver = receivers[route]
        if receiver.address in tally.down:
            raise ReceiverDown(receiver.address, "was down a moment ago, in this drain")
        receipt = _send(work, about, delivery, receiver, mine)
        confirmed[about.id] = _confirm(delivery, receiver, receipt, mine)
    reached("deliver.confirmed")
    _close(work, batch, confirmed)
    tally.closed += 1
    tally.delivered += sum(wanted.values())
    tally.no_action += counts.get(NOWHERE, 0)
    tally.by_route.update(counts)


def _intend(
    work: Work,
    batch: Row[Any],
    wanted: Mapping[str, int],
    receivers: Mapping[str, Receiver],
    content: str,
) -> dict[str, Row[Any]]:
    """Write the intents that are missing; returns all deliveries of the batch, by route."""
    with work.installation.ledger.read() as connection:
        known = deliveries.of_batch(connection, batch.id)
    if set(wanted) <= set(known):
        return known
    with work.lease.write() as connection:
        for route, count in wanted.items():
            if route not in known:
                deliveries.intend(
                    connection,
                    delivery_id(batch.id, route, content),
                    outcome=work.name,
                    batch_id=batch.id,
                    route=route,
                    guarantee=receivers[route].guarantee,
                    records=count,
                    epoch=work.lease.epoch,
                    run_id=work.run_id,
                )
        reason = ", ".join(f"{count} to {route}" for route, count in wanted.items())
        entries.append(connection, work.name, work.actor, "intent", batch.id, reason)
        known = deliveries.of_batch(connection, batch.id)
    reached("deliver.intent")
    return known


def _send(
    work: Work, about: Row[Any], delivery: Delivery, receiver: Receiver, rows: pl.DataFrame
) -> Receipt:
    """Get the receipt: from the ledger, from the receiver, or by delivering."""
    if about.state == DeliveryState.RECEIPT:
        return Receipt(delivery.id, about.receipt["records"], about.receipt["detail"])
    receipt = receiver.find(delivery) if about.attempts else None
    if receipt is None:
        if about.attempts and receiver.guarantee is Guarantee.ASK:
            _doubt(work, delivery, "an earlier attempt ended without an answer")
            raise DeliveryInDoubt(receiver.address, "an earlier attempt ended without an answer")
        with work.lease.write() as connection:
            deliveries.attempt(connection, delivery.id, delivery.epoch, work.run_id)
        try:
            receipt = receiver.deliver(delivery, rows)
        except DeliveryInDoubt as error:
            _doubt(work, delivery, error.reason)
            raise
        reached("deliver.sent")
    with work.lease.write() as connection:
        detail = {"records": receipt.records, "detail": dict(receipt.detail)}
        deliveries.received(connection, delivery.id, detail)
    reached("deliver.receipt")
    return receipt


def _doubt(work: Work, delivery: Delivery, reason: str) -> None:
    mode = work.compiled.failure_mode_of([IN_DOUBT])
    with work.lease.write() as connection:
        deliveries.doubt(connection, delivery.id, reason)
        cases.raise_case(
            connection,
            work.name,
            mode,
            owner=work.compiled.owner_of(mode),
            values={f"delivery {delivery.id} to {delivery.route}": delivery.records},
            judged_by={},
        )
        entries.append(connection, work.name, work.actor, IN_DOUBT, delivery.id, reason)


def _confirm(delivery: Delivery, receiver: Receiver, receipt: Receipt, rows: pl.DataFrame) -> str:
    """Ask the receiver whether it is there.

    Raises:
        ReceiverError: it has a receipt and not the rows.
    """
    answer = receiver.confirm(delivery, receipt, rows)
    if answer.state == "missing":
        raise ReceiverError(
            receiver.address,
            f"delivery {delivery.id} has a receipt for {receipt.records} records, and "
            f"{answer.records} are there: {answer.reason}",
        )
    return answer.reason


def _close(work: Work, batch: Row[Any], confirmed: Mapping[str, str]) -> None:
    """Confirm the deliveries and close the batch: its records have reached their place."""
    now = work.clock()
    with work.lease.write() as connection:
        for identity, reason in confirmed.items():
            deliveries.confirmed(connection, identity, reason)
        batches.close(connection, work.name, batch.id, now)
        if batch.kind == batches.BatchKind.ARRIVALS:
            arrivals.mark_late(connection, batch.id, now - work.compiled.outcome.within)
        entries.append(
            connection, work.name, work.actor, "closed", batch.id, f"{len(confirmed)} confirmed"
        )
    reached("deliver.closed")


def _for_receiver(rows: pl.DataFrame, route: str, members: list[Row[Any]]) -> pl.DataFrame:
    """The rows of one route as receivers get them: contract columns, `_record` and `_seq`."""
    sequence = pl.DataFrame(
        {"_arrival": [member.id for member in members], "_seq": [member.seq for member in members]},
        schema={"_arrival": pl.String, "_seq": pl.Int64},
    )
    mine = rows.filter(pl.col("_route") == route)
    mine = mine.join(sequence, on="_arrival", how="left", maintain_order="left")
    record = pl.concat_str("_arrival", pl.col("_row").cast(pl.String), separator=":")
    return mine.select(pl.exclude("^_.*$"), record.alias("_record"), "_seq")


def _report(work: Work, receivers: Mapping[str, Receiver], tally: Tally) -> DeliveredReport:
    with work.installation.ledger.read() as connection:
        version = batches.version(connection, work.name)
        unconfirmed = batches.count_in_state(connection, work.name, BatchState.ROUTED)
    return DeliveredReport(
        outcome=work.name,
        closed=tally.closed,
        delivered=tally.delivered,
        no_action=tally.no_action,
        by_route=dict(tally.by_route),
        guarantees={route: receiver.guarantee.value for route, receiver in receivers.items()},
        unconfirmed=unconfirmed,
        data_version=version,
        failures=tally.failures,
    )
