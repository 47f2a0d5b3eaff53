"""Reading what an outcome has: the rows of any stage, lazily, as the ledger names them.

What is read is one version: the files are looked up in one snapshot and never change afterwards.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.errors import UnknownName
from opsintel_dagster.ledger import batches, bindings
from opsintel_dagster.ledger.arrivals import in_batch
from opsintel_dagster.ledger.batches import BatchKind, BatchState, Role
from opsintel_dagster.orchestration import quarantine
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.references import current_rows
from opsintel_dagster.orchestration.taken import scan_taken
from opsintel_dagster.outcome import NOWHERE
from opsintel_dagster.outcome.findings import did_you_mean
from opsintel_dagster.settings import Settings


def read(
    outcome: str, stage: str = "delivered", *, settings: Settings | None = None
) -> pl.LazyFrame:
    """The rows of one stage of an outcome.

    Columns that begin with `_` say where a row comes from: `_arrival`, `_row` and `_line` of the
    arrival that brought it. A stage that nothing has reached yet is a frame without rows.

    Args:
        outcome: The outcome's name.
        stage: `arrivals`: every record as it came in, values as text where the source has text.
            `verified`: records that keep the contract, typed. `quarantine`: records that lie
            there now, raw, with `_rules`, `_cause`, the failure mode, and `_group`, the cause
            within it. `routed`: verified records with `_route` and `_route_rule`. `delivered`:
            the routed records that a receiver confirmed. `current`: what the outcome says now, as
            rules of other outcomes refer to it: contract columns only, corrections applied, one
            row a key.
        settings: The installation; by default that of the environment.

    Raises:
        UnknownName: no such outcome was ever drained here, or there is no such stage.
        LedgerError: the ledger cannot be reached.
        StoreError: a file the ledger names is missing.
    """
    reader = _READERS.get(stage)
    if reader is None:
        raise UnknownName("stage", stage, did_you_mean(stage, _READERS, plural="stages"))
    with Installation.open(settings) as installation:
        if not installation.ledger.exists():
            raise UnknownName("outcome", outcome, _nothing_drained(installation))
        with installation.ledger.read() as connection:
            declared = bindings.declared(connection, outcome)
            rows = reader(installation, connection, outcome)
    if rows.collect_schema():
        return rows
    return pl.LazyFrame(schema=dict.fromkeys(declared.facts["columns"], pl.Null))


def _nothing_drained(installation: Installation) -> str:
    return f"nothing was drained yet, there is no ledger at {installation.ledger.address}"


def _arrivals(installation: Installation, connection: Connection, outcome: str) -> pl.LazyFrame:
    files = batches.files_of_outcome(connection, outcome, Role.RAW, kinds=(BatchKind.ARRIVALS,))
    return _scan(installation, files, lambda file: _sole_arrival(connection, file))


def _verified(installation: Installation, connection: Connection, outcome: str) -> pl.LazyFrame:
    return _scan(installation, batches.files_of_outcome(connection, outcome, Role.VERIFIED))


def _quarantine(installation: Installation, connection: Connection, outcome: str) -> pl.LazyFrame:
    return quarantine.open_rows(installation, connection, outcome).lazy()


def _routed(installation: Installation, connection: Connection, outcome: str) -> pl.LazyFrame:
    return _scan(installation, batches.files_of_outcome(connection, outcome, Role.ROUTED))


def _delivered(installation: Installation, connection: Connection, outcome: str) -> pl.LazyFrame:
    rows = closed_rows(installation, connection, outcome)
    return rows.filter(pl.col("_route") != NOWHERE) if rows.collect_schema() else rows


def closed_rows(installation: Installation, connection: Connection, outcome: str) -> pl.LazyFrame:
    """Routed records of closed batches: delivered ones, and those routed to nobody on purpose."""
    closed = (BatchState.CLOSED,)
    files = batches.files_of_outcome(connection, outcome, Role.ROUTED, Role.REFUSED, states=closed)
    routed = [file for file in files if file.role == Role.ROUTED]
    chosen = [file for file in routed if file.rows] or routed[-1:]
    refused = [file for file in files if file.role == Role.REFUSED]
    frames = scan_taken(installation.store, [*chosen, *refused])
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.LazyFrame()


def _current(installation: Installation, connection: Connection, outcome: str) -> pl.LazyFrame:
    return current_rows(installation, connection, outcome).lazy()


def _scan(
    installation: Installation,
    files: list[Row[Any]],
    arrival_of: Callable[[Row[Any]], str] | None = None,
) -> pl.LazyFrame:
    """One frame of all files; files without rows count for their columns only."""
    frames = []
    for file in [file for file in files if file.rows] or files[-1:]:
        rows = installation.store.scan([file.path])
        if arrival_of is not None and "_arrival" not in rows.collect_schema():
            rows = rows.select(pl.lit(arrival_of(file)).alias("_arrival"), pl.all())
        frames.append(rows)
    # Relaxed: a source may change the type of a column, and so may a contract.
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.LazyFrame()


def _sole_arrival(connection: Connection, file: Row[Any]) -> str:
    """The arrival of a raw file that does not say: one too large to share a batch."""
    return str(in_batch(connection, file.batch_id)[0].id)


_READERS: Final[Mapping[str, Callable[[Installation, Connection, str], pl.LazyFrame]]] = {
    "arrivals": _arrivals,
    "verified": _verified,
    "quarantine": _quarantine,
    "routed": _routed,
    "delivered": _delivered,
    "current": _current,
}
