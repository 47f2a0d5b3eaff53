"""Rules that one row decides: all of them in one pass of Polars over the frame."""

from collections.abc import Iterator, Sequence

import polars as pl

from opsintel_dagster.verification.compiled import CheckRule


def broken(expressions: Sequence[pl.Expr], *, ignore_na: bool) -> pl.Expr:
    """Pandera's reduction of what a check selected to one verdict a row, negated."""
    return ~pl.all_horizontal(expressions).fill_null(value=ignore_na)


def masks(
    frame: pl.DataFrame, rules: Sequence[tuple[CheckRule, pl.Expr]]
) -> Iterator[tuple[CheckRule, pl.Series | None]]:
    """The mask of each rule in one pass; None for a rule whose expression raises on these rows."""
    if not rules:
        return
    try:
        judged = frame.select(mask.alias(str(i)) for i, (_, mask) in enumerate(rules))
    except pl.exceptions.PolarsError:
        for one, mask in rules:
            yield one, _mask_alone(frame, mask)
        return
    for (one, _), verdict in zip(rules, judged, strict=True):
        yield one, verdict


def _mask_alone(frame: pl.DataFrame, mask: pl.Expr) -> pl.Series | None:
    try:
        return frame.select(mask.alias("mask")).to_series()
    except pl.exceptions.PolarsError:
        return None
