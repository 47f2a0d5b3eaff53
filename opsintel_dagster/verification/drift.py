"""Drift: how the columns of an arrival differ from the contract and from the arrival before it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Self

from opsintel_dagster.verification.profiles import Profile
from opsintel_dagster.verification.renames import propose_renames

_DELIMITERS: Final = {";": "`;`", ",": "`,`", "\t": "a tab", "|": "`|`"}


class DriftKind(StrEnum):
    """What has become of a column."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    RETYPED = "retyped"


@dataclass(frozen=True, slots=True)
class Drift:
    """One change of one column.

    `column` is its name as the contract or the arrival before has it, or the new name of one that
    was added; `now` its new name or kind; `was` its kind before; `confidence` how sure a rename is;
    `delimiter` what stands in an added name between names that are missing.
    """

    kind: DriftKind
    column: str
    now: str | None = None
    was: str | None = None
    confidence: float | None = None
    delimiter: str | None = None

    def __str__(self) -> str:
        if self.kind is DriftKind.RENAMED:
            return f"{self.column} seems to be called {self.now} ({self.confidence:.0%} sure)"
        if self.kind is DriftKind.RETYPED:
            return f"{self.column} was {self.was} and is {self.now}"
        said = f"{self.column} was {self.kind}"
        if self.delimiter is not None:
            sign = _DELIMITERS[self.delimiter]
            said += f" (does {sign} separate the columns? then declare it as `delimiter`)"
        return said

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps it: only what it says."""
        said = {**asdict(self), "kind": self.kind.value}
        return {name: value for name, value in said.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**{**data, "kind": DriftKind(data["kind"])})


def find_drift(
    required: Collection[str],
    declared: Collection[str],
    before: Profile | None,
    now: Profile,
    *,
    values_before: Mapping[str, Sequence[str]],
    values_now: Mapping[str, Sequence[str]],
) -> tuple[Drift, ...]:
    """Every change, in the order renamed, removed, added, retyped.

    A column the contract does not know is news once: from then on it is one of the arrival before.

    Args:
        required: Columns the contract wants in every arrival.
        declared: All columns of the arrival that the contract knows, and the required ones.
        before: The last arrival that was let in; None for the first one.
        now: The arrival.
        values_before: Some values of columns of the arrival before, as texts.
        values_now: Some values of columns of this arrival, as texts.
    """
    gone, new = gone_and_new(required, declared, before, now.columns)
    renames = propose_renames(gone, new, values_before, values_now)
    old_of = {one.now: one.column for one in renames}
    moved = set(old_of.values())
    drifts = [
        Drift(DriftKind.RENAMED, one.column, now=one.now, confidence=one.confidence)
        for one in renames
    ]
    drifts += [Drift(DriftKind.REMOVED, name) for name in gone if name not in moved]
    drifts += [
        Drift(DriftKind.ADDED, name, delimiter=_delimiter(name, gone))
        for name in new
        if name not in old_of
    ]
    if before is not None:
        drifts += _retyped(before, now, old_of)
    return tuple(drifts)


def _delimiter(column: str, gone: Collection[str]) -> str | None:
    """What separates the names of missing columns that were read as the name of this one."""
    found = (sign for sign in _DELIMITERS if not set(column.split(sign)).isdisjoint(gone))
    return next(found, None)


def gone_and_new(
    required: Collection[str],
    declared: Collection[str],
    before: Profile | None,
    columns: Sequence[str],
) -> tuple[list[str], list[str]]:
    """Columns that should be there and are not, and those that nobody has seen before."""
    earlier = before.columns if before is not None else ()
    expected = dict.fromkeys([*required, *earlier])
    gone = [name for name in expected if name not in set(columns)]
    known = {*declared, *earlier}
    return gone, [name for name in columns if name not in known]


def _retyped(before: Profile, now: Profile, old_of: Mapping[str, str]) -> list[Drift]:
    found = []
    for name, kind in now.kinds.items():
        old = old_of.get(name, name)
        was = before.kinds.get(old)
        if was is not None and was is not kind:
            found.append(Drift(DriftKind.RETYPED, old, now=kind.value, was=was.value))
    return found
