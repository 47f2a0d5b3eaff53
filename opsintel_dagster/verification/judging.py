"""Judging typed rows: every rule once, one mask a rule.

Rules that one row decides are one Polars pass over the batch. The others are judged for each
arrival on its own, in the order of its records, so that verdicts depend neither on how batches
were cut nor on how rows were shuffled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import polars as pl

from opsintel_dagster.verification.compiled import CellRule, CheckRule, Compared, UniqueRule
from opsintel_dagster.verification.masks import nobody
from opsintel_dagster.verification.membership import Membership
from opsintel_dagster.verification.references import Lookups, known_values, look_up
from opsintel_dagster.verification.row_rules import masks
from opsintel_dagster.verification.rules import Rule, Severity, Tier
from opsintel_dagster.verification.running import TableVerdict, run_check
from opsintel_dagster.verification.uniqueness import repeated

_NOTHING: Final[Mapping[Compared, pl.Series]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rows:
    """Typed rows with what is known about them."""

    frame: pl.DataFrame
    members: Membership
    numbers: pl.Series
    failed: Mapping[str, pl.Series]
    """Column to the rows whose cell is no value of its dtype."""
    every_arrival: Sequence[str]
    """The arrivals to judge, those without rows too."""
    absent: Mapping[str, frozenset[str]]
    """Arrival to the optional columns it lacks."""


@dataclass(slots=True)
class Judgement:
    """The masks of the rules somebody breaks, and the arrivals that are held."""

    broken: dict[str, pl.Series] = field(default_factory=dict)
    warned: dict[str, pl.Series] = field(default_factory=dict)
    table_warnings: set[tuple[str, str]] = field(default_factory=set)
    """(rule, arrival)"""
    holds: list[tuple[str, str, str]] = field(default_factory=list)
    """(arrival, rule, why)"""

    def add(self, rule: Rule, mask: pl.Series) -> None:
        """Note who breaks `rule`, if anybody does."""
        if mask.any():
            known = self.broken if rule.severity is Severity.ERROR else self.warned
            known[rule.id] = mask if rule.id not in known else known[rule.id] | mask

    def accept(self, accepted: pl.Series) -> None:
        """Condemn no row by a rule that stands in its list of accepted ones."""
        for rule, mask in list(self.broken.items()):
            left = mask & ~accepted.list.contains(rule).fill_null(value=False)
            if left.any():
                self.broken[rule] = left
            else:
                del self.broken[rule]

    def hold(self, rule: Rule, arrival: str, why: str, members: Membership) -> None:
        """Hold `arrival`: every row of it breaks the rule."""
        self.holds.append((arrival, rule.id, why))
        mask = members.rows_of([arrival])
        if mask.any():
            self.broken[rule.id] = (
                mask if rule.id not in self.broken else self.broken[rule.id] | mask
            )


class Judge:
    """One pass over the rows of one batch."""

    def __init__(
        self,
        rows: Rows,
        references: Mapping[str, pl.DataFrame],
        lookups: Lookups | None = None,
    ) -> None:
        self.rows = rows
        self.references = references
        self.lookups = {} if lookups is None else lookups
        """The values of references, kept for the next part of the same input."""
        self.judgement = Judgement()

    def coerce(self, rules: Iterable[CellRule]) -> None:
        """Cells that are no value of their dtype."""
        for one in rules:
            if one.column in self.rows.failed:
                self.judgement.add(one.rule, self.rows.failed[one.column])

    def not_null(self, rules: Iterable[CellRule]) -> None:
        """Empty cells where there may be none; NaN counts as empty, as in Pandera."""
        frame = self.rows.frame
        asked = [
            one
            for one in rules
            if frame.get_column(one.column).null_count() or frame.schema[one.column].is_float()
        ]
        masks = frame.select(
            _is_empty(one.column, frame.schema[one.column]).alias(str(i))
            for i, one in enumerate(asked)
        )
        for one, mask in zip(asked, masks, strict=True):
            self._add(one.rule, mask, (one.column,))

    def key_not_null(self, rule: Rule) -> None:
        """Rows without a whole key, whether their arrival has the columns or not."""
        mask = self._any_empty(rule.columns)
        self.judgement.add(rule, self._less(mask, self._failed(rule.columns)))

    def unique(
        self, rules: Sequence[UniqueRule], given: Mapping[Compared, pl.Series] = _NOTHING
    ) -> None:
        """Rows that share with another of their arrival what must be theirs alone.

        Args:
            rules: The rules.
            given: What a pass over the whole input has found already, where this is a part of it.
        """
        known = dict(given)
        for one in rules:
            if one.compared not in known:
                known[one.compared] = repeated(
                    self.rows.frame[list(one.columns)],
                    self.rows.members.codes,
                    self.rows.numbers,
                    self.taking_part(one.columns),
                    one.report,
                )
            mask = known[one.compared]
            if one.ignores_null and mask.any():
                mask &= ~self._any_empty(one.columns)
            self.judgement.add(one.rule, mask)

    def checks(self, rules: Sequence[CheckRule]) -> None:
        """Every check of the schema, each in its tier."""
        by_row, by_arrival = as_judged_now(rules, self.rows.frame.height)
        by_arrival += self.by_row(by_row)
        if by_arrival:
            self.by_arrival(by_arrival)

    def by_row(self, rules: Sequence[tuple[CheckRule, pl.Expr]]) -> list[CheckRule]:
        """Judge in one pass; returns the checks that raised, which then concern arrivals."""
        raised = []
        for one, _ in rules:
            if one.rule.reference is not None:
                self._look_up(one)
        rules = [(one, mask) for one, mask in rules if one.rule.reference is None]
        found = masks(self.rows.frame, [mask for _, mask in rules])
        for (one, _), mask in zip(rules, found, strict=True):
            if mask is None:
                raised.append(one)
                continue
            self._hold_without_columns(one)
            self._add(one.rule, mask, one.rule.columns)
        return raised

    def _look_up(self, one: CheckRule) -> None:
        use = one.rule.reference
        if use is None:
            return
        asked = self.rows.frame.select(one.rule.columns)
        if (use, one.rule.columns) not in self.lookups:
            known = known_values(asked.schema, use, self.references)
            self.lookups[use, one.rule.columns] = known
        found = look_up(asked, self.lookups[use, one.rule.columns])
        self._hold_without_columns(one)
        self._add(one.rule, ~found.fill_null(value=True), one.rule.columns)

    def _hold_without_columns(self, one: CheckRule) -> None:
        """A check that looks at an optional column has no verdict where the column is missing."""
        for arrival, absent in self.rows.absent.items():
            lacking = [name for name in one.rule.columns if name in absent]
            if lacking and one.column not in absent:
                why = f"it looks at {', '.join(lacking)}, which the arrival does not have"
                self.judgement.hold(one.rule, arrival, why, self.rows.members)

    def by_arrival(self, rules: Sequence[CheckRule]) -> None:
        """Let Pandera run the checks on each arrival."""
        members = self.rows.members
        for arrival, positions in members.groups(self.rows.every_arrival, self.rows.numbers):
            absent = self.rows.absent.get(arrival, frozenset())
            whole = self.rows.frame if positions is None else self.rows.frame[positions]
            frame = whole.drop(absent, strict=False)
            for one in rules:
                if one.column in absent:
                    continue
                is_table = one.rule.tier is Tier.TABLE
                verdict = run_check(one.check, one.key, one.seen_of(frame), has_rows=not is_table)
                if isinstance(verdict, TableVerdict):
                    self._table(one.rule, arrival, verdict)
                    continue
                if positions is not None:
                    broken_at = positions.filter(verdict)
                    verdict = nobody(self.rows.frame.height).scatter(broken_at, True)
                # A verdict given without the absent columns is one: it looked at what is there.
                looked_at = one.rule.columns or self.rows.frame.columns
                self.judgement.add(one.rule, self._less(verdict, self._failed(looked_at)))

    def _table(self, rule: Rule, arrival: str, verdict: TableVerdict) -> None:
        if verdict.is_kept:
            return
        if rule.severity is Severity.WARNING and not verdict.has_raised:
            self.judgement.table_warnings.add((rule.id, arrival))
        else:
            self.judgement.hold(rule, arrival, verdict.why, self.rows.members)

    def _add(self, rule: Rule, mask: pl.Series, columns: Sequence[str]) -> None:
        """Note who breaks `rule`, except where one of `columns` has no value to be judged.

        A cell that is no value of its dtype breaks `coerce` and nothing else; a column an arrival
        does not have is not judged in it, as in Pandera.
        """
        if not mask.any():
            return
        looked_at = columns or self.rows.frame.columns
        mask = self._less(mask, self._failed(looked_at))
        without = [
            arrival
            for arrival, absent in self.rows.absent.items()
            if any(column in absent for column in columns)
        ]
        if without:
            mask &= ~self.rows.members.rows_of(without)
        self.judgement.add(rule, mask)

    def _any_empty(self, columns: Sequence[str]) -> pl.Series:
        schema = self.rows.frame.schema
        empty = [_is_empty(name, schema[name]) for name in columns]
        return self.rows.frame.select(pl.any_horizontal(empty).alias("empty")).to_series()

    def _failed(self, columns: Iterable[str]) -> list[pl.Series]:
        return [self.rows.failed[name] for name in columns if name in self.rows.failed]

    @staticmethod
    def _less(mask: pl.Series, others: Iterable[pl.Series]) -> pl.Series:
        for other in others:
            mask &= ~other
        return mask

    def taking_part(self, columns: Sequence[str]) -> pl.Series | None:
        """Rows whose values are there to be compared; an absent column counts as all null."""
        outside = self._failed(columns)
        lacking = [
            arrival
            for arrival, absent in self.rows.absent.items()
            if all(column in absent for column in columns)
        ]
        if lacking:
            outside.append(self.rows.members.rows_of(lacking))
        if not outside:
            return None
        return self._less(pl.ones(len(outside[0]), dtype=pl.Boolean, eager=True), outside)


def _is_empty(name: str, dtype: pl.DataType) -> pl.Expr:
    cell = pl.col(name)
    return cell.is_nan().fill_null(value=True) if dtype.is_float() else cell.is_null()


def as_judged_now(
    rules: Iterable[CheckRule], rows: int
) -> tuple[list[tuple[CheckRule, pl.Expr]], list[CheckRule]]:
    """The checks one row decides, each with the mask of those of `rows` that break it; and others.

    References are looked up and have no mask of their own.
    """
    by_row: list[tuple[CheckRule, pl.Expr]] = []
    by_arrival: list[CheckRule] = []
    for one in rules:
        is_looked_up = one.rule.reference is not None
        mask = pl.lit(value=False) if is_looked_up else one.current_mask(rows)
        if mask is None:
            by_arrival.append(one)
        else:
            by_row.append((one, mask))
    return by_row, by_arrival
