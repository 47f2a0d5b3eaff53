"""Rows a receiver refused: into quarantine, with the receiver's own words and their raw values."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.ledger import arrivals, cases
from opsintel_dagster.orchestration import opening
from opsintel_dagster.orchestration.causes import LONGEST_VALUE, by_case
from opsintel_dagster.orchestration.handing_over import Handover
from opsintel_dagster.orchestration.opening import Placed, placed
from opsintel_dagster.orchestration.raw import read_raw
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome.names import REFUSED_RULE


def as_quarantine(work: Work, batch: Row[Any], handovers: Sequence[Handover]) -> Placed:
    """The refused rows as they came in, with `_rules` and `_problem`; empty if none."""
    parts = [
        rows.select("_record", pl.lit(f"{one.route}: {reason}").alias("_refusal"))
        for one in handovers
        for rows, reason in one.refused_rows()
    ]
    if not parts:
        return Placed()
    with work.installation.ledger.read() as connection:
        members = arrivals.in_batch(connection, batch.id)
    record = pl.concat_str("_arrival", pl.col("_row").cast(pl.String), separator=":")
    raw = read_raw(work, batch, members).with_columns(record.alias("_record"))
    rows = raw.join(pl.concat(parts), on="_record", how="inner", maintain_order="left")
    rules = pl.lit([REFUSED_RULE], dtype=pl.List(pl.String)).alias("_rules")
    words = pl.col("_refusal").alias("_problem")
    rows = rows.with_columns(rules, words).drop("_record", "_refusal")
    return placed(work, rows, members)


def open_cases(work: Work, connection: Connection, batch: Row[Any], bad: Placed) -> None:
    """Add the refused rows to their cases; the values are the receiver's words."""
    if bad.rows.is_empty():
        return
    words = {}
    for about, rows in by_case(bad.rows):
        said = rows["_problem"].str.head(LONGEST_VALUE).value_counts(sort=True)
        words[about] = cases.most_common({str(text): int(n) for text, n in said.iter_rows()})
    opening.open_cases(
        work,
        connection,
        batch.id,
        bad,
        values=words,
        versions=batch.reference_versions,
        declaration=batch.declaration,
        why=lambda about: f"refused by the receiver: {next(iter(words[about]))}",
    )
