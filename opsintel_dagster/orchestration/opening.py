"""Puts rows of a batch into quarantine: first which case each belongs to, then the cases.

Which causes have a case of their own is decided before the rows are written, since the file says
it. Only a drain opens and closes cases of an outcome, and it holds the lease.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.ledger import cases, entries
from opsintel_dagster.ledger.cases import About
from opsintel_dagster.orchestration import quarantine
from opsintel_dagster.orchestration.causes import with_causes, with_tail
from opsintel_dagster.orchestration.work import Work


@dataclass(frozen=True)
class Placed:
    """Rows with the case each belongs to, and how many causes have none, by failure mode."""

    rows: pl.DataFrame = field(default_factory=pl.DataFrame)
    more_causes: Mapping[str, int] = field(default_factory=dict)


def placed(work: Work, rows: pl.DataFrame, members: Sequence[Row[Any]]) -> Placed:
    """Say of rows that have `_rules` which case they belong to; `members` are their arrivals."""
    files = {member.id: member.name for member in members}
    told = with_causes(work.compiled, rows, files)
    with work.installation.ledger.read() as connection:
        return Placed(*with_tail(connection, work.name, told))


def open_cases(
    work: Work,
    connection: Connection,
    batch_id: str,
    found: Placed,
    *,
    values: Mapping[About, Mapping[str, int]],
    versions: Mapping[str, str],
    declaration: str,
    why: Callable[[About], str],
) -> None:
    """Add the rows to their cases, in the transaction that makes their file real.

    `versions` of references and `declaration` are what they were judged by; `why` is said of each
    case that is opened by it.
    """
    if found.rows.is_empty():
        return
    groups = quarantine.groups_of(found.rows)
    modes = {group.about.failure_mode for group in groups}
    opened = cases.open_with_rows(
        connection,
        work.name,
        batch_id,
        groups=groups,
        values=values,
        owners={mode: work.compiled.owner_of(mode) for mode in modes},
        judged_by={**versions, cases.DECLARATION: declaration},
        more_causes=found.more_causes,
    )
    for about in opened:
        identity = cases.case_id(work.name, *about)
        entries.append(connection, work.name, work.actor, "case", identity, why(about))
