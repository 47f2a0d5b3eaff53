"""What no part of an input can say about itself: found in passes before it is split.

Uniqueness reads the compared columns only and keeps eight bytes a row while it sorts; rows whose
hash is not theirs alone are read a second time and compared by their values. A window over some
columns holds those columns in memory, and Python that cannot be looked into holds all of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from opsintel_dagster.verification.batch_verification import Prepared
from opsintel_dagster.verification.compiled import CheckRule, Compared, UniqueRule
from opsintel_dagster.verification.judging import Judge, Judgement, Rows
from opsintel_dagster.verification.membership import Membership
from opsintel_dagster.verification.rules import Tier
from opsintel_dagster.verification.uniqueness import HashRows, exactly_repeated, shared

Parts = Callable[[Sequence[str] | None], Iterator[Prepared]]
"""The input in typed parts, with the columns named; None for all of them."""


@dataclass(slots=True)
class WholeInput:
    """The verdicts of rules over the whole input; rows are named by their position among all."""

    repeated: dict[Compared, pl.Series] = field(default_factory=dict)
    broken: dict[str, pl.Series] = field(default_factory=dict)
    judgement: Judgement = field(default_factory=Judgement)

    @staticmethod
    def within(positions: pl.Series, start: int, prepared: Prepared) -> pl.Series:
        """Mask over the judged rows of a part that starts at `start`."""
        height = prepared.raw.height
        low = int(positions.search_sorted(start))
        high = int(positions.search_sorted(start + height))
        mask = pl.zeros(height, dtype=pl.Boolean, eager=True)
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
        suspicious = _suspicious(parts, compared, hashed)
        found.repeated = _repeated(parts, compared, suspicious, hashed)
    together = [one for one in checks if one.rule.tier is not Tier.OPAQUE and one.rule.columns]
    apart = [one for one in checks if one not in together]
    for rules in (together, apart):
        if rules:
            names = [name for one in rules for name in one.rule.columns]
            _judge(parts, rules, list(dict.fromkeys(names)) if rules is together else None, found)
    return found


def _suspicious(
    parts: Parts, compared: Mapping[Compared, tuple[str, ...]], hashed: HashRows
) -> dict[Compared, pl.Series]:
    """The hashes that several rows have, for each set of columns."""
    hashes: dict[Compared, list[pl.Series]] = {key: [] for key in compared}
    names = list(dict.fromkeys(name for columns in compared.values() for name in columns))
    for prepared in parts(names):
        for key, columns in compared.items():
            values, _ = _taking_part(prepared, columns)
            hashes[key].append(hashed(values))
    return {key: shared(pl.concat(hashes.pop(key), rechunk=False)) for key in list(hashes)}


def _taking_part(
    prepared: Prepared, columns: Sequence[str]
) -> tuple[pl.DataFrame, pl.Series | None]:
    mask = Judge(prepared.rows, {}).taking_part(columns)
    values = prepared.rows.frame.select(
        # Categories are numbered by each part on its own.
        pl.col(name).cast(pl.String) if dtype == pl.Categorical else pl.col(name)
        for name, dtype in prepared.rows.frame.select(columns).schema.items()
    )
    return (values, None) if mask is None else (values.filter(mask), mask)


def _repeated(
    parts: Parts,
    compared: Mapping[Compared, tuple[str, ...]],
    suspicious: Mapping[Compared, pl.Series],
    hashed: HashRows,
) -> dict[Compared, pl.Series]:
    """The positions of equal rows: those whose hash is not theirs alone are read again."""
    nothing = pl.Series("at", [], dtype=pl.Int64)
    open_sets = {key: compared[key] for key, hashes in suspicious.items() if len(hashes)}
    candidates: dict[Compared, list[pl.DataFrame]] = {key: [] for key in open_sets}
    names = list(dict.fromkeys(name for columns in open_sets.values() for name in columns))
    start = 0
    for prepared in parts(names) if open_sets else ():
        at = pl.int_range(start, start + prepared.raw.height, dtype=pl.Int64, eager=True)
        start += prepared.raw.height
        if prepared.unjudged is not None:
            at = at.filter(prepared.unjudged.is_null())
        for key, columns in open_sets.items():
            values, mask = _taking_part(prepared, columns)
            own, numbers = at, prepared.rows.numbers
            if mask is not None:
                own, numbers = at.filter(mask), numbers.filter(mask)
            is_candidate = hashed(values).is_in(suspicious[key].implode())
            rows = values.with_columns(own.alias("_at"), numbers.alias("_number"))
            candidates[key].append(rows.filter(is_candidate))
    positions = dict.fromkeys(compared, nothing)
    for key, found in candidates.items():
        rows = pl.concat(found)
        number = rows.get_column("_number")
        mask = exactly_repeated(rows.drop("_at", "_number"), number, key[1])
        positions[key] = rows.get_column("_at").filter(mask)
    return positions


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
        failed[name] = pl.concat(
            part.failed.get(name, pl.zeros(part.frame.height, dtype=pl.Boolean, eager=True))
            for part in parts
        )
    frame = pl.concat([part.frame for part in parts])
    return Rows(
        frame=frame,
        members=Membership(parts[0].members.names, None, frame.height),
        numbers=pl.concat([part.numbers for part in parts]),
        failed=failed,
        every_arrival=parts[0].every_arrival,
        absent=parts[0].absent,
    )
