"""What the columns of an arrival are like: how often they are empty, and which kind of value.

A profile is a few numbers a column, small enough to be kept with each arrival, so that a new
arrival can be compared with those before it without reading them again.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

import polars as pl

SAMPLE_ROWS: Final = 200
"""The kind of a column is told from the first records of an arrival."""

TELLING_VALUES: Final = 20
"""Fewer values than this say nothing about a kind."""

_CLEAR_SHARE: Final = 0.95


class Kind(StrEnum):
    """Which kind of values a column holds, whatever type the file gave it."""

    NUMBER = "number"
    TRUTH = "true or false"
    ISO_DATE = "date like 2013-01-31"
    SLASHED_DATE = "date like 01/31/2013"
    DOTTED_DATE = "date like 31.01.2013"
    TEXT = "text"


_PATTERNS: Final[Mapping[Kind, str]] = {
    Kind.NUMBER: r"^\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*$",
    Kind.TRUTH: r"(?i)^\s*(true|false|yes|no)\s*$",
    Kind.ISO_DATE: r"^\s*\d{4}-\d{1,2}-\d{1,2}([T ]|\s*$)",
    Kind.SLASHED_DATE: r"^\s*\d{1,4}/\d{1,2}/\d{1,4}(\s|$)",
    Kind.DOTTED_DATE: r"^\s*\d{1,2}\.\d{1,2}\.\d{2,4}(\s|$)",
}


@dataclass(frozen=True, slots=True)
class Profile:
    """One arrival.

    `records` are those that could be read; `empty` counts, by column, the records without a value;
    `kinds` says which kind of value a column holds, where enough of its values say the same.
    """

    records: int
    empty: Mapping[str, int]
    kinds: Mapping[str, Kind]

    @property
    def columns(self) -> tuple[str, ...]:
        """The arrival's own columns, in their order."""
        return tuple(self.empty)

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        return {"records": self.records, "empty": dict(self.empty), "kinds": dict(self.kinds)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        kinds = {name: Kind(kind) for name, kind in data["kinds"].items()}
        return cls(data["records"], data["empty"], kinds)


class Profiler:
    """Builds the profile of one arrival from its frames, one after the other.

    Args:
        control: Columns that are not the source's own.
        null_values: Texts that stand for no value.
    """

    def __init__(self, control: Collection[str], null_values: Collection[str] = ()) -> None:
        self._control = frozenset(control)
        self._null_values = list(null_values)
        self._records = 0
        self._filled: Counter[str] = Counter()
        self.sample = pl.DataFrame()
        """The first readable records, with the source's own columns."""

    def add(self, frame: pl.DataFrame) -> None:
        """Look at a frame of raw records; those with a `_problem` have no cells to look at."""
        problem = frame.get_column("_problem") if "_problem" in frame.columns else None
        if problem is not None and problem.null_count() < frame.height:
            frame = frame.filter(problem.is_null())
        own = frame.select(name for name in frame.columns if name not in self._control)
        for filled in own.select(pl.all().count()).to_dicts():  # none without columns
            self._filled.update(filled)
        for tokens in own.select(pl.col(pl.String).is_in(self._null_values).sum()).to_dicts():
            self._filled.subtract(tokens)
        self._records += frame.height  # of no columns Polars knows no rows
        missing = SAMPLE_ROWS - self.sample.height
        if missing > 0 and own.height:
            head = own.head(missing)
            self.sample = pl.concat([self.sample, head], how="diagonal_relaxed")

    def profile(self) -> Profile:
        """What was seen so far."""
        return Profile(
            self._records,
            {name: self._records - filled for name, filled in self._filled.items()},
            kinds_of(self.sample, self._null_values),
        )


def kinds_of(sample: pl.DataFrame, null_values: Collection[str] = ()) -> dict[str, Kind]:
    """The kind of each column that has enough values to tell, and of which they say one thing."""
    kinds: dict[str, Kind] = {}
    texts = []
    for name, dtype in sample.schema.items():
        if dtype == pl.String:
            texts.append(name)
        elif sample.height - sample[name].null_count() >= TELLING_VALUES:
            typed = _kind_of_type(dtype)
            if typed is not None:
                kinds[name] = typed
    for name, shares in _shares(sample.select(texts), null_values).items():
        told = _told(shares)
        if told is not None:
            kinds[name] = told
    return kinds


def _shares(
    texts: pl.DataFrame, null_values: Collection[str]
) -> dict[str, dict[Kind, float | None]]:
    """Of each column with enough values, the share that looks like each kind.

    All columns are one column for this: each pattern is compiled and run once, not once a column.
    """
    if not texts.width or texts.height < TELLING_VALUES:
        return {}
    text = pl.col("value")
    found = (
        texts.lazy()
        .unpivot()
        .filter(text.is_not_null(), ~text.is_in(list(null_values)))
        .group_by("variable")
        .agg(
            pl.len(),
            *(text.str.contains(pattern).mean().alias(kind) for kind, pattern in _PATTERNS.items()),
        )
        .filter(pl.col("len") >= TELLING_VALUES)
        .collect()
    )
    return {
        row["variable"]: {kind: row[kind] for kind in _PATTERNS}
        for row in found.iter_rows(named=True)
    }


def _told(shares: Mapping[Kind, float | None]) -> Kind | None:
    """A clear majority, or text where nothing else is common; between the two nobody can tell."""
    kind, share = max(shares.items(), key=lambda item: item[1] or 0.0)
    if (share or 0.0) >= _CLEAR_SHARE:
        return kind
    return Kind.TEXT if (share or 0.0) <= 1 - _CLEAR_SHARE else None


def _kind_of_type(dtype: pl.DataType) -> Kind | None:
    if dtype.is_numeric():
        return Kind.NUMBER
    if dtype.is_temporal():
        return Kind.ISO_DATE
    return Kind.TRUTH if dtype == pl.Boolean else None
