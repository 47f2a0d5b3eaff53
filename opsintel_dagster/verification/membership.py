"""Which rows belong to which arrival.

Most batches are one large arrival or many small ones. For one arrival nothing is kept at all: a
column of ten million equal ids costs more than every rule of a contract.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Membership:
    """The arrivals of a batch, each row's by number."""

    names: tuple[str, ...]
    """The arrivals that have rows, in the order in which they come."""
    codes: pl.Series | None
    """Index into `names` for each row; None if all rows are of one arrival."""
    height: int

    @classmethod
    def of(cls, arrivals: pl.Series) -> "Membership":
        """Read off the column of arrival ids."""
        height = len(arrivals)
        if height and bool((arrivals == arrivals[0]).all(ignore_nulls=False)):
            return cls((str(arrivals[0]),), None, height)
        names = arrivals.drop_nulls().unique(maintain_order=True)
        codes = arrivals.cast(pl.Enum(names)).to_physical().cast(pl.UInt32).alias("_arrival")
        return cls(tuple(names), codes, height)

    def rows_of(self, arrivals: Collection[str]) -> pl.Series:
        """Mask of the rows of any of `arrivals`."""
        wanted = [i for i, name in enumerate(self.names) if name in arrivals]
        if self.codes is not None:
            return self.codes.is_in(wanted).fill_null(value=False)
        return pl.Series([bool(wanted)], dtype=pl.Boolean).new_from_index(0, self.height)

    def filter(self, mask: pl.Series) -> "Membership":
        """The same for the rows of `mask` only; arrivals that lose all rows stay named."""
        codes = None if self.codes is None else self.codes.filter(mask)
        return Membership(self.names, codes, int(mask.sum()))

    def names_at(self, mask: pl.Series) -> list[str]:
        """The arrivals that have a row in `mask`."""
        if self.codes is None:
            return list(self.names) if mask.any() else []
        return [self.names[i] for i in self.codes.filter(mask).drop_nulls().unique().sort()]

    def groups(
        self, every: Sequence[str], numbers: pl.Series
    ) -> Iterator[tuple[str, pl.Series | None]]:
        """Each arrival of `every` with its rows' positions in the order of `numbers`.

        None stands for all rows as they lie.
        """
        if self.codes is None and numbers.is_sorted():
            nothing = pl.Series("at", [], dtype=pl.UInt32)
            for arrival in every:
                yield arrival, None if arrival in self.names else nothing
            return
        codes = self.codes
        if codes is None:
            codes = pl.Series("_arrival", [0], dtype=pl.UInt32).new_from_index(0, self.height)
        index = pl.DataFrame([codes.alias("a"), numbers.alias("n")]).with_row_index("at")
        groups = index.sort("n", maintain_order=True).group_by("a", maintain_order=True).agg("at")
        positions = dict(zip(groups["a"], groups["at"], strict=True))
        code_of = {name: i for i, name in enumerate(self.names)}
        for arrival in every:
            at = positions.get(code_of.get(arrival))
            yield arrival, pl.Series("at", [], dtype=pl.UInt32) if at is None else at
