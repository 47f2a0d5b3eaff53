"""Rows a receiver refused: into quarantine, with the receiver's own words and their raw values."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.ledger import arrivals, cases, entries
from opsintel_dagster.orchestration import quarantine
from opsintel_dagster.orchestration.handing_over import Handover
from opsintel_dagster.orchestration.raw import read_raw
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome.names import REFUSED_RULE


def as_quarantine(work: Work, batch: Row[Any], handovers: Sequence[Handover]) -> pl.DataFrame:
    """The refused rows as they came in, with `_rules`, `_cause` and `_problem`; empty if none."""
    parts = [
        rows.select("_record", pl.lit(f"{one.route}: {reason}").alias("_refusal"))
        for one in handovers
        for rows, reason in one.refused_rows()
    ]
    if not parts:
        return pl.DataFrame()
    with work.installation.ledger.read() as connection:
        members = arrivals.in_batch(connection, batch.id)
    record = pl.concat_str("_arrival", pl.col("_row").cast(pl.String), separator=":")
    raw = read_raw(work, batch, members).with_columns(record.alias("_record"))
    rows = raw.join(pl.concat(parts), on="_record", how="inner", maintain_order="left")
    rules = pl.lit([REFUSED_RULE], dtype=pl.List(pl.String)).alias("_rules")
    words = pl.col("_refusal").alias("_problem")
    rows = rows.with_columns(rules, words).drop("_record", "_refusal")
    return quarantine.with_causes(work.compiled, rows)


def open_cases(work: Work, connection: Connection, batch: Row[Any], bad: pl.DataFrame) -> None:
    """Add the refused rows to their case; its values are the receiver's words."""
    groups = quarantine.groups_of(bad)
    said = bad["_problem"].str.head(quarantine.LONGEST_VALUE)
    words = {str(text): int(count) for text, count in said.value_counts().iter_rows()}
    for identity in cases.open_with_rows(
        connection,
        work.name,
        batch.id,
        groups=groups,
        values={group.failure_mode: words for group in groups},
        owners={group.failure_mode: work.compiled.owner_of(group.failure_mode) for group in groups},
        judged_by={**batch.reference_versions, cases.DECLARATION: batch.declaration},
    ):
        reason = f"refused by the receiver: {next(iter(words))}"
        entries.append(connection, work.name, work.actor, "case", identity, reason)
