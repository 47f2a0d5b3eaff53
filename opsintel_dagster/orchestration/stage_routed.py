"""Sends verified rows where the decision table says; what no rule takes becomes a case."""

from collections import Counter
from typing import Any

import polars as pl
from sqlalchemy import Row

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.ledger import amendments, arrivals, batches, cases, entries
from opsintel_dagster.ledger.batches import BatchState, Role
from opsintel_dagster.orchestration import attempting, keeping
from opsintel_dagster.orchestration.opening import Placed, open_cases, placed
from opsintel_dagster.orchestration.raw import read_raw
from opsintel_dagster.orchestration.reports import RoutedReport, Stage
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome import Route
from opsintel_dagster.outcome.names import UNROUTED
from opsintel_dagster.routing import DecisionTable


def route(work: Work) -> RoutedReport:
    """Route every verified batch that is due, by the decision table it is pinned to.

    Raises:
        LeaseLost: another drain has taken over.
    """
    done = records = unrouted = 0
    by_route: Counter[str] = Counter()
    by_rule: Counter[str] = Counter()
    failures: dict[str, str] = {}
    for batch in work.due(BatchState.VERIFIED):
        frames: list[pl.DataFrame] = []

        def act(batch: Row[Any] = batch, frames: list[pl.DataFrame] = frames) -> None:
            frames.append(_route_batch(work, batch))

        if not attempting.attempt(work, Stage.ROUTED, batch, act, failures):
            continue
        routed = frames[-1]
        done += 1
        taken = routed.filter(pl.col("_route").is_not_null())
        records += taken.height
        unrouted += routed.height - taken.height
        by_route.update(dict(taken.group_by("_route").len().iter_rows()))
        by_rule.update(dict(taken.group_by("_route_rule").len().iter_rows()))
    with work.installation.ledger.read() as connection:
        open_unrouted = cases.open_rows_by_rule(connection, work.name).get(UNROUTED, 0)
    return RoutedReport(
        outcome=work.name,
        batches=done,
        records=records,
        by_route=dict(by_route),
        by_rule=dict(by_rule),
        unrouted=unrouted,
        open_unrouted=open_unrouted,
        failures=failures,
    )


def _route_batch(work: Work, batch: Row[Any]) -> pl.DataFrame:
    reached("route.begun")
    verified = work.installation.store.read(work.paths(batch.id, Role.VERIFIED))
    routed = _table_of(work, batch, verified).route(verified)
    is_taken = pl.col("_route").is_not_null()
    taken, left = routed.filter(is_taken), routed.filter(~is_taken)
    files = {Role.ROUTED: [work.write(batch.id, Role.ROUTED, taken)]}
    bad = Placed()
    if not left.is_empty():
        bad = _as_quarantine(work, batch, left)
        files[Role.UNROUTED] = [work.write(batch.id, Role.UNROUTED, bad.rows)]
    reached("route.written")
    with work.lease.write() as connection:
        for role, stored in files.items():
            batches.add_files(connection, batch.id, role, stored)
        batches.advance(connection, batch.id, BatchState.ROUTED)
        open_cases(
            work,
            connection,
            batch.id,
            bad,
            values={},
            versions=batch.reference_versions,
            declaration=batch.declaration,
            why=lambda _: "rows no route takes",
        )
        by_rule = dict(taken.group_by("_route_rule").len().iter_rows())
        fired = keeping.numbers_of(by_rule)
        amendments.fired(connection, work.name, fired, work.clock())
        reason = f"{taken.height} routed, {left.height} taken by no rule"
        entries.append(connection, work.name, work.actor, "routed", batch.id, reason)
    reached("route.registered")
    return routed


def _table_of(work: Work, batch: Row[Any], verified: pl.DataFrame) -> DecisionTable:
    """The decision table of the declaration the batch is pinned to, as it stands in the ledger."""
    if batch.declaration == work.compiled.fingerprint:
        return work.compiled.table
    with work.installation.ledger.read() as connection:
        pinned = batches.pinned_routes(connection, batch.declaration)
    columns = {name: dtype for name, dtype in verified.schema.items() if not name.startswith("_")}
    return DecisionTable.compile([Route(**row) for row in pinned], columns)


def _as_quarantine(work: Work, batch: Row[Any], left: pl.DataFrame) -> Placed:
    with work.installation.ledger.read() as connection:
        members = arrivals.in_batch(connection, batch.id)
    raw = read_raw(work, batch, members)
    rows = raw.join(
        left.select("_arrival", "_row"), on=["_arrival", "_row"], how="semi", maintain_order="left"
    )
    rules = pl.lit([UNROUTED], dtype=pl.List(pl.String)).alias("_rules")
    return placed(work, rows.with_columns(rules), members)
