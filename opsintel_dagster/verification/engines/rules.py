"""Every rule of a contract as the rows of a table that break it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import and_, or_
from typing import Final

from ibis.common.exceptions import IbisError

from opsintel_dagster.verification.compiled import CellRule, CheckRule, Compared, UniqueRule
from opsintel_dagster.verification.engines.cells import is_empty
from opsintel_dagster.verification.engines.engine import Engine, Value
from opsintel_dagster.verification.engines.expressions import Translator
from opsintel_dagster.verification.engines.refusals import NotTranslatedError
from opsintel_dagster.verification.engines.uniqueness import in_window, taking_part
from opsintel_dagster.verification.engines.values import Cell
from opsintel_dagster.verification.problems import ContractProblem
from opsintel_dagster.verification.rules import Rule, Severity, Tier
from opsintel_dagster.verification.schema_reading import ContractColumn

_VERIFY: Final = "Verify the rows with `verify`, or say it of one row"
_WHY: Final[Mapping[Tier, str]] = {
    Tier.FRAME: "it looks at other rows than the one it judges",
    Tier.OPAQUE: "it is Python, which no engine runs",
    Tier.TABLE: "it has one answer for all rows",
}


@dataclass(frozen=True, slots=True)
class TypedTable:
    """The columns of the contract in one table."""

    columns: Mapping[str, ContractColumn]
    cells: Mapping[str, Cell]
    absent: frozenset[str]
    """Optional columns that the table does not have."""
    judged: Value | None
    """Rows that can be judged; None if all can."""
    row: Value | None
    """The number of the row, if the table has one."""
    repeated: Mapping[Compared, Value]
    """Sets of columns to whether another row has the same, as far as a join has said it."""
    found: Mapping[str, Value]
    """Lookup to whether the values were found in its reference, null where one of them is."""


@dataclass(slots=True)
class BrokenRules:
    """Who breaks what, and what was refused."""

    errors: dict[str, Value] = field(default_factory=dict)
    warnings: dict[str, Value] = field(default_factory=dict)
    holds: dict[str, str] = field(default_factory=dict)
    """Rule to the sentence that says why it holds the whole table."""
    problems: list[ContractProblem] = field(default_factory=list)


def lookup_of(one: CheckRule) -> str:
    """What names the lookup of a check: of several columns of a pattern, each has its own."""
    return f"{one.rule.id}:{'+'.join(one.rule.columns)}"


class Rules:
    """The rules over one table."""

    def __init__(self, table: TypedTable, engine: Engine) -> None:
        self.table = table
        self.engine = engine
        self.broken = BrokenRules()
        values = {name: cell.value for name, cell in table.cells.items()}
        dtypes = {name: column.dtype for name, column in table.columns.items()}
        self.translator = Translator(values, dtypes, engine)

    def coerce(self, rules: Iterable[CellRule]) -> None:
        """Cells that are no value of their dtype."""
        for one in rules:
            failed = self.table.cells[one.column].failed
            if failed is not None:
                self._add(one.rule, failed)

    def not_null(self, rules: Iterable[CellRule]) -> None:
        """Empty cells where there may be none."""
        for one in rules:
            if one.column not in self.table.absent:
                self._add(one.rule, self._less_failed(self._empty(one.column), [one.column]))

    def key_not_null(self, rule: Rule) -> None:
        """Rows without a whole key, whether the table has the columns or not."""
        empty = reduce(or_, map(self._empty, rule.columns))
        self._add(rule, self._less_failed(empty, rule.columns))

    def unique(self, rules: Iterable[UniqueRule]) -> None:
        """Rows that share with another row what must be theirs alone."""
        for one in rules:
            self._tried(one.rule, partial(self._repeated, one))

    def checks(self, rules: Iterable[CheckRule]) -> None:
        """Every check of the schema that one row decides; the others are refused."""
        for one in rules:
            lacking = [name for name in one.rule.columns if name in self.table.absent]
            if one.column in self.table.absent:
                continue
            if lacking and one.rule.tier is Tier.ROW:
                said = f"it looks at {', '.join(lacking)}, which the arrival does not have"
                self.broken.holds[one.rule.id] = said
                continue
            self._tried(one.rule, partial(self._check, one))

    def _tried(self, rule: Rule, translate: Callable[[], Value | None]) -> None:
        try:
            mask = translate()
        except (NotTranslatedError, IbisError) as error:
            refusal = error
            if isinstance(error, IbisError):  # a type that Ibis does not compare with another
                refusal = NotTranslatedError(f"Ibis has no expression for it: {error}", _VERIFY)
            where = f"rule {rule.id!r}"
            self.broken.problems.append(ContractProblem(where, refusal.reason, refusal.fix))
        else:
            if mask is not None:
                self._add(rule, mask)

    def _check(self, one: CheckRule) -> Value | None:
        looked_at = one.rule.columns or tuple(self.table.columns)
        if one.rule.reference is not None:
            if (looked_up := self.table.found.get(lookup_of(one))) is None:
                return None  # refused already
            return self._less_failed(~looked_up.fill_null(True), looked_at)
        expressions = one.current_expressions()
        if expressions is None:
            why = _WHY.get(one.rule.tier, "its function has changed its mind since it was compiled")
            raise NotTranslatedError(f"{why}: {one.why}", _VERIFY)
        outputs = [out for each in expressions for out in self.translator.outputs(each)]
        holds = reduce(and_, outputs).fill_null(one.check.ignore_na)
        return self._less_failed(~holds, looked_at)

    def _repeated(self, one: UniqueRule) -> Value | None:
        if all(name in self.table.absent for name in one.columns):
            return None
        part = taking_part(self.table.cells, self.table.judged, one.columns)
        mask = self.table.repeated.get(one.compared)
        if mask is None:
            values = [self.table.cells[name].value for name in one.columns]
            mask = in_window(one, values, part, self.table.row)
        if one.ignores_null:
            mask &= ~reduce(or_, map(self._empty, one.columns))
        return mask if part is None else mask & part

    def _empty(self, column: str) -> Value:
        return is_empty(self.table.cells[column].value, self.table.columns[column].dtype)

    def _less_failed(self, mask: Value, columns: Iterable[str]) -> Value:
        """Less the rows in which one of `columns` has no value to be judged."""
        for name in columns:
            failed = self.table.cells[name].failed
            if failed is not None:
                mask &= ~failed
        return mask

    def _add(self, rule: Rule, mask: Value) -> None:
        known = self.broken.errors if rule.severity is Severity.ERROR else self.broken.warnings
        known[rule.id] = mask if rule.id not in known else known[rule.id] | mask
