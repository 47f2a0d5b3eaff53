"""The decision table: which route takes a row, and which rule decided so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import polars as pl
from polars.exceptions import PolarsError

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome import Finding, Route
from opsintel_dagster.outcome.conditions import Condition, ConditionError, parse_condition

ALWAYS: Final = "otherwise"
"""What `_route_rule` says of the last rule, where it has no condition and no name."""


SENT_TO: Final = "_sent_to"
"""The route that somebody decided for a row, where a batch has such rows."""

DECIDED: Final = "decision"
"""What `_route_rule` says of them."""


@dataclass(frozen=True)
class Rule:
    """A row of the table: where to, the name people see, and the condition (None: always)."""

    to: str
    name: str
    condition: Condition | None


@dataclass(frozen=True)
class DecisionTable:
    """Compiled routes; the first rule whose condition is true takes the row.

    As in SQL, a condition that is null (a comparison with a missing value) has not said yes: the
    row goes on to the next rule. NaN counts as the greatest number, as in PostgreSQL. A row that
    no rule takes keeps a null `_route`; it becomes a case, never a guess.
    """

    rules: tuple[Rule, ...]

    @classmethod
    def compile(cls, routes: Sequence[Route], columns: Mapping[str, pl.DataType]) -> Self:
        """Compile declared routes against the contract's columns.

        Raises:
            DeclarationError: with a finding for every route that cannot decide.
        """
        rules: list[Rule] = []
        findings: list[Finding] = []
        for index, route in enumerate(routes):
            try:
                condition = None if route.when is None else parse_condition(route.when, columns)
            except ConditionError as error:
                what = f"{route.when!r}: {error.what}"
                findings.append(Finding(where=f"routes[{index}].when", what=what, fix=error.fix))
            else:
                rules.append(Rule(route.to, route.name or route.when or ALWAYS, condition))
        if findings:
            raise DeclarationError(findings)
        return cls(tuple(rules))

    def route(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add `_route` and `_route_rule` (both Utf8) to every row, in one pass.

        A row of which `_sent_to` says where it goes is sent there, whatever the table says.

        Raises:
            DeclarationError: a condition fails on this data; names the condition, not the data.
        """
        try:
            decision = self._decision()
            if SENT_TO in frame.columns:
                decided = pl.struct(
                    pl.col(SENT_TO).alias("_route"), pl.lit(DECIDED).alias("_route_rule")
                )
                decision = pl.when(pl.col(SENT_TO).is_not_null()).then(decided).otherwise(decision)
            return frame.with_columns(decision.struct.unnest())
        except PolarsError:
            # Not chained: what Polars says quotes the values it met.
            raise DeclarationError(self._culprits(frame)) from None

    def _decision(self) -> pl.Expr:
        """A struct of both columns, so that every condition is evaluated once for the two."""
        decision = _taken_by(None)
        for rule in reversed(self.rules):
            if rule.condition is None:
                decision = _taken_by(rule)
            else:
                decision = (
                    pl.when(rule.condition.expression).then(_taken_by(rule)).otherwise(decision)
                )
        return decision

    def _culprits(self, frame: pl.DataFrame) -> list[Finding]:
        findings = []
        for index, rule in enumerate(self.rules):
            if rule.condition is None:
                continue
            try:
                frame.select(rule.condition.expression)
            except PolarsError as error:
                what = f"{rule.condition.text!r} fails on this batch ({type(error).__name__})"
                fix = "allow for every value the contract allows (TRY_CAST, COALESCE)"
                findings.append(Finding(where=f"routes[{index}].when", what=what, fix=fix))
        return findings


def _taken_by(rule: Rule | None) -> pl.Expr:
    return pl.struct(
        pl.lit(rule.to if rule else None, dtype=pl.String).alias("_route"),
        pl.lit(rule.name if rule else None, dtype=pl.String).alias("_route_rule"),
    )
