"""What lies in quarantine: which rows, under which failure mode, and how they get out of it.

Quarantine files are never changed. A row is out of quarantine when a replay batch carries it
(`_from`, `_arrival`, `_row` name it), when it is marked as discarded, or when its arrival was
superseded.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.ledger import arrivals, batches, cases
from opsintel_dagster.ledger.arrivals import ArrivalState
from opsintel_dagster.ledger.batches import QUARANTINE_ROLES, BatchKind, Role
from opsintel_dagster.ledger.cases import QuarantinedGroup
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.store import as_text, together
from opsintel_dagster.verification.masking import MASK

NO_VALUE = "(empty)"
LONGEST_VALUE = 200
ROW = ["_from", "_arrival", "_row"]


def with_causes(compiled: Compiled, rows: pl.DataFrame) -> pl.DataFrame:
    """Add `_cause`, the failure mode each row belongs to; one look-up per combination of rules."""
    combinations = rows["_rules"].unique()
    causes = [compiled.failure_mode_of(rules) for rules in combinations.to_list()]
    lookup = pl.DataFrame({"_rules": combinations, "_cause": pl.Series(causes, dtype=pl.String)})
    return rows.join(lookup, on="_rules", how="left", maintain_order="left")


def groups_of(rows: pl.DataFrame) -> list[QuarantinedGroup]:
    """Rows counted by failure mode, arrival and combination of rules."""
    counted = rows.group_by("_cause", "_arrival", "_rules", maintain_order=True).len()
    return [
        QuarantinedGroup(cause, arrival, tuple(rules), count)
        for cause, arrival, rules, count in counted.iter_rows()
    ]


def offending_values(compiled: Compiled, rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    """The values that broke a rule, counted by failure mode; personal data stays masked.

    A row counts under the first of its rules that is this failure. Rules over several columns
    give the values of all of them; rules over a whole arrival or an unreadable line give none,
    since no single value is at fault.
    """
    columns_of = {rule.id: rule.columns for rule in compiled.contract.rules}
    renames = compiled.amending.renames
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for (cause, rules), part in rows.group_by("_cause", "_rules", maintain_order=True):
        mine = compiled.rules_of(str(cause))
        rule = next((rule for rule in rules if rule in mine), rules[0])
        called = {
            name: [one for one in (name, *renames.sources_of(name)) if one in part.columns]
            for name in columns_of.get(rule, ())
        }
        columns = {name: there for name, there in called.items() if there}
        if columns:
            values[str(cause)].update(_count(part, columns, compiled.contract.pii))
    return {cause: cases.most_common(counted) for cause, counted in values.items()}


def _count(
    rows: pl.DataFrame, columns: Mapping[str, Sequence[str]], pii: Iterable[str]
) -> dict[str, int]:
    """Count by value; `columns` says what the source calls each column."""
    shown = [
        pl.lit(MASK)
        if column in pii
        else pl.coalesce(_shown(name, rows.schema[name]) for name in called).fill_null(NO_VALUE)
        for column, called in columns.items()
    ]
    text = pl.concat_str(shown, separator=" · ").alias("value")
    return dict(rows.select(text).group_by("value").len().iter_rows())


def _shown(column: str, dtype: pl.DataType) -> pl.Expr:
    """A case is a row of the ledger: of a long text it keeps the beginning."""
    return as_text(column, dtype).str.head(LONGEST_VALUE)


def open_rows(
    installation: Installation,
    connection: Connection,
    outcome: str,
    *,
    batch_ids: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The rows that lie in quarantine now, with `_from`, the batch they lie in.

    `batch_ids` narrows it to what was quarantined in those batches.
    """
    parts = open_parts(installation, connection, outcome, batch_ids=batch_ids)
    return together([part.lazy() for part in parts]).collect()


def open_parts(
    installation: Installation,
    connection: Connection,
    outcome: str,
    *,
    batch_ids: Sequence[str] | None = None,
) -> list[pl.DataFrame]:
    """The same in parts within which a column has one type, so that every value is as it came.

    A verdict must not depend on what else lies in quarantine, and so not on a type for all of it.
    """
    files = batches.files_of_outcome(connection, outcome, *QUARANTINE_ROLES)
    parts: list[_Part] = []
    for file in files:
        if file.rows and (batch_ids is None or file.batch_id in batch_ids):
            rows = installation.store.read([file.path])
            rows = rows.with_columns(pl.lit(file.batch_id).alias("_from"))
            part = next((part for part in parts if part.takes(rows)), None)
            if part is None:
                part = _Part()
                parts.append(part)
            part.add(rows)
    if not parts:
        return []
    gone = moved_rows(installation, connection, outcome)
    superseded = arrivals.ids_in_state(connection, outcome, ArrivalState.SUPERSEDED)
    return [
        pl.concat(part.frames, how="diagonal")
        .join(gone, on=ROW, how="anti", maintain_order="left")
        .filter(~pl.col("_arrival").is_in(superseded))
        for part in parts
    ]


