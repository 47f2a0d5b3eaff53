"""Verifying one batch in memory: typing, judging and splitting, in this order."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from opsintel_dagster.verification.arrivals import Presence
from opsintel_dagster.verification.cells import TypedCells, type_cells
from opsintel_dagster.verification.judging import Judge, Judgement, Rows
from opsintel_dagster.verification.membership import Membership
from opsintel_dagster.verification.patterns import BoundRules
from opsintel_dagster.verification.rules import ARRIVAL_COLUMNS, READABLE

ACCEPTED: Final = "_accepted"
"""The rules that somebody has accepted a row in spite of, where a batch has such rows."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch with typed cells, ready to be judged."""

    raw: pl.DataFrame
    presence: Presence
    unjudged: pl.Series | None
    """Per row of `raw` the one reason why it is not judged; None if every row is."""
    cells: TypedCells
    rows: Rows


def prepare(
    raw: pl.DataFrame,
    members: Membership,
    presence: Presence,
    bound: BoundRules,
    null_values: Collection[str],
) -> Prepared:
    """Set aside what cannot be judged, and type the rest.

    Args:
        raw: The batch, with `_row`.
        members: Whose rows those are.
        presence: Which columns their arrivals have.
        bound: The contract as it applies to the columns of `raw`.
        null_values: Texts that stand for null.
    """
    unjudged = _unjudged(raw, members, presence)
    judged, own = raw, members
    if unjudged is not None:
        is_judged = unjudged.is_null()
        judged, own = raw.filter(is_judged), members.filter(is_judged)
    cells = type_cells(judged, bound.facts.columns, null_values)
    rows = Rows(
        frame=cells.frame,
        members=own,
        numbers=judged.get_column("_row"),
        failed=cells.failed,
        every_arrival=[a for a in presence.arrivals if a not in presence.held],
        absent={a: c for a, c in presence.absent.items() if a not in presence.held},
    )
    return Prepared(raw, presence, unjudged, cells, rows)


def judge(
    prepared: Prepared,
    bound: BoundRules,
    references: Mapping[str, pl.DataFrame],
    *,
    is_part: bool,
) -> Judgement:
    """Every rule on every row; `is_part` leaves out those that only a whole arrival can break."""
    compiled = bound.compiled
    judge = Judge(prepared.rows, references)
    judge.coerce(compiled.coerce)
    judge.not_null(compiled.not_null)
    if compiled.key_not_null is not None:
        judge.key_not_null(compiled.key_not_null)
    judge.unique(compiled.unique)
    judge.checks([one for one in compiled.checks if not (is_part and one.rule.is_about_arrival)])
    if ACCEPTED in prepared.raw.columns:
        accepted = prepared.raw.get_column(ACCEPTED)
        if prepared.unjudged is not None:
            accepted = accepted.filter(prepared.unjudged.is_null())
        judge.judgement.accept(accepted)
    return judge.judgement


def _unjudged(raw: pl.DataFrame, members: Membership, presence: Presence) -> pl.Series | None:
    reasons: list[tuple[pl.Series, str]] = []
    if presence.held:
        reasons.append((members.rows_of(list(presence.held)), ARRIVAL_COLUMNS))
    if "_problem" in raw.columns and raw.get_column("_problem").null_count() < raw.height:
        reasons.append((raw.get_column("_problem").is_not_null(), READABLE))
    if not reasons:
        return None
    unjudged = pl.Series("_alone", [None], dtype=pl.String).new_from_index(0, raw.height)
    for mask, reason in reasons:
        unjudged = unjudged.zip_with(~mask, pl.Series([reason]))
    return unjudged if unjudged.null_count() < raw.height else None
