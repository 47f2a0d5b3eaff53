"""Counts the places: every record that arrived is in exactly one of them.

The terms come from Parquet footers, the receivers' answers and the quarantine files less the rows
that were moved on, all as the ledger named them in one snapshot. The ledger's own counters are
compared with what was found; they are never what was found.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.errors import OpsintelError, StoreError
from opsintel_dagster.handoff import Receipt
from opsintel_dagster.ledger import arrivals, batches, cases, deliveries
from opsintel_dagster.ledger.arrivals import ArrivalState
from opsintel_dagster.ledger.batches import BatchKind, BatchState, Role
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.quarantine import ROW
from opsintel_dagster.orchestration.receivers import open_route
from opsintel_dagster.orchestration.reports import Conservation
from opsintel_dagster.outcome import NOWHERE, ReceiverSpec, TableReceiver

IN_FLIGHT = {
    BatchState.CLAIMED: (Role.RAW,),
    BatchState.VERIFIED: (Role.VERIFIED,),
    BatchState.ROUTED: (Role.ROUTED,),
}
"""In which files the rows of an outstanding batch are that have not reached their place."""


@dataclass
class Places:
    """What was found, and what was found to be wrong."""

    terms: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def count_places(
    installation: Installation, connection: Connection, compiled: Compiled
) -> Conservation:
    """Count every term of the law at its place; `connection` is the snapshot to count in.

    A place that cannot be read is a problem of the result, not an error. Receivers of routes that
    are no longer declared cannot be asked; their receipts count.
    """
    outcome = compiled.name
    places = Places()
    files = batches.files_of_outcome(connection, outcome, *Role)
    readable = _count_files(installation, files, places)
    _count_superseded(installation, connection, outcome, readable, places)
    _count_delivered(installation, connection, compiled, places)
    by_state = arrivals.count_by_state(connection, outcome)
    terms = places.terms
    gone = terms["moved"] + terms["discarded"] + terms["superseded"]
    counted_open = terms["quarantined"] - gone
    own_count = sum(group.rows - group.resolved for group in cases.open_groups(connection, outcome))
    if own_count != counted_open:
        places.problems.append(
            f"cases count {own_count:,} open records, quarantine holds {counted_open:,}"
        )
    counts = {state: by_state.get(state, (0, 0))[0] for state in ArrivalState}
    return Conservation(
        received=sum(records for _, records in by_state.values()),
        delivered=terms["delivered"],
        no_action=terms["no_action"],
        discarded=terms["discarded"],
        unchanged=terms["unchanged"],
        superseded=terms["superseded"],
        open=counted_open,
        in_flight=terms["in_flight"],
        arrivals_seen=sum(counts.values()),
        arrivals_batched=counts[ArrivalState.BATCHED],
        arrivals_duplicate=counts[ArrivalState.DUPLICATE],
        arrivals_superseded=counts[ArrivalState.SUPERSEDED],
        arrivals_unreadable=counts[ArrivalState.UNREADABLE],
        problems=tuple(places.problems),
    )


def _count_files(
    installation: Installation, files: Sequence[Row[Any]], places: Places
) -> list[Row[Any]]:
    """Count the rows of all files by what they are; returns the files that could be counted."""
    counted = installation.store.count([file.path for file in files])
    nowhere: list[str] = []
    for file in files:
        rows = counted[file.path]
        if isinstance(rows, StoreError):
            places.problems.append(str(rows))
            rows = 0
        elif rows != file.rows:
            places.problems.append(f"{file.path} holds {rows:,} rows, {file.rows:,} were written")
        role, state = Role(file.role), BatchState(file.state)
        if role in batches.QUARANTINE_ROLES:
            places.terms["quarantined"] += rows
        elif role is Role.UNCHANGED:
            places.terms["unchanged"] += rows
        elif role is Role.RAW and file.kind == BatchKind.REPLAY:
            places.terms["moved"] += rows
        elif role is Role.DISCARDED:
            places.terms["discarded"] += rows
        if role in IN_FLIGHT.get(state, ()):
            places.terms["in_flight"] += rows
        if role is Role.ROUTED and state is BatchState.CLOSED and rows:
            nowhere.append(file.path)
    unneeded = installation.store.count(nowhere, pl.col("_route") == NOWHERE)
    places.terms["no_action"] += sum(n for n in unneeded.values() if isinstance(n, int))
    return [file for file in files if not isinstance(counted[file.path], StoreError)]


def _count_superseded(
    installation: Installation,
    connection: Connection,
    outcome: str,
    files: Sequence[Row[Any]],
    places: Places,
) -> None:
    """Rows in quarantine files of superseded arrivals that neither moved nor were discarded."""
    old = arrivals.ids_in_state(connection, outcome, ArrivalState.SUPERSEDED)
    if not old:
        return
    members = set(arrivals.batches_of(connection, old))
    held = [
        file
        for file in files
        if file.role in batches.QUARANTINE_ROLES and file.rows and file.batch_id in members
    ]
    moved = [
        file.path
        for file in files
        if file.rows
        and (
            file.role == Role.DISCARDED or (file.role == Role.RAW and file.kind == BatchKind.REPLAY)
        )
    ]
    try:
        gone = installation.store.scan(moved, columns=ROW).collect() if moved else None
        for file in held:
            rows = installation.store.scan([file.path]).filter(pl.col("_arrival").is_in(old))
            rows = rows.with_columns(pl.lit(file.batch_id).alias("_from")).select(ROW)
            if gone is not None:
                rows = rows.join(gone.lazy(), on=ROW, how="anti")
            places.terms["superseded"] += rows.collect().height
    except (StoreError, OSError, pl.exceptions.PolarsError) as error:
        # A footer may be sound where the rows are not.
        places.problems.append(f"rows of corrected files cannot be counted: {error}")


def _count_delivered(
    installation: Installation, connection: Connection, compiled: Compiled, places: Places
) -> None:
    """Ask every receiver how much of what it confirmed is there."""
    receipts: dict[str, list[Receipt]] = defaultdict(list)
    for row in deliveries.of_closed_batches(connection, compiled.name):
        detail = row.receipt or {"records": row.records, "detail": {}}
        receipts[row.route].append(Receipt(row.id, detail["records"], detail["detail"]))
    for route, mine in receipts.items():
        if (
            route not in compiled.outcome.handoff
        ):  # nobody can be asked any more: what they signed for counts
            places.terms["delivered"] += sum(receipt.records for receipt in mine)
            continue
        try:
            found = open_route(installation, compiled, route).count(mine)
        except OpsintelError as error:
            places.problems.append(f"{error}; its records cannot be counted now")
            continue
        places.terms["delivered"] += sum(found.values())
        for receipt in mine:
            there = found.get(receipt.delivery, 0)
            if there != receipt.records:
                places.problems.append(
                    f"{route}: {there:,} of {receipt.records:,} records of delivery "
                    f"{receipt.delivery} are there; {_way_out(compiled.outcome.handoff[route])}"
                )


def _way_out(receiver: ReceiverSpec) -> str:
    if isinstance(receiver, TableReceiver):
        return "put them back; if its users delete what they have handled, declare `consumed: true`"
    return "put them back, or take the whole file away if it has been handled"
