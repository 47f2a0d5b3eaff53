"""What is open in an outcome now, with what a drain has just added: the verified stage's report."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.errors import StoreError
from opsintel_dagster.ledger import arrivals, batches, case_listing, cases
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.downstream import downstream_of
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.reports import OpenCase, VerifiedReport
from opsintel_dagster.orchestration.troubles import troubles_of
from opsintel_dagster.verification import mask_pii

SAMPLE_ROWS: Final = 20
HELD_NAMED: Final = 100


def verified_report(
    installation: Installation,
    compiled: Compiled,
    now: datetime,
    *,
    held: Mapping[str, tuple[str, ...]] | None = None,
    has_new_rows: bool = False,
    **counts: Any,
) -> VerifiedReport:
    """What is open now; `counts` are those of the drain that asks, `held` what it has just held."""
    name = compiled.name
    with installation.ledger.read() as connection:
        all_held = _held_now(compiled, cases.open_groups(connection, name), held or {})
        return VerifiedReport(
            outcome=name,
            held=all_held,
            held_names=arrivals.names(connection, list(all_held)[:HELD_NAMED]),
            open_by_rule=cases.open_rows_by_rule(connection, name),
            cases=open_cases_of(case_listing.listing(connection, [name])),
            sample=_sample(installation, compiled, connection) if has_new_rows else None,
            downstream=downstream_of(connection, name) if all_held else None,
            troubles=troubles_of(installation, compiled, connection, now),
            **counts,
        )


def open_cases_of(rows: list[Row[Any]]) -> tuple[OpenCase, ...]:
    """Case rows of the ledger as the assets and the CLI show them."""
    return tuple(
        OpenCase(
            id=row.id,
            name=cases.name_of(row.outcome, row.failure_mode, row.cause),
            failure_mode=row.failure_mode,
            cause=row.cause,
            more_causes=cases.told_more(row.facts),
            episode=row.episode,
            owner=row.owner,
            rows=int(row.open_rows),
            values=row.facts.get("values", {}),
            opened_at=row.opened_at,
            last_seen_at=row.last_seen_at,
        )
        for row in rows
    )


def _held_now(
    compiled: Compiled, groups: Sequence[Row[Any]], held_just_now: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Arrivals that lie in quarantine as a whole, those of earlier drains too."""
    held = dict(held_just_now)
    for group in groups:
        rules = compiled.holding(group.rules.split(cases.RULES_SEPARATOR))
        if rules:
            held.setdefault(group.arrival_id, rules)
    return held


def _sample(
    installation: Installation, compiled: Compiled, connection: Connection
) -> pl.DataFrame | None:
    """A few rows that lie in quarantine, personal data masked."""
    files = batches.files_of_outcome(connection, compiled.name, *batches.QUARANTINE_ROLES)
    newest = [file.path for file in files if file.rows][-1:]
    if not newest:
        return None
    try:
        rows = installation.store.scan(newest).head(SAMPLE_ROWS).collect()
    except StoreError:
        return None  # the law says what is missing; a sample is no reason to fail
    return mask_pii(rows, compiled.contract.pii)
