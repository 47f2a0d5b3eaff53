"""What lies in quarantine: which rows, under which failure mode, and how they get out of it.

Quarantine files are never changed. A row is out of quarantine when a replay batch carries it
(`_from`, `_arrival`, `_row` name it), when it is marked as discarded, or when its arrival was
superseded.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl
from sqlalchemy import Connection

from opsintel_dagster.ledger import arrivals, batches, cases
from opsintel_dagster.ledger.arrivals import ArrivalState
from opsintel_dagster.ledger.batches import QUARANTINE_ROLES, BatchKind, Role
from opsintel_dagster.ledger.cases import About, QuarantinedGroup
from opsintel_dagster.orchestration.causes import (
    BETWEEN,
    CASE,
    about_of,
    by_case,
    called,
    rules_about,
    shown,
)
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.outcome import UNMAPPED
from opsintel_dagster.store import together
from opsintel_dagster.verification.masking import MASK

ROW = ["_from", "_arrival", "_row"]


def groups_of(rows: pl.DataFrame) -> list[QuarantinedGroup]:
    """Rows counted by case, arrival and combination of rules."""
    marked = rows.with_columns(about_of(rows.columns).alias(CASE[1]))
    counted = marked.group_by(*CASE, "_arrival", "_rules", maintain_order=True).len()
    return [
        QuarantinedGroup(About(failure_mode, cause), arrival, tuple(rules), count)
        for failure_mode, cause, arrival, rules, count in counted.iter_rows()
    ]


def offending_values(compiled: Compiled, rows: pl.DataFrame) -> dict[About, dict[str, int]]:
    """The values that broke a rule, counted by case; personal data stays masked.

    A row counts under the first of its rules that is this failure. Rules over several columns
    give the values of all of them; rules over a whole arrival or an unreadable line give none,
    since no single value is at fault.
    """
    return {
        about: cases.most_common(counts)
        for about, part in by_case(rows)
        if (counts := values_of(compiled, about.failure_mode, part))
    }


def values_of(compiled: Compiled, failure_mode: str, rows: pl.DataFrame) -> Counter[str]:
    """All of them, in rows of one case."""
    columns_of = {rule.id: rule.columns for rule in compiled.contract.rules}
    mine = compiled.rules_of(failure_mode)
    values: Counter[str] = Counter()
    for (rules,), part in rows.group_by("_rules", maintain_order=True):
        rule = next((rule for rule in rules if rule in mine), rules[0])
        if failure_mode == UNMAPPED:
            rule = next(rules_about(compiled, failure_mode, rules), rule)
        columns = [name for name in columns_of.get(rule, ()) if called(compiled, part, name)]
        if columns:
            values.update(_count(compiled, part, columns))
    return values


def _count(compiled: Compiled, rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, int]:
    texts = [
        pl.lit(MASK) if column in compiled.contract.pii else shown(compiled, rows, column)
        for column in columns
    ]
    text = pl.concat_str(texts, separator=BETWEEN).alias("value")
    return dict(rows.select(text).group_by("value").len().iter_rows())


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
    parts: list[Part] = []
    for file in files:
        if file.rows and (batch_ids is None or file.batch_id in batch_ids):
            rows = installation.store.read([file.path])
            rows = rows.with_columns(pl.lit(file.batch_id).alias("_from"))
            part = next((part for part in parts if part.takes(rows)), None)
            if part is None:
                part = Part()
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


@dataclass
class Part:
    """Frames in which a column has one type."""

    frames: list[pl.DataFrame] = field(default_factory=list)
    types: dict[str, pl.DataType] = field(default_factory=dict)
    height: int = 0

    def takes(self, rows: pl.DataFrame) -> bool:
        """Whether no column of `rows` has another type here."""
        return all(self.types.get(name, dtype) == dtype for name, dtype in rows.schema.items())

    def add(self, rows: pl.DataFrame) -> None:
        """Put rows that `takes` has let in."""
        self.frames.append(rows)
        self.types.update(rows.schema)
        self.height += rows.height


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
