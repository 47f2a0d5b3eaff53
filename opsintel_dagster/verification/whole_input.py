"""What no part of an input can say about itself: found in passes before it is split.

Uniqueness reads the compared columns only and keeps eight bytes a row while it sorts. A window over
some columns holds those columns in memory, and Python that cannot be looked into holds all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import polars as pl

from opsintel_dagster.verification.batch_verification import Prepared
from opsintel_dagster.verification.compiled import CheckRule, Compared, UniqueRule
from opsintel_dagster.verification.judging import Judge, Judgement, Rows
from opsintel_dagster.verification.masks import nobody
from opsintel_dagster.verification.membership import Membership
from opsintel_dagster.verification.rules import Tier
from opsintel_dagster.verification.suspects import Hashes, Suspects
from opsintel_dagster.verification.uniqueness import HashRows

Parts = Callable[[Sequence[str] | None], Iterator[Prepared]]
"""The input in typed parts, with the columns named; None for all of them."""


@dataclass(slots=True)
class WholeInput:
    """The verdicts of rules over the whole input; rows are named by their position among all."""

    suspects: dict[Compared, Suspects] = field(default_factory=dict)
    broken: dict[str, pl.Series] = field(default_factory=dict)
    judgement: Judgement = field(default_factory=Judgement)

    def begin(self) -> None:
        """The input will be seen from its start."""
        for one in self.suspects.values():
            one.forget()

    def see(self, start: int, prepared: Prepared) -> dict[Compared, pl.Series]:
        """Look at the part that starts at `start`; returns the masks of its repeated rows."""
        for one in self.suspects.values():
            one.see(prepared, self.within(one.at, start, prepared))
        return {
            key: self.within(one.repeated, start, prepared) for key, one in self.suspects.items()
        }

    def is_confirmed(self) -> bool:
        """Whether the masks given were right; if not, they will be the next time."""
        right = [one.confirm() for one in self.suspects.values()]
        return all(right)

    @staticmethod
    def within(positions: pl.Series, start: int, prepared: Prepared) -> pl.Series:
        """Mask over the judged rows of a part that starts at `start`."""
        height = prepared.raw.height
        low = int(positions.search_sorted(start))
        high = int(positions.search_sorted(start + height))
        mask = nobody(height)
        if low < high:
            mask = mask.scatter(positions.slice(low, high - low) - start, True)
        return mask if prepared.unjudged is None else mask.filter(prepared.unjudged.is_null())


def look_through(
    parts: Parts, unique: Sequence[UniqueRule], checks: Sequence[CheckRule], hashed: HashRows
) -> WholeInput:
    """Judge what takes the whole input.

    Args:
        parts: The input.
        unique: The rules about equal rows.
        checks: Checks over all rows of the input.
        hashed: A number for each row of the columns compared.
    """
    found = WholeInput()
    compared = {one.compared: one.columns for one in unique}
    if compared:
        hashes = Hashes(compared, hashed)
        for prepared in parts(list(dict.fromkeys(chain.from_iterable(compared.values())))):
            hashes.add(prepared)
        found.suspects = hashes.suspects()
    together = [one for one in checks if one.rule.tier is not Tier.OPAQUE and one.rule.columns]
    apart = [one for one in checks if one not in together]
    for rules in (together, apart):
        if rules:
            names = [name for one in rules for name in one.rule.columns]
            _judge(parts, rules, list(dict.fromkeys(names)) if rules is together else None, found)
    return found


def _judge(
    parts: Parts, rules: Sequence[CheckRule], names: Sequence[str] | None, found: WholeInput
) -> None:
    """Materialize what the rules look at, and judge it as one."""
    prepared = list(parts(names))
    judge = Judge(_joined([one.rows for one in prepared]), {})
    judge.by_arrival(rules)
    is_judged = [
        pl.ones(one.raw.height, dtype=pl.Boolean, eager=True)
        if one.unjudged is None
        else one.unjudged.is_null()
        for one in prepared
    ]
    judged_at = pl.concat(is_judged).arg_true().cast(pl.Int64)
    held = {rule for _, rule, _ in judge.judgement.holds}
    for masks in (judge.judgement.broken, judge.judgement.warned):
        for rule, mask in masks.items():
            if rule not in held:
                found.broken[rule] = judged_at.filter(mask)
    found.judgement.holds += judge.judgement.holds
    found.judgement.table_warnings |= judge.judgement.table_warnings


def _joined(parts: Sequence[Rows]) -> Rows:
    failed = {}
    for name in {name for part in parts for name in part.failed}:
        failed[name] = pl.concat(part.failed.get(name, nobody(part.frame.height)) for part in parts)
    frame = pl.concat([part.frame for part in parts])
    return Rows(
        frame=frame,
        members=Membership(parts[0].members.names, None, frame.height),
        numbers=pl.concat([part.numbers for part in parts]),
        failed=failed,
        every_arrival=parts[0].every_arrival,
        absent=parts[0].absent,
    )
