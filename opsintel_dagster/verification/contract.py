"""A contract: a Pandera schema compiled to row verdicts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from opsintel_dagster.errors import SettingsError
from opsintel_dagster.verification.arrivals import look_at_columns
from opsintel_dagster.verification.batch_verification import judge, prepare
from opsintel_dagster.verification.compiling import CompiledRules, compile_rules
from opsintel_dagster.verification.explaining import explain
from opsintel_dagster.verification.file_verification import ROWS_PER_PART, FileVerification
from opsintel_dagster.verification.fingerprints import fingerprint
from opsintel_dagster.verification.inputs import INPUT, as_frame, numbered, open_source
from opsintel_dagster.verification.membership import Membership
from opsintel_dagster.verification.patterns import BoundRules, bind, governed
from opsintel_dagster.verification.references import reference_versions
from opsintel_dagster.verification.rules import ReferenceUse, Rule
from opsintel_dagster.verification.schema_reading import SchemaFacts, read_schema
from opsintel_dagster.verification.splitting import split
from opsintel_dagster.verification.uniqueness import HashRows, hash_rows
from opsintel_dagster.verification.verdict import FilesVerdict, Verdict

if TYPE_CHECKING:
    import ibis

    from opsintel_dagster.verification.engines.verdicts import EngineVerdict

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
    _references: Mapping[str, pl.DataFrame]
    _bound: dict[tuple[str, ...], BoundRules] = field(default_factory=dict)
    """The contract as it applies to columns seen before; only if it has patterns."""

    @classmethod
    def compile(
        cls,
        schema: object,
        *,
        key: Sequence[str] = (),
        null_values: Collection[str] = (),
        references: Mapping[str, pl.DataFrame] = _NO_REFERENCES,
    ) -> "Contract":
        """Compile a `pandera.polars` model class or `DataFrameSchema`.

        Args:
            schema: The schema.
            key: The columns that name a record; adds `key.unique` and, where a column of it may
                be empty, `key.not_null`.
            null_values: Texts that stand for null in the source.
            references: Outcome name to the rows its values are looked up in, for use without
                Dagster; `verify` may be given others.

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
            _references=references,
        )

    def verify(
        self,
        table: Any,
        *,
        references: Mapping[str, pl.DataFrame] = _NO_REFERENCES,
        columns_of: Mapping[str, Collection[str]] | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> Verdict:
        """Judge every row.

        Args:
            table: A batch of whole arrivals: control columns (`_arrival`, `_row`, ... as in the
                design) and the source's own. With `_standing` it is a replay: rules over a whole
                arrival keep the verdict they gave, since a part of it cannot be judged by them
                again; only what is repeated within the part is condemned anew. `_accepted` lists
                rules that do not condemn their row. Any other Polars
                DataFrame or LazyFrame, pandas DataFrame or Arrow table is one arrival as a whole;
                its rows are numbered in `_row`.
            references: Outcome name to the rows to look values up in, beside those the contract
                was compiled with.
            columns_of: Arrival to the columns it brought, in order; None if all arrivals have the
                columns of `table`. An arrival without records stands here only.
            versions: What is kept as the version of each reference; by default a hash of the
                values that were looked up in.

        Raises:
            ReferenceDown: A reference of the contract is missing, empty or lacks the columns.
            TypeError: `table` is no table.
        """
        raw = numbered(as_frame(table))
        if "_arrival" in raw.columns:
            members = Membership.of(raw.get_column("_arrival"))
        else:
            members = Membership((INPUT,), None, raw.height)
        known = {**self._references, **references}
        brought = chain.from_iterable((columns_of or {}).values())
        bound = self._bind([*raw.columns, *brought])
        presence = look_at_columns(raw, members, self._facts, bound.facts.columns, columns_of)
        prepared = prepare(raw, members, presence, bound, self.null_values)
        judgement = judge(prepared, bound, known, is_part="_standing" in raw.columns)
        return split(
            prepared,
            judgement,
            rules=self.rules,
            references=reference_versions(self.references, known, versions),
        )

    def verify_files(
        self,
        source: str | Path | pl.LazyFrame,
        valid: str | Path,
        quarantine: str | Path,
        *,
        references: Mapping[str, pl.DataFrame] = _NO_REFERENCES,
        versions: Mapping[str, str] | None = None,
        rows_per_part: int = ROWS_PER_PART,
        hashed: HashRows = hash_rows,
    ) -> FilesVerdict:
        """Split an input of any size into two Parquet files, with memory for a few parts of it.

        The rows are read once; for each set of columns that must be unique those columns are read
        before, at eight bytes a row. Only rules `explain` shows in other tiers than `row` and are
        not about uniqueness need memory for all rows of the columns they look at.

        Args:
            source: A Parquet or CSV file (a pattern names several, which are one arrival), or any
                LazyFrame without `_arrival`. CSV is read as text.
            valid: The file for rows that keep the contract.
            quarantine: The file for those that do not, with `_rules`.
            references: As in `verify`.
            versions: As in `verify`.
            rows_per_part: How many rows are in memory at a time.
            hashed: How compared rows are hashed; for tests, which want collisions.

        Raises:
            ReferenceDown: A reference of the contract is missing, empty or lacks the columns.
            ValueError: The source is of no known format, or is several arrivals.
        """
        known = {**self._references, **references}
        rows = open_source(source)
        return FileVerification(
            rules=self.rules,
            facts=self._facts,
            bound=self._bind(rows.collect_schema().names()),
            null_values=self.null_values,
            references=known,
            versions=reference_versions(self.references, known, versions),
            rows_per_part=rows_per_part,
            hashed=hashed,
        ).run(rows, Path(valid), Path(quarantine))

    def verify_table(
        self,
        table: "ibis.Table",
        *,
        references: "Mapping[str, pl.DataFrame | ibis.Table]" = _NO_REFERENCES,
        versions: Mapping[str, str] | None = None,
    ) -> "EngineVerdict":
        """Judge every row of a table where it lies: in DuckDB or PostgreSQL, through Ibis.

        The verdicts are those of `verify` over the same rows, `char(n)` aside, which has no blanks
        at its end there. Nothing is computed before it is asked for, and no row leaves the engine.

        Args:
            table: The rows of one arrival. With a column `_problem` its rows are `readable` where
                that is null; with `_row` they have an order, which some rules need.
            references: As in `verify`; also tables of the same engine.
            versions: As in `verify`; of a table nothing else is known.

        Raises:
            ContractNotTranslated: Rules or columns have no expression that is proven to say the
                same in the engine; names all of them, with reasons. `verify` knows no such limits.
            ReferenceDown: A reference of the contract is missing, empty or lacks the columns.
            SettingsError: Ibis is not installed.
            TypeError: `table` is no Ibis table.
            ValueError: It has a column `_arrival` or `_standing`.
        """
        try:  # it takes longer to import than a small contract to verify
            from opsintel_dagster.verification.engines.tables import (  # noqa: PLC0415
                TableVerification,
            )
        except ModuleNotFoundError as error:
            fix = "Install opsintel-dagster[engines]."
            raise SettingsError(str(error.name), "it is not installed", fix) from error
        known = {**self._references, **references}
        frames = {name: one for name, one in known.items() if isinstance(one, pl.DataFrame)}
        return TableVerification(
            rules=self.rules,
            facts=self._facts,
            bound=self._bind(table.columns),
            null_values=self.null_values,
            references=known,
            versions=reference_versions(self.references, frames, versions),
        ).run(table)

    @property
    def required(self) -> tuple[str, ...]:
        """Columns without which an arrival is held."""
        facts = self._facts
        return tuple(name for name, one in facts.columns.items() if facts.is_needed(one))

    def known_among(self, names: Sequence[str]) -> frozenset[str]:
        """Those of `names` that the contract declares, by name or by a pattern."""
        matched = chain.from_iterable(governed(self._facts, names).values())
        return frozenset([*(name for name in names if name in self.columns), *matched])

    def explain(self) -> pl.DataFrame:
        """How each rule is judged: `rule`, `column`, `tier`, `why`, and how heavy it weighs."""
        return explain(self._compiled)

    def _bind(self, names: Iterable[str]) -> BoundRules:
        if not self._facts.patterns:
            return BoundRules(self._facts, self._compiled)
        there = tuple(dict.fromkeys(names))
        if there not in self._bound:
            self._bound[there] = bind(self._facts, self._compiled, there)
        return self._bound[there]


def _what_decides(
    facts: SchemaFacts,
    compiled: CompiledRules,
    key: tuple[str, ...],
    null_values: tuple[str, ...],
) -> dict[str, Any]:
    """Everything a verdict depends on but the data."""
    said: dict[str, Any] = {
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
    if facts.patterns:
        said["patterns"] = [
            [c.pattern, c.dtype, c.is_nullable, c.is_unique, c.is_required, c.default]
            for c in facts.patterns.values()
        ]
        said["order"] = facts.order
    return said
