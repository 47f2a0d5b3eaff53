"""Rules that one row decides: all of them in one pass of Polars over the frame."""

from collections.abc import Sequence

import polars as pl


def broken(expressions: Sequence[pl.Expr], *, ignore_na: bool) -> pl.Expr:
    """Pandera's reduction of what a check selected to one verdict a row, negated."""
    return ~pl.all_horizontal(expressions).fill_null(value=ignore_na)


def masks(frame: pl.DataFrame, rules: Sequence[pl.Expr]) -> list[pl.Series | None]:
    """The mask of each rule in one pass; None for a rule that raises on these rows."""
    if not rules:
        return []
    try:
        return [*frame.select(mask.alias(str(i)) for i, mask in enumerate(rules))]
    except pl.exceptions.PolarsError:
        return [_mask_alone(frame, mask) for mask in rules]


def _mask_alone(frame: pl.DataFrame, mask: pl.Expr) -> pl.Series | None:
    try:
        return frame.select(mask.alias("mask")).to_series()
    except pl.exceptions.PolarsError:
        return None
