"""What verifying a batch found."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import polars as pl

from opsintel_dagster.verification.details import details
from opsintel_dagster.verification.rules import Rule

Place = TypeVar("Place")


class Counted:
    """Counts that follow from how many rows break which set of rules."""

    __slots__ = ()
    warned: Mapping[str, int]

    def cooccurrence_counts(self) -> dict[tuple[str, ...], int]:
        """How many quarantined rows break exactly this set of rules, most frequent first."""
        raise NotImplementedError

    def counts(self) -> dict[str, int]:
        """How many quarantined rows break each rule; a row that breaks two counts in both."""
        total: Counter[str] = Counter()
        for rules, rows in self.cooccurrence_counts().items():
            for rule in rules:
                total[rule] += rows
        return dict(total)

    def warnings(self) -> dict[str, int]:
        """How many rows went on although they break a warning rule.

        A rule with one answer for an arrival counts the arrivals.
        """
        return dict(self.warned)


@dataclass(frozen=True, slots=True)
class Verdict(Counted):
    """Every row of the batch, in one of two frames, in the order in which it came."""

    valid: pl.DataFrame
    """`_arrival`, `_row`, `_line` and the contract's columns, typed."""
    quarantine: pl.DataFrame
    """The raw columns and `_rules`: the error rules the row breaks, in the contract's order."""
    held: Mapping[str, tuple[str, ...]]
    """Arrivals that cannot be judged row by row, with the rules that say so."""
    hold_reasons: Mapping[str, tuple[str, ...]]
    """The same arrivals, with a sentence for each of those rules that names the columns."""
    warned: Mapping[str, int]
    references: Mapping[str, str]
    """Reference to the version of it that values were looked up in."""
    _rules: tuple[Rule, ...]
    _absent: Mapping[str, Collection[str]]

    def details(self) -> pl.DataFrame:
        """What each rule says of each quarantined row: `valid`, `invalid` or `unknown`.

        Unknown is what was not judged: everything of an unreadable row or of an arrival held for
        its columns, and the rules over a cell that is no value or over a column that is not there.
        Returns `_arrival` and `_row` as far as the input has them, and one column for each rule.
        """
        return details(self.quarantine, self._rules, self._absent)

    def cooccurrence_counts(self) -> dict[tuple[str, ...], int]:
        """How many quarantined rows break exactly this set of rules, most frequent first."""
        sets = Counter(
            {
                tuple(rules): rows
                for rules, rows in self.quarantine.group_by("_rules").len().iter_rows()
            }
        )
        return most_frequent_first(sets)


@dataclass(frozen=True, slots=True)
class WrittenVerdict(Counted, Generic[Place]):
    """Every row of the input, in one of two places it was written to; only counts are here."""

    valid: Place
    """`_row` and `_line`, where the input has them, and the contract's columns, typed."""
    quarantine: Place
    """The columns of the input and `_rules`."""
    valid_rows: int
    quarantine_rows: int
    held: tuple[str, ...]
    """The rules because of which the input as a whole is in quarantine."""
    hold_reasons: tuple[str, ...]
    warned: Mapping[str, int]
    references: Mapping[str, str]
    _sets: Mapping[tuple[str, ...], int]

    def cooccurrence_counts(self) -> dict[tuple[str, ...], int]:
        """How many quarantined rows break exactly this set of rules, most frequent first."""
        return dict(self._sets)


class FilesVerdict(WrittenVerdict[Path]):
    """Two Parquet files, their rows in the order in which they came."""

    __slots__ = ()


def most_frequent_first(sets: Mapping[tuple[str, ...], int]) -> dict[tuple[str, ...], int]:
    """Sets of rules in the order in which somebody would mend them."""
    return dict(sorted(sets.items(), key=lambda item: (-item[1], item[0])))
