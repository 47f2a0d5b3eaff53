"""Judges the rows of one batch: which go on and which are held, alone or with their arrival.

It looks at nothing but what it is given, so that a drain and a simulation cannot differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from sqlalchemy import Row

from opsintel_dagster.orchestration.amending import AmendedRows
from opsintel_dagster.orchestration.compiled import TOLERANCE, Compiled
from opsintel_dagster.orchestration.crashing import verdict_of
from opsintel_dagster.orchestration.symptoms import held_for
from opsintel_dagster.outcome.names import CRASHED
from opsintel_dagster.verification import Verdict

_SAID: Final = ("_problem",)
"""What a verdict says of a row beside its rules."""


@dataclass(frozen=True)
class JudgedRows:
    """Every row of a batch, in exactly one of the two.

    Attributes:
        verified: The rows that keep the contract, typed.
        bad: Those that do not, as they came in, with `_rules`.
        held: Arrivals of which no row goes on, with the rules that say so.
        warned: Rows that broke a warning rule, by rule, among all that could be judged.
        is_whole: Whether every row that keeps the contract goes on.
        amended: How the rows were amended before they were judged.
    """

    verified: pl.DataFrame
    bad: pl.DataFrame
    held: Mapping[str, tuple[str, ...]]
    warned: Mapping[str, int]
    is_whole: bool
    amended: AmendedRows


def judge_rows(
    compiled: Compiled,
    raw: pl.DataFrame,
    members: Sequence[Row[Any]],
    references: Mapping[str, pl.DataFrame],
    *,
    has_whole_arrivals: bool,
) -> JudgedRows:
    """Judge rows by the contract, as amended, and arrivals by what they are held for.

    Args:
        compiled: The outcome, with the amendments that apply (`Compiled.amended`).
        raw: The rows as they came in.
        members: The arrivals they belong to, from the ledger.
        references: What each outcome that rules refer to has delivered.
        has_whole_arrivals: Whether the rows are whole arrivals; a replay carries parts of them, of
            which nobody can say what share is wrong.
    """
    brought = {member.id: tuple(member.columns) for member in members if member.columns}
    amended = compiled.amending.apply(raw, brought)

    def judge(rows: pl.DataFrame) -> Verdict:
        return compiled.contract.verify(rows, references=references, columns_of=amended.columns_of)

    verdict, crashing = verdict_of(amended.rows, judge)
    verified, bad = verdict.valid, verdict.quarantine
    if not crashing.is_empty():
        broken = crashing.with_columns(pl.lit([CRASHED], dtype=pl.List(pl.String)).alias("_rules"))
        bad = pl.concat([bad, broken], how="diagonal_relaxed")
    bad = as_it_came(raw, bad, amended)
    held = dict(verdict.held)
    if has_whole_arrivals:
        wholly = _held_wholly(compiled, members, bad, held)
        if wholly:
            verified, bad = _hold(raw, verified, bad, wholly)
            held |= wholly
    is_whole = verified.height == verdict.valid.height
    return JudgedRows(verified, bad, held, verdict.warnings(), is_whole, amended)


def as_it_came(raw: pl.DataFrame, bad: pl.DataFrame, amended: AmendedRows) -> pl.DataFrame:
    """Rows that stay behind, with the values that came in."""
    if amended.changes.is_empty() or bad.is_empty():
        return bad
    said = bad.select("_arrival", "_row", *(name for name in ("_rules", *_SAID) if name in bad))
    came = raw.drop("_rules", *_SAID, strict=False)
    return came.join(said, on=["_arrival", "_row"], how="inner", maintain_order="right")


def _held_wholly(
    compiled: Compiled,
    members: Sequence[Row[Any]],
    bad: pl.DataFrame,
    held: Mapping[str, tuple[str, ...]],
) -> dict[str, tuple[str, ...]]:
    """Arrivals of which no row may go on, with the rules that say so.

    Their claim found a symptom they are held for, or a larger share of them was quarantined than
    the outcome tolerates.
    """
    counts = dict(bad.group_by("_arrival").len().iter_rows())
    limit = compiled.outcome.tolerance
    wholly = {}
    for member in members:
        rules = held_for(member.symptoms, compiled.amending.renames)
        if member.records and counts.get(member.id, 0) / member.records > limit:
            rules = (*rules, TOLERANCE)
        if rules and member.records and member.id not in held:
            wholly[member.id] = rules
    return wholly


def _hold(
    raw: pl.DataFrame,
    verified: pl.DataFrame,
    bad: pl.DataFrame,
    wholly: Mapping[str, tuple[str, ...]],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Put every row of these arrivals into quarantine; rows that were fine say why too."""
    holding = pl.DataFrame(
        {"_arrival": list(wholly), "_holding": list(map(list, wholly.values()))},
        schema={"_arrival": pl.String, "_holding": pl.List(pl.String)},
    )
    good = verified.select("_arrival", "_row").join(holding, on="_arrival", how="inner")
    rows = raw.join(
        good.rename({"_holding": "_rules"}),
        on=["_arrival", "_row"],
        how="inner",
        maintain_order="left",
    )
    bad = bad.join(holding, on="_arrival", how="left", maintain_order="left")
    is_held = pl.col("_holding").is_not_null()
    named = pl.when(is_held).then(pl.concat_list("_holding", "_rules")).otherwise("_rules")
    bad = bad.with_columns(named.alias("_rules")).drop("_holding")
    together = pl.concat([bad, rows.select(bad.columns)], how="diagonal_relaxed")
    return verified.filter(~pl.col("_arrival").is_in(list(wholly))), together
