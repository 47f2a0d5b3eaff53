"""Verifying a table where it lies: the contract as one expression over it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import polars as pl

from opsintel_dagster.errors import ContractNotTranslated
from opsintel_dagster.verification.arrivals import Presence, look_at_columns
from opsintel_dagster.verification.compiled import Compared
from opsintel_dagster.verification.engines.cells import source_dtype, type_cells
from opsintel_dagster.verification.engines.engine import STORED, Engine, Value, engine_of
from opsintel_dagster.verification.engines.lookups import known_rows
from opsintel_dagster.verification.engines.refusals import NotTranslatedError
from opsintel_dagster.verification.engines.rules import BrokenRules, Rules, TypedTable, lookup_of
from opsintel_dagster.verification.engines.uniqueness import join_repeats, taking_part
from opsintel_dagster.verification.engines.values import Cell
from opsintel_dagster.verification.engines.verdicts import RULES, EngineVerdict
from opsintel_dagster.verification.inputs import INPUT
from opsintel_dagster.verification.membership import Membership
from opsintel_dagster.verification.patterns import BoundRules
from opsintel_dagster.verification.problems import ContractProblem
from opsintel_dagster.verification.rules import ARRIVAL_COLUMNS, READABLE, Rule
from opsintel_dagster.verification.schema_reading import ContractColumn, SchemaFacts


@dataclass(frozen=True, slots=True)
class TableVerification:
    """One contract, bound to the columns of one table."""

    rules: tuple[Rule, ...]
    facts: SchemaFacts
    bound: BoundRules
    null_values: Collection[str]
    references: Mapping[str, Any]
    versions: Mapping[str, str]

    def run(self, table: ibis.Table) -> EngineVerdict:
        """The verdict over `table`, as expressions.

        Raises:
            ContractNotTranslated: Something has no expression that says exactly the same; names
                all of it.
            ReferenceDown: A reference is missing, empty or lacks the columns.
            ValueError: The table holds several arrivals or a replay.
        """
        several = [name for name in ("_arrival", "_standing") if name in table.columns]
        if several:
            message = f"the table has a column {several[0]}: give the rows of one arrival"
            raise ValueError(message)
        try:
            engine = engine_of(table)
        except NotTranslatedError as refusal:
            problem = ContractProblem("the table", refusal.reason, refusal.fix)
            name = table.get_backend().name
            raise ContractNotTranslated(self.facts.name, [problem], name) from refusal
        return _Flagging(self, table, engine).verdict()


class _Flagging:
    """Builds the expression stage by stage, each a projection over the one before."""

    def __init__(self, of: TableVerification, table: ibis.Table, engine: Engine) -> None:
        self.of = of
        self.engine = engine
        self.table = table
        self.columns = of.bound.facts.columns
        self.presence = _presence(table, of.facts, of.bound)
        self.why_held = self.presence.held.get(INPUT)
        self.problems: list[ContractProblem] = []
        self.places: dict[str, tuple[str, str | None]] = {}
        """Column of the contract to those of its values and of the cells that are none."""
        self.prefix = "_opsintel"
        while any(name.startswith(self.prefix) for name in table.columns):
            self.prefix += "_"

    def verdict(self) -> EngineVerdict:
        """The verdict, or all reasons why there is none."""
        typed = self._typed()
        broken = BrokenRules()
        if not self.why_held:
            typed, repeated = self._compared(typed)
            typed, found = self._looked_up(typed)
            broken = self._broken(typed, repeated, found)
        self.problems += broken.problems
        if self.problems:
            raise ContractNotTranslated(self.of.facts.name, self.problems, self.engine.name)
        at = {rule.id: self._named("b", i) for i, rule in enumerate(self.of.rules)}
        judged = typed.mutate(
            **{at[rule]: mask for rule, mask in {**broken.errors, **broken.warnings}.items()}
        )
        raw = [name for name in self.table.columns if name != RULES]
        output = {name: name for name in ("_row", "_line") if name in raw}
        output |= {name: self._output(name, column) for name, column in self.columns.items()}
        warns = {rule: at[rule] for rule in broken.warnings}
        flagged = judged.select(
            *raw,
            *(name for name in output.values() if name not in raw),
            *warns.values(),
            **{RULES: self._reasons(judged, at, broken)},
        )
        held = {ARRIVAL_COLUMNS: self.why_held} if self.why_held else {}
        held |= {
            rule.id: broken.holds[rule.id] for rule in self.of.rules if rule.id in broken.holds
        }
        return EngineVerdict(
            flagged=flagged,
            raw=tuple(raw),
            typed=output,
            warns=warns,
            held=tuple(held),
            hold_reasons=tuple(f"{rule}: {why}" for rule, why in held.items()),
            references=self.of.versions,
        )

    def _named(self, kind: str, number: int) -> str:
        return f"{self.prefix}_{kind}{number}"

    def _refuse(self, where: str, refusal: NotTranslatedError) -> None:
        self.problems.append(ContractProblem(where, refusal.reason, refusal.fix))

    def _typed(self) -> ibis.Table:
        """The table with its typed cells beside it; nothing of a held one is looked at."""
        new: dict[str, Value] = {}
        for i, (name, column) in enumerate(self.columns.items()):
            is_there = name in self.table.columns and not self.why_held
            raw = self.table[name] if is_there else None
            try:
                cell = type_cells(raw, column, self.of.null_values, self.engine)
            except NotTranslatedError as refusal:
                self._refuse(f"column {name!r}", refusal)
                cell = Cell(ibis.null(STORED.get(type(column.dtype), dt.string)), None)
            new[self._named("v", i)] = cell.value
            if cell.failed is not None:
                new[self._named("f", i)] = cell.failed
            failed = None if cell.failed is None else self._named("f", i)
            self.places[name] = self._named("v", i), failed
        return self.table.mutate(**new)

    def _cells(self, typed: ibis.Table) -> dict[str, Cell]:
        return {
            name: Cell(typed[value], None if failed is None else typed[failed])
            for name, (value, failed) in self.places.items()
        }

    def _judged(self, typed: ibis.Table) -> Value | None:
        return typed["_problem"].isnull() if "_problem" in typed.columns else None

    def _compared(self, typed: ibis.Table) -> tuple[ibis.Table, dict[Compared, str]]:
        """The same with a column for each set of columns that must be unique, where joins do."""
        repeated: dict[Compared, str] = {}
        for i, one in enumerate(self.of.bound.compiled.unique):
            if not self.engine.hashes_null_joins or one.report != "all":
                continue
            if one.compared not in repeated:
                at = repeated[one.compared] = self._named("u", i)
                part = taking_part(self._cells(typed), self._judged(typed), one.columns)
                values = [self.places[name][0] for name in one.columns]
                typed = join_repeats(typed, values, part, at)
        return typed, repeated

    def _looked_up(self, typed: ibis.Table) -> tuple[ibis.Table, dict[str, str]]:
        """The same with a column for each reference: found, not found, or null for not asked."""
        found: dict[str, str] = {}
        absent = self.presence.absent.get(INPUT, frozenset())
        for i, one in enumerate(self.of.bound.compiled.checks):
            use = one.rule.reference
            if use is None or absent.intersection(one.rule.columns):
                continue
            dtypes = {name: self.columns[name].dtype for name in one.rule.columns}
            try:
                known = known_rows(use, dtypes, self.of.references, self.engine)
            except NotTranslatedError as refusal:
                self._refuse(f"rule {one.rule.id!r}", refusal)
                continue
            keys = {self._named(f"k{i}_", j): known[f"k{j}"] for j in range(len(dtypes))}
            at = self._named("r", i)
            known = known.select(**keys, **{at: ibis.literal(True)})
            asked = [typed[self.places[name][0]] for name in dtypes]
            pairs = [mine == known[key] for mine, key in zip(asked, keys, strict=True)]
            joined = typed.left_join(known, pairs).select(*typed.columns, at)
            values = [joined[self.places[name][0]] for name in dtypes]
            is_asked = reduce(and_, (value.notnull() for value in values))
            verdict = ibis.ifelse(is_asked, joined[at].fill_null(False), ibis.null(dt.boolean))
            typed = joined.mutate(**{at: verdict})
            found[lookup_of(one)] = at
        return typed, found

    def _broken(
        self, typed: ibis.Table, repeated: Mapping[Compared, str], found: Mapping[str, str]
    ) -> BrokenRules:
        compiled = self.of.bound.compiled
        rules = Rules(
            TypedTable(
                columns=self.columns,
                cells=self._cells(typed),
                absent=self.presence.absent.get(INPUT, frozenset()),
                judged=self._judged(typed),
                row=typed["_row"] if "_row" in typed.columns else None,
                repeated={compared: typed[at] for compared, at in repeated.items()},
                found={rule: typed[at] for rule, at in found.items()},
            ),
            self.engine,
        )
        rules.coerce(compiled.coerce)
        rules.not_null(compiled.not_null)
        if compiled.key_not_null is not None:
            rules.key_not_null(compiled.key_not_null)
        rules.unique(compiled.unique)
        rules.checks(compiled.checks)
        return rules.broken

    def _reasons(self, judged: ibis.Table, at: Mapping[str, str], broken: BrokenRules) -> Value:
        """The rules each row breaks, in the contract's order; null for none."""
        nothing = ibis.null(dt.Array(dt.string))
        if self.why_held:
            reasons = ibis.array([ARRIVAL_COLUMNS])
        elif broken.errors or broken.holds:
            flags = {
                rule.id: ibis.literal(True) if rule.id in broken.holds else judged[at[rule.id]]
                for rule in self.of.rules
                if rule.id in broken.errors or rule.id in broken.holds
            }
            reasons = ibis.ifelse(reduce(or_, flags.values()), self.engine.chosen(flags), nothing)
        else:
            reasons = nothing
        if "_problem" not in self.table.columns:
            return reasons
        return ibis.ifelse(judged["_problem"].isnull(), reasons, ibis.array([READABLE]))

    def _output(self, name: str, column: ContractColumn) -> str:
        """Where the valid side takes a column from: the table's own where nothing was changed."""
        is_own = (
            name in self.table.columns
            and source_dtype(self.table[name].type()) == column.dtype
            and column.default is None
            and not (self.of.null_values and isinstance(column.dtype, pl.String))
        )
        return name if is_own else self.places[name][0]


def _presence(table: ibis.Table, facts: SchemaFacts, bound: BoundRules) -> Presence:
    """Which columns are missing, forbidden or out of order: asked of a table without rows."""
    dtypes = {name: source_dtype(stored) for name, stored in table.schema().items()}
    empty = pl.DataFrame(schema={name: dtype or pl.String() for name, dtype in dtypes.items()})
    members = Membership((INPUT,), None, 0)
    return look_at_columns(empty, members, facts, bound.facts.columns, None)