def open_frames(
    installation: Installation, connection: Connection, case: Row[Any]
) -> Iterator[pl.DataFrame]:
    """The open rows of a case, file by file, so that memory does not grow with their number."""
    gone = moved_rows(installation, connection, case.outcome)
    superseded = arrivals.ids_in_state(connection, case.outcome, ArrivalState.SUPERSEDED)
    batch_ids = {group.batch_id for group in cases.groups_of_case(connection, case.id)}
    for file in batches.files_of_outcome(connection, case.outcome, *QUARANTINE_ROLES):
        if file.rows and file.batch_id in batch_ids:
            rows = installation.store.read([file.path])
            rows = rows.with_columns(pl.lit(file.batch_id).alias("_from"))
            rows = rows.filter(
                pl.col("_cause") == case.failure_mode, ~pl.col("_arrival").is_in(superseded)
            )
            yield rows.join(gone, on=ROW, how="anti", maintain_order="left")


def parts_of_case(
    installation: Installation,
    connection: Connection,
    case: Row[Any],
    *,
    revision: int | None = None,
) -> list[pl.DataFrame]:
    """The open rows of a case in parts; with `revision` only those that it had by then."""
    groups = cases.groups_of_case(connection, case.id)
    batch_ids = list({group.batch_id for group in groups})
    parts = open_parts(installation, connection, case.outcome, batch_ids=batch_ids)
    is_mine = pl.col("_cause") == case.failure_mode
    if revision is not None:
        later = [
            f"{group.batch_id} {group.arrival_id} {group.rules}"
            for group in groups
            if group.revision > revision
        ]
        rules = pl.col("_rules").list.join(cases.RULES_SEPARATOR)
        group_of = pl.concat_str("_from", "_arrival", rules, separator=" ")
        is_mine &= ~group_of.is_in(later)
    mine = [part.filter(is_mine) for part in parts]
    return [part for part in mine if not part.is_empty()]


@dataclass
class _Part:
    """Frames in which a column has one type."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    types: dict[str, pl.DataType] = field(default_factory=dict)

    def takes(self, rows: pl.DataFrame) -> bool:
        """Whether no column of `rows` has another type here."""
        return all(self.types.get(name, dtype) == dtype for name, dtype in rows.schema.items())

    def add(self, rows: pl.DataFrame) -> None:
        """Put rows that `takes` has let in."""
        self.frames.append(rows)
        self.types.update(rows.schema)


def moved_rows(installation: Installation, connection: Connection, outcome: str) -> pl.DataFrame:
    """The rows that replay batches carry out of quarantine, and those that were discarded.

    They are named by `_from`, `_arrival`, `_row`.
    """
    files = batches.files_of_outcome(connection, outcome, Role.RAW, kinds=(BatchKind.REPLAY,))
    files += batches.files_of_outcome(connection, outcome, Role.DISCARDED)
    paths = [file.path for file in files]
    if not paths:
        return pl.DataFrame(schema={"_from": pl.String, "_arrival": pl.String, "_row": pl.Int64})
    return installation.store.scan(paths, columns=ROW).collect()


def resolved_groups(rows: pl.DataFrame) -> dict[tuple[str, str, tuple[str, ...]], int]:
    """Rows counted the way cases count them: by batch, arrival and combination of rules."""
    counted = rows.group_by("_from", "_arrival", "_rules", maintain_order=True).len()
    return {
        (batch, arrival, tuple(rules)): count
        for batch, arrival, rules, count in counted.iter_rows()
    }


def resolve(
    compiled: Compiled,
    connection: Connection,
    gone: pl.DataFrame,
    left: pl.DataFrame,
    closed_by: str,
) -> list[str]:
    """Take the rows `gone` out of their cases; `left` are those that stay. Returns closed cases."""
    closed = []
    values: Mapping[str, Mapping[str, int]] = (
        {} if left.is_empty() else offending_values(compiled, left)
    )
    for (cause,), part in gone.group_by("_cause", maintain_order=True):
        identity = cases.case_id(compiled.name, str(cause))
        remaining = values.get(str(cause), {})
        if cases.resolve_rows(connection, identity, resolved_groups(part), remaining, closed_by):
            closed.append(identity)
    return closed
