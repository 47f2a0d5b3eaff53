"""Columns that a source calls otherwise, under the names of the contract.

A column is taken for one of the contract only in an arrival that does not bring that one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from opsintel_dagster.store import together
from opsintel_dagster.verification.drift import Drift, DriftKind
from opsintel_dagster.verification.profiles import Profile


@dataclass(frozen=True)
class Renames:
    """What the source calls a column → what the contract calls it."""

    columns: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.columns)

    def among(self, names: Sequence[str]) -> dict[str, str]:
        """Those that apply to an arrival which brings these columns; the first for each column."""
        found: dict[str, str] = {}
        for new, column in self.columns.items():
            if new in names and column not in names and column not in found.values():
                found[new] = column
        return found

    def sources_of(self, column: str) -> list[str]:
        """What else the source may call a column."""
        return [new for new, known in self.columns.items() if known == column]

    def names(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns of an arrival as the contract calls them."""
        mine = self.among(columns)
        return tuple(mine.get(name, name) for name in columns)

    def sample(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of one arrival."""
        return rows.rename(self.among(rows.columns)) if self else rows

    def profile(self, profile: Profile) -> Profile:
        """The profile of one arrival."""
        mine = self.among(profile.columns)
        if not mine:
            return profile
        return replace(
            profile,
            empty={mine.get(name, name): count for name, count in profile.empty.items()},
            kinds={mine.get(name, name): kind for name, kind in profile.kinds.items()},
        )

    def left_of(self, drifts: Sequence[Drift]) -> list[Drift]:
        """The changes that these names do not explain."""
        added = {one.column for one in drifts if one.kind is DriftKind.ADDED}
        explained = {
            name for new, column in self.columns.items() if new in added for name in (new, column)
        }
        left = []
        for one in drifts:
            is_renamed = one.kind is DriftKind.RENAMED
            if is_renamed and self.columns.get(one.now or "") == one.column:
                continue
            is_moved = one.kind in (DriftKind.ADDED, DriftKind.REMOVED)
            if not (is_moved and one.column in explained):
                left.append(one)
        return left

    def rows(
        self, raw: pl.DataFrame, columns_of: Mapping[str, Sequence[str]]
    ) -> tuple[pl.DataFrame, dict[str, tuple[str, ...]], dict[tuple[str, str], list[str]]]:
        """Rows of several arrivals, and the columns that each of them brings now.

        Returns:
            The rows, the columns by arrival, and the arrivals by (new name, column).
        """
        frame = [name for name in raw.columns if not name.startswith("_")]
        there = raw["_arrival"].unique(maintain_order=True).to_list()
        known = {arrival: tuple(frame) for arrival in there}
        known |= {arrival: tuple(columns) for arrival, columns in columns_of.items()}
        moved: dict[tuple[str, str], list[str]] = {}
        for arrival in there:
            for pair in self.among(known[arrival]).items():
                moved.setdefault(pair, []).append(arrival)
        for pair, arrivals in list(moved.items()):
            new, column = pair
            is_mine = pl.col("_arrival").is_in(arrivals)
            if new not in raw.columns:
                del moved[pair]
                continue
            if column in raw.columns:
                raw = _alike(raw, new, column)
                cell = pl.when(is_mine).then(pl.col(new)).otherwise(pl.col(column))
            else:
                cell = pl.when(is_mine).then(pl.col(new))
            raw = raw.with_columns(cell.alias(column))
        known = {arrival: self.names(columns) for arrival, columns in known.items()}
        return raw, known, moved


NO_RENAMES: Final = Renames()


def _alike(raw: pl.DataFrame, one: str, other: str) -> pl.DataFrame:
    """Both columns in a type that holds the values of both."""
    if raw.schema[one] == raw.schema[other]:
        return raw
    both = [raw.lazy().select(pl.col(name).alias("cell")) for name in (one, other)]
    cells = together(both).collect()["cell"]
    return raw.with_columns(cells.head(raw.height).alias(one), cells.tail(raw.height).alias(other))
