"""A contract: a Pandera schema compiled to row verdicts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from opsintel_dagster.verification.arrivals import look_at_columns
from opsintel_dagster.verification.cells import type_cells
from opsintel_dagster.verification.compiling import CompiledRules, compile_rules
from opsintel_dagster.verification.fingerprints import fingerprint
from opsintel_dagster.verification.judging import Judge, Judgement, Rows
from opsintel_dagster.verification.rules import ReferenceUse, Rule
from opsintel_dagster.verification.schema_reading import SchemaFacts, read_schema
from opsintel_dagster.verification.splitting import split
from opsintel_dagster.verification.verdict import Verdict

_NO_REFERENCES: Final[Mapping[str, pl.DataFrame]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Contract:
    """A Pandera schema, checked to be verifiable exactly, and ready to verify batches.

    Pandera says what is true of a row; this class says it of each row, and splits. Pandera's own
    `drop_invalid_rows` and failure cases lose rows (see the tests), so nothing of them is used.
    """

    name: str
    columns: dict[str, pl.DataType]
    rules: tuple[Rule, ...]
    references: tuple[ReferenceUse, ...]
    pii: frozenset[str]
    fingerprint: str
    key: tuple[str, ...]
    null_values: tuple[str, ...]
    _facts: SchemaFacts
    _compiled: CompiledRules

    @classmethod
    def compile(
        cls, schema: object, *, key: Sequence[str] = (), null_values: Collection[str] = ()
    ) -> "Contract":
        """Compile a `pandera.polars` model class or `DataFrameSchema`.

        Args:
            schema: The schema.
            key: The columns that name a record; adds `key.unique` and, where a column of it may
                be empty, `key.not_null`.
            null_values: Texts that stand for null in the source.

        Raises:
            ContractError: Something of it cannot be verified exactly; names all of it.
        """
        facts, problems = read_schema(schema)
        compiled = compile_rules(facts, tuple(key), problems)
        rules = compiled.rules
        uses = (rule.reference for rule in rules if rule.reference is not None)
        tokens = tuple(sorted(set(null_values)))
        return cls(
            name=facts.name,
            columns={name: column.dtype for name, column in facts.columns.items()},
            rules=rules,
            references=tuple(dict.fromkeys(uses)),
            pii=frozenset(name for name, column in facts.columns.items() if column.is_pii),
            fingerprint=fingerprint(_what_decides(facts, compiled, tuple(key), tokens)),
            key=tuple(key),
            null_values=tokens,
            _facts=facts,
            _compiled=compiled,
        )

    def verify(
        self,
        raw: pl.DataFrame,
        *,
        references: Mapping[str, pl.DataFrame] = _NO_REFERENCES,
        columns_of: Mapping[str, Collection[str]] | None = None,
    ) -> Verdict:
        """Judge every row of a batch of whole arrivals.

        Args:
            raw: Control columns (`_arrival`, `_row`, ... as in the design) and the source's own.
                With `_standing` it is a replay: rules over a whole arrival keep the verdict they
                gave, since a part of it cannot be judged by them again; only what is repeated
                within the part is condemned anew.
            references: Outcome name to the rows to look values up in.
            columns_of: Arrival to the columns it brought, in order; None if all arrivals have the
                columns of `raw`. An arrival without records stands here only.

        Raises:
            ReferenceDown: A reference of the contract is missing, empty or lacks the columns.
        """
        presence = look_at_columns(raw, self._facts, columns_of)
        arrivals = raw.get_column("_arrival")
        unjudged = pl.Series("_alone", [None], dtype=pl.String).new_from_index(0, raw.height)
        if presence.held:
            held = arrivals.is_in(list(presence.held))
            unjudged = unjudged.zip_with(~held, pl.Series(["arrival.columns"]))
        if "_problem" in raw.columns:
            is_readable = raw.get_column("_problem").is_null()
            unjudged = unjudged.zip_with(is_readable, pl.Series(["readable"]))
        is_judged = unjudged.is_null()
        judged = raw if is_judged.all() else raw.filter(is_judged)
        cells = type_cells(judged, self._facts.columns, self.null_values)
        rows = Rows(
            frame=cells.frame,
            arrivals=judged.get_column("_arrival"),
            numbers=judged.get_column("_row"),
            failed=cells.failed,
            every_arrival=[a for a in presence.arrivals if a not in presence.held],
            absent={a: c for a, c in presence.absent.items() if a not in presence.held},
        )
        judgement = self._judge(rows, references, is_part="_standing" in raw.columns)
        return split(
            raw,
            unjudged,
            cells.frame,
            judgement=judgement,
            rules=[rule.id for rule in self.rules],
            held_columns=presence.held,
        )

    def _judge(
        self, rows: Rows, references: Mapping[str, pl.DataFrame], *, is_part: bool
    ) -> Judgement:
        judge = Judge(rows, references)
        judge.coerce(self._compiled.coerce)
        judge.not_null(self._compiled.not_null)
        if self._compiled.key_not_null is not None:
            judge.key_not_null(self._compiled.key_not_null)
        judge.unique(self._compiled.unique)
        checks = self._compiled.checks
        judge.checks([one for one in checks if not (is_part and one.rule.is_about_arrival)])
        return judge.judgement


def _what_decides(
    facts: SchemaFacts,
    compiled: CompiledRules,
    key: tuple[str, ...],
    null_values: tuple[str, ...],
) -> dict[str, Any]:
    """Everything a verdict depends on but the data."""
    return {
        "columns": [
            [
                c.name,
                c.dtype,
                c.is_nullable,
                c.is_unique,
                c.is_required,
                c.report_duplicates,
                c.default,
            ]
            for c in facts.columns.values()
        ],
        "unique": [facts.unique, facts.report_duplicates],
        "shape": [facts.is_strict, facts.is_ordered, facts.adds_missing],
        "rules": [
            [rule.id, rule.columns, str(rule.severity), str(rule.reference)]
            for rule in compiled.rules
        ],
        "checks": [one.what_decides() for one in compiled.checks],
        "key": key,
        "null_values": null_values,
    }
