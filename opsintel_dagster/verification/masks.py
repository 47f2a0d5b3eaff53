"""Booleans over rows: nobody, anybody, and what was found of some of them."""

from collections.abc import Iterable
from functools import reduce
from operator import or_

import polars as pl


def nobody(height: int) -> pl.Series:
    """No row of `height`."""
    return pl.Series([False]).new_from_index(0, height)


def any_of(masks: Iterable[pl.Series], height: int) -> pl.Series:
    """The rows of any of `masks`."""
    return reduce(or_, masks, nobody(height))


def within(some: pl.Series, verdicts: pl.Series) -> pl.Series:
    """The verdicts on the rows of `some`, over all rows; False for the others."""
    return some if verdicts.all() else nobody(len(some)).scatter(some.arg_true(), verdicts)
