"""Hiding personal data in what people and logs get to see."""

from collections.abc import Collection
from typing import Final

import polars as pl

MASK: Final = "***"


def mask_pii(frame: pl.DataFrame, pii: Collection[str]) -> pl.DataFrame:
    """`frame` with every value of the columns `pii` replaced; an empty cell stays empty.

    The raw text of an unreadable record holds all columns at once, so it is hidden with any of
    them.
    """
    hidden = {*pii, "_text"} if pii else set()
    return frame.with_columns(
        pl.when(pl.col(name).is_not_null()).then(pl.lit(MASK)).alias(name)
        for name in frame.columns
        if name in hidden
    )
