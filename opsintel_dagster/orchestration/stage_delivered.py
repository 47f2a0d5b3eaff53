"""Hands routed batches to their receivers: intent, delivery, receipt, confirmation, closed.

The intent is in the ledger before anything is sent, so that after a crash it is known what may
have been. What the receiver holds a receipt of is never sent again. Each route goes its own way: a
receiver that is down, or in doubt, keeps the batch open and nothing else.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Row

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.errors import LeaseLost, LedgerError
from opsintel_dagster.handoff import Receiver
from opsintel_dagster.healing import Failure
from opsintel_dagster.healing.retry_plan import LATER, OF_A_DEPENDENCY
from opsintel_dagster.ledger import arrivals, batches, deliveries, entries
from opsintel_dagster.ledger.batches import BatchState, Role
from opsintel_dagster.ledger.breakers import BreakerKind
from opsintel_dagster.orchestration import attempting, refused
from opsintel_dagster.orchestration.compiled import delivery_id
from opsintel_dagster.orchestration.dependencies import Dependency
from opsintel_dagster.orchestration.handing_over import Handover, of_route
from opsintel_dagster.orchestration.receivers import open_route
from opsintel_dagster.orchestration.reports import DeliveredReport, Stage
from opsintel_dagster.orchestration.troubles import troubles_of
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome import NOWHERE, FailureClass


@dataclass
class Tally:
    """What the report will say."""

    closed: int = 0
    delivered: int = 0
    no_action: int = 0
    refused: int = 0
    by_route: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class Obstacles:
    """Why a batch cannot close yet: routes that failed, and routes whose receiver is left alone."""

    failed: list[tuple[Failure, Dependency]] = field(default_factory=list)
    blocked: list[Dependency] = field(default_factory=list)

    def worst(self) -> tuple[Failure, Dependency] | None:
        """The failure that decides: what is tried again by itself, then what somebody can decide.

        A delivery in doubt comes last: a batch that is taken for in doubt is never sent again.
        """

        def hopelessness(one: tuple[Failure, Dependency]) -> tuple[bool, bool]:
            failure_class = one[0].failure_class
            return failure_class not in LATER, failure_class is FailureClass.IN_DOUBT

        return min(self.failed, key=hopelessness, default=None)


def deliver(work: Work) -> DeliveredReport:
    """Deliver every routed batch that is due, oldest first, and close what is confirmed.

    Raises:
        LeaseLost: another drain has taken over; from here on nothing of this one counts.
        LedgerError: the ledger cannot be reached.
    """
    tally = Tally()
    receivers: dict[str, Receiver] = {}
    for batch in work.due(BatchState.ROUTED):

        def act(batch: Row[Any] = batch) -> None:
            _deliver_batch(work, batch, receivers, tally)

        attempting.attempt(work, Stage.DELIVERED, batch, act, tally.failures)
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
    known = _intend(work, batch, wanted, receivers, content)
    handovers = [
        Handover(
            work,
            batch,
            route,
            receivers[route],
            _for_receiver(rows, route, members),
            content,
            of_route(known, route),
        )
        for route in wanted
    ]
    obstacles = _hand_over(work, handovers)
    if obstacles.failed or obstacles.blocked:
        tally.failures[batch.id] = _note(work, batch, obstacles)
        return
    reached("deliver.confirmed")
    _close(work, batch, handovers, rows)
    not_taken = sum(part.height for one in handovers for part, _ in one.refused_rows())
    tally.closed += 1
    tally.refused += not_taken
    tally.delivered += sum(wanted.values()) - not_taken
    tally.no_action += counts.get(NOWHERE, 0)
    tally.by_route.update(counts)


def _hand_over(work: Work, handovers: Sequence[Handover]) -> Obstacles:
    """Send every route as far as it goes."""
    obstacles = Obstacles()
    for one in handovers:
        dependency = Dependency(BreakerKind.RECEIVER, one.receiver.dependency)
        if not work.breakers.passes(dependency):
            obstacles.blocked.append(dependency)
            continue
        try:
            attempting.patiently(work, one.all)
        except (LeaseLost, LedgerError):
            raise
        except Exception as error:  # noqa: BLE001  # the classes tell what it is; other routes go on
            obstacles.failed.append((work.classify(error), dependency))
        else:
            work.breakers.is_back(dependency)
    return obstacles


def _note(work: Work, batch: Row[Any], obstacles: Obstacles) -> str:
    """Plan by the failure that decides; the breakers of all receivers that are down open.

    Nothing is given up for one route while another has not been tried: it would never be.
    """
    worst = obstacles.worst()
    if worst is None:
        return attempting.blocked(work, batch, obstacles.blocked[0])
    for failure, dependency in obstacles.failed:
        if (failure, dependency) != worst and failure.failure_class in OF_A_DEPENDENCY:
            work.breakers.is_down(dependency, failure)
    untried = obstacles.blocked[0] if obstacles.blocked else None
    held_by = untried if worst[0].failure_class not in LATER else None
    return attempting.failed(work, Stage.DELIVERED, batch, *worst, held_by=held_by)


def _intend(
    work: Work,
    batch: Row[Any],
    wanted: Mapping[str, int],
    receivers: Mapping[str, Receiver],
    content: str,
) -> dict[tuple[str, str], Row[Any]]:
    """Write the intents that are missing; returns all deliveries of the batch."""
    with work.installation.ledger.read() as connection:
        known = deliveries.of_batch(connection, batch.id)
    missing = {route: count for route, count in wanted.items() if (route, "") not in known}
    if not missing:
        return known
    with work.lease.write() as connection:
        for route, count in missing.items():
            deliveries.intend(
                connection,
                delivery_id(batch.id, route, content),
                outcome=work.name,
                batch_id=batch.id,
                route=route,
                part="",
                guarantee=receivers[route].guarantee,
                records=count,
                epoch=work.lease.epoch,
                run_id=work.run_id,
            )
        reason = ", ".join(f"{count} to {route}" for route, count in missing.items())
        entries.append(connection, work.name, work.actor, "intent", batch.id, reason)
        known = deliveries.of_batch(connection, batch.id)
    reached("deliver.intent")
    return known


def _close(work: Work, batch: Row[Any], handovers: Sequence[Handover], rows: pl.DataFrame) -> None:
    """Confirm the deliveries and close the batch: its records have reached their place."""
    bad = refused.as_quarantine(work, batch, handovers)
    stored = [] if bad.rows.is_empty() else [work.write(batch.id, Role.REFUSED, bad.rows)]
    now = work.clock()
    confirmed = {identity: why for one in handovers for identity, why in one.confirmed.items()}
    with work.lease.write() as connection:
        for identity, reason in confirmed.items():
            deliveries.confirmed(connection, identity, reason)
        if stored:
            batches.add_files(connection, batch.id, Role.REFUSED, stored)
            refused.open_cases(work, connection, batch, bad)
        batches.close(connection, work.name, batch.id, now)
        if batch.kind == batches.BatchKind.ARRIVALS:
            arrivals.mark_late(connection, batch.id, now - work.compiled.outcome.within)
        reason = f"{len(confirmed)} confirmed"
        reason += f", {bad.rows.height} records of {rows.height} refused" if stored else ""
        entries.append(connection, work.name, work.actor, "closed", batch.id, reason)
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
        troubles = troubles_of(work.installation, work.compiled, connection, work.clock())
    return DeliveredReport(
        outcome=work.name,
        closed=tally.closed,
        delivered=tally.delivered,
        no_action=tally.no_action,
        refused=tally.refused,
        by_route=dict(tally.by_route),
        guarantees={route: receiver.guarantee.value for route, receiver in receivers.items()},
        unconfirmed=unconfirmed,
        data_version=version,
        failures=tally.failures,
        troubles=troubles,
    )
