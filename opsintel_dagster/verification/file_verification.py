"""Verifying files that are larger than memory: part by part, two Parquet files out.

The verdicts are those of the whole in memory. What a part can say of itself is judged while it
passes; what takes all rows is looked up in what `whole_input` found before.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from opsintel_dagster.verification.arrivals import Presence, look_at_columns, of_another_kind
from opsintel_dagster.verification.batch_verification import Prepared, prepare
from opsintel_dagster.verification.compiled import CheckRule
from opsintel_dagster.verification.inputs import INPUT
from opsintel_dagster.verification.judging import Judge, Judgement, as_judged_now
from opsintel_dagster.verification.membership import Membership
from opsintel_dagster.verification.parquet_parts import ParquetParts
from opsintel_dagster.verification.patterns import BoundRules
from opsintel_dagster.verification.references import Lookups
from opsintel_dagster.verification.rules import Rule
from opsintel_dagster.verification.schema_reading import SchemaFacts
from opsintel_dagster.verification.splitting import holds, split
from opsintel_dagster.verification.uniqueness import HashRows
from opsintel_dagster.verification.verdict import FilesVerdict, Verdict, most_frequent_first
from opsintel_dagster.verification.whole_input import WholeInput, look_through

ROWS_PER_PART: Final = 250_000


class _BeginAgainError(Exception):
    """What is written so far is wrong, by what is known now: more rules hold the whole input."""


@dataclass(frozen=True, slots=True)
class _Checks:
    """The checks by how they are judged this time."""

    by_row: Sequence[tuple[CheckRule, pl.Expr]]
    by_value: Sequence[CheckRule]
    over_all: Sequence[CheckRule]


@dataclass(frozen=True, slots=True)
class FileVerification:
    """One contract, bound to the columns of one input."""

    rules: tuple[Rule, ...]
    facts: SchemaFacts
    bound: BoundRules
    null_values: Collection[str]
    references: Mapping[str, pl.DataFrame]
    versions: Mapping[str, str]
    rows_per_part: int
    hashed: HashRows

    def run(self, source: pl.LazyFrame, valid: Path, quarantine: Path) -> FilesVerdict:
        """Split `source` into the two files."""
        presence = self._presence(source)
        by_row, others = as_judged_now(self.bound.compiled.checks, self.rows_per_part)
        checks = _Checks(
            by_row,
            [one for one in others if one.check.element_wise],
            [one for one in others if not one.check.element_wise],
        )
        whole = WholeInput()
        if not presence.held:
            parts = partial(self._parts, source, presence)
            unique = self.bound.compiled.unique
            whole = look_through(parts, unique, checks.over_all, self.hashed)
        while True:
            try:
                return self._split(source, presence, checks, whole, valid, quarantine)
            except _BeginAgainError as now:
                # Each rule can hold once, and rows be mistaken for equal once; then it is known.
                whole.judgement.holds += now.args[0]

    def _presence(self, source: pl.LazyFrame) -> Presence:
        columns = self.bound.facts.columns
        odd = of_another_kind(source.collect_schema(), columns)
        telling = source.filter(pl.any_horizontal(pl.col(odd).is_not_null())) if odd else source
        frame = telling.head(1 if odd else 0).collect()
        members = Membership((INPUT,), None, frame.height)
        return look_at_columns(frame, members, self.facts, columns, None)

    def _parts(
        self, source: pl.LazyFrame, presence: Presence, names: Sequence[str] | None
    ) -> Iterator[Prepared]:
        """The input, numbered and typed; `names` are the columns wanted, None means all."""
        bound = self.bound
        if names is not None:
            wanted = {name: one for name, one in bound.facts.columns.items() if name in names}
            bound = replace(bound, facts=replace(bound.facts, columns=wanted))
            there = source.collect_schema().names()
            read = [name for name in there if name in wanted or name in {"_row", "_problem"}]
            source = source.select(read or there[:1])
        for part in self._numbered(source):
            members = Membership((INPUT,), None, part.height)
            yield prepare(part, members, presence, bound, self.null_values)

    def _numbered(self, source: pl.LazyFrame) -> Iterator[pl.DataFrame]:
        start = 0
        is_empty = True
        for part in source.collect_batches(chunk_size=self.rows_per_part, maintain_order=True):
            is_empty = False
            yield _with_numbers(part, start)
            start += part.height
        if is_empty:
            yield _with_numbers(source.head(0).collect(), 0)

    def _split(
        self,
        source: pl.LazyFrame,
        presence: Presence,
        checks: _Checks,
        whole: WholeInput,
        valid: Path,
        quarantine: Path,
    ) -> FilesVerdict:
        sets: Counter[tuple[str, ...]] = Counter()
        warned = Counter(rule for rule, _ in whole.judgement.table_warnings)
        lookups: Lookups = {}
        empty = _with_numbers(source.head(0).collect(), 0)
        nobody = Membership((INPUT,), None, 0)
        blank = prepare(empty, nobody, presence, self.bound, self.null_values)
        shapes = self._verdict(blank, Judgement())
        start = 0
        whole.begin()
        with (
            ParquetParts(valid, shapes.valid.schema) as good,
            ParquetParts(quarantine, shapes.quarantine.schema) as bad,
        ):
            for prepared in self._parts(source, presence, None):
                judgement = self._judge(prepared, checks, whole, start, lookups)
                verdict = self._verdict(prepared, judgement)
                good.add(verdict.valid)
                bad.add(verdict.quarantine)
                sets.update(verdict.cooccurrence_counts())
                warned.update(verdict.warned)
                start += prepared.raw.height
            if not whole.is_confirmed():
                raise _BeginAgainError([])
        held, why = holds(whole.judgement, presence.held, [rule.id for rule in self.rules])
        return FilesVerdict(
            valid=valid,
            quarantine=quarantine,
            valid_rows=good.rows,
            quarantine_rows=bad.rows,
            held=held.get(INPUT, ()),
            hold_reasons=why.get(INPUT, ()),
            warned=dict(warned),
            references=self.versions,
            _sets=most_frequent_first(sets),
        )

    def _judge(
        self, prepared: Prepared, checks: _Checks, whole: WholeInput, start: int, lookups: Lookups
    ) -> Judgement:
        judge = Judge(prepared.rows, self.references, lookups)
        if prepared.presence.held:
            return judge.judgement
        compiled = self.bound.compiled
        judge.coerce(compiled.coerce)
        judge.not_null(compiled.not_null)
        if compiled.key_not_null is not None:
            judge.key_not_null(compiled.key_not_null)
        judge.unique(compiled.unique, whole.see(start, prepared))
        known = {rule for _, rule, _ in whole.judgement.holds}
        raised = judge.by_row([pair for pair in checks.by_row if pair[0].rule.id not in known])
        each = [one for one in checks.by_value if one.rule.id not in known]
        judge.by_arrival([*raised, *each])
        if judge.judgement.holds:
            raise _BeginAgainError(judge.judgement.holds)
        by_id = {rule.id: rule for rule in self.rules}
        for rule, positions in whole.broken.items():
            judge.judgement.add(by_id[rule], whole.within(positions, start, prepared))
        for arrival, rule, why in whole.judgement.holds:
            judge.judgement.hold(by_id[rule], arrival, why, prepared.rows.members)
        return judge.judgement

    def _verdict(self, prepared: Prepared, judgement: Judgement) -> Verdict:
        return split(prepared, judgement, rules=self.rules, references=self.versions)


def _with_numbers(part: pl.DataFrame, start: int) -> pl.DataFrame:
    if "_row" in part.columns:
        return part
    first = start + 1
    rows = pl.int_range(first, first + part.height, dtype=pl.Int64, eager=True).alias("_row")
    return part.clone().insert_column(0, rows)
