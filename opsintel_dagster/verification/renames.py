"""Which column is which under another name: proposals, each with how sure it is.

Names and values are compared each in its own way and put together, as matchers of schemas do
(Rahm and Bernstein, "A survey of approaches to automatic schema matching", VLDB Journal 2001).
Nothing is renamed by itself: a proposal is for a person to accept.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

LEAST_CONFIDENCE: Final = 0.6
_TELLING_VALUES: Final = 10
_SHAPE_WEIGHT: Final = 0.6
"""Values of the same shape are weaker evidence than the same values."""


@dataclass(frozen=True, slots=True)
class Rename:
    """`column` of the contract or the last arrival seems to be called `now`; 0 < confidence ≤ 1."""

    column: str
    now: str
    confidence: float


def propose_renames(
    gone: Sequence[str],
    new: Sequence[str],
    values_before: Mapping[str, Collection[str]],
    values_now: Mapping[str, Collection[str]],
) -> tuple[Rename, ...]:
    """Pair columns that are gone with new ones, each at most once, surest first.

    The surest pair is taken first, then the surest of what is left: no two columns would both
    rather have each other than what they got.

    Args:
        gone: Columns that are not there any more.
        new: Columns nobody knew.
        values_before: Some values of the columns that are gone, as texts, where they are known.
        values_now: Some values of the new columns, as texts.
    """
    found = [
        Rename(old, now, round(_confidence(old, now, values_before, values_now), 2))
        for old in gone
        for now in new
    ]
    found.sort(key=lambda one: (-one.confidence, one.column, one.now))
    taken: set[str] = set()
    given: set[str] = set()
    proposals = []
    for one in found:
        if one.confidence >= LEAST_CONFIDENCE and one.column not in taken and one.now not in given:
            proposals.append(one)
            taken.add(one.column)
            given.add(one.now)
    return tuple(proposals)


def _confidence(
    old: str,
    now: str,
    values_before: Mapping[str, Collection[str]],
    values_now: Mapping[str, Collection[str]],
) -> float:
    """Alike names count for themselves, and so do shared values; each is surer with the other."""
    names = name_likeness(old, now)
    before, after = values_before.get(old, ()), values_now.get(now, ())
    shared = _shared(before, after)
    values = max(shared, _SHAPE_WEIGHT * _alike_shapes(before, after))
    by_name = names * (0.7 + 0.3 * values)
    by_values = shared * (0.7 + 0.3 * names) if _is_telling(before, after) else 0.0
    return max(by_name, by_values)


def name_likeness(old: str, now: str) -> float:
    """From 0 to 1: how much two names look like one; case, spaces and underscores do not count."""
    ours, theirs = _words(old), _words(now)
    if not ours or not theirs:
        return float(old == now)
    whole, other = "".join(ours), "".join(theirs)
    if whole == other:
        return 1.0
    common = len(set(ours) & set(theirs)) / len(set(ours) | set(theirs))
    return max(SequenceMatcher(None, whole, other).ratio(), common)


def _words(name: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W_]+", apart.lower())


def _shared(before: Collection[str], now: Collection[str]) -> float:
    """The share of the smaller set of values that the other has too."""
    ours, theirs = set(before), set(now)
    if not ours or not theirs:
        return 0.0
    return len(ours & theirs) / min(len(ours), len(theirs))


def _is_telling(before: Collection[str], now: Collection[str]) -> bool:
    return min(len(set(before)), len(set(now))) >= _TELLING_VALUES


def _alike_shapes(before: Collection[str], now: Collection[str]) -> float:
    """How much of the two sets of values has the same shape, such as `9/9/9 9:9:9 a`."""
    ours, theirs = Counter(map(_shape, before)), Counter(map(_shape, now))
    if not ours or not theirs:
        return 0.0
    ours_all, theirs_all = ours.total(), theirs.total()
    return sum(min(n / ours_all, theirs[shape] / theirs_all) for shape, n in ours.items())


def _shape(value: str) -> str:
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", value[:60]))
