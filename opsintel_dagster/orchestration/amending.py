"""Amendments at work: rows as they are judged, beside the rows as they came in.

Raw files and quarantine keep what came in; what goes on is amended and says so. A cell is changed
at most once: every amendment looks at the value as it came.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from opsintel_dagster.ledger.decisions import DECISION
from opsintel_dagster.orchestration.changed_cells import AMENDED, cast_text, typed
from opsintel_dagster.orchestration.renaming import Renames
from opsintel_dagster.outcome import Amendment, Rename, Repair, Reroute, Route
from opsintel_dagster.outcome.conditions import ConditionError, parse_value
from opsintel_dagster.routing import SENT_TO
from opsintel_dagster.store import as_text

AMENDED_BY: Final = "_amended_by"
"""What changed them: `column`, `source` (what the source calls it) and `by`, a list of each."""

_RECORD: Final = ["_arrival", "_row"]
_CHANGE: Final = {"column": pl.String(), "source": pl.String(), "by": pl.String()}
_CHANGES: Final = pl.Schema({"_arrival": pl.String(), "_row": pl.Int64(), **_CHANGE})
_MOST_TRIES: Final = 64
"""How often an expression that fails is tried on fewer rows of a batch."""


@dataclass(frozen=True)
class InForce:
    """An amendment that applies, and what it is called where it has done something."""

    label: str
    amendment: Amendment


@dataclass(frozen=True)
class AmendedRows:
    """Rows as they are to be judged.

    Attributes:
        rows: All rows.
        columns_of: The columns that each arrival brings now.
        changes: Every change of a cell: `_arrival`, `_row`, `column`, `source`, `by`.
        failed: Amendments that could not be worked out for some of the rows, and why; those rows
            stay as they came.
    """

    rows: pl.DataFrame
    columns_of: Mapping[str, Sequence[str]]
    changes: pl.DataFrame
    failed: Mapping[str, str]

    def marks(self) -> pl.DataFrame:
        """What is said of rows when they go on: `_amended`, `_amended_by`, and where they are sent.

        Only rows of which anything is said, and only the columns that say something.
        """
        changes = self.changes
        if AMENDED in self.rows.columns:
            decided = self.rows.select(*_RECORD, pl.col(AMENDED).alias("column")).explode("column")
            decided = decided.drop_nulls("column").with_columns(
                pl.col("column").alias("source"), pl.lit(DECISION).alias("by")
            )
            changes = pl.concat([decided, changes])
        change = pl.struct(*_CHANGE)
        if changes.select(pl.struct(_RECORD).is_unique().all()).item():  # grouping costs seconds
            named, said = pl.concat_list("column"), pl.concat_list(change)
            found = changes.select(*_RECORD, named.alias(AMENDED), said.alias(AMENDED_BY))
        else:
            found = changes.group_by(_RECORD, maintain_order=True).agg(
                pl.col("column").unique().sort().alias(AMENDED),
                change.sort_by("column").alias(AMENDED_BY),
            )
        if SENT_TO in self.rows.columns:
            sent = self.rows.select(*_RECORD, SENT_TO).drop_nulls(SENT_TO)
            found = found.join(sent, on=_RECORD, how="full", coalesce=True)
        return found if found.height else found.select(_RECORD)

    def fired(self, rows: pl.DataFrame) -> dict[str, int]:
        """How many of these rows each amendment has changed."""
        mine = self.changes.join(rows.select(_RECORD), on=_RECORD, how="semi")
        counted = mine.unique([*_RECORD, "by"]).group_by("by", maintain_order=True).len()
        return dict(counted.iter_rows())


@dataclass(frozen=True)
class Amending:
    """The amendments of an outcome that apply, in the order in which they do."""

    in_force: tuple[InForce, ...] = ()
    unfit: Mapping[str, str] = field(default_factory=dict)
    """Amendments that no longer fit what is declared, by label, and why; they are not applied."""
    declared_too: tuple[str, ...] = ()
    """Amendments that were kept and are declared as well, by label; they are applied once."""

    @cached_property
    def renames(self) -> Renames:
        """What the source calls otherwise."""
        columns: dict[str, str] = {}
        for one in self.in_force:
            if isinstance(one.amendment, Rename):
                columns = {**one.amendment.columns, **columns}
        return Renames(columns)

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The rules in front of the decision table."""
        return tuple(
            Route(to=one.amendment.to, when=one.amendment.when, name=one.label)
            for one in self.in_force
            if isinstance(one.amendment, Reroute)
        )

    @cached_property
    def _repairs(self) -> dict[str, list[tuple[str, Repair]]]:
        """By column; those that name a value before those that work one out."""
        found: dict[str, list[tuple[str, Repair]]] = {}
        for one in self.in_force:
            if isinstance(one.amendment, Repair):
                found.setdefault(one.amendment.column, []).append((one.label, one.amendment))
        for repairs in found.values():
            repairs.sort(key=lambda pair: pair[1].expression is not None)
        return found

    def apply(self, raw: pl.DataFrame, columns_of: Mapping[str, Sequence[str]]) -> AmendedRows:
        """Change rows of whole or parts of arrivals, as they came in.

        Args:
            raw: The rows, with `_arrival` and `_row`.
            columns_of: The columns of each arrival; those of `raw` where it says nothing.
        """
        none = pl.DataFrame(schema=_CHANGES)
        if not self.in_force or (raw.is_empty() and not columns_of):
            return AmendedRows(raw, columns_of, none, {})
        rows, columns, changes = raw, columns_of, [none]
        if self.renames:
            rows, columns, moved = self.renames.rows(raw, columns_of)
            for (new, column), arrivals in moved.items():
                is_mine = pl.col("_arrival").is_in(arrivals)
                changes.append(_changes(rows, is_mine, column, new, self._rename_of(new)))
        failed: dict[str, str] = {}
        cells = []
        for column, repairs in self._repairs.items():
            if column in rows.columns:
                cells.append(self._repaired(rows, columns, column, repairs, changes, failed))
        return AmendedRows(rows.with_columns(cells), columns, pl.concat(changes), failed)

    def _rename_of(self, new: str) -> str:
        return next(
            one.label
            for one in self.in_force
            if isinstance(one.amendment, Rename) and new in one.amendment.columns
        )

    def _repaired(
        self,
        rows: pl.DataFrame,
        columns_of: Mapping[str, Sequence[str]],
        column: str,
        repairs: Iterable[tuple[str, Repair]],
        changes: list[pl.DataFrame],
        failed: dict[str, str],
    ) -> pl.Series:
        """The column with every cell changed by the first amendment that changes it."""
        came = rows[column]
        cells, is_open = came, rows.select(_may_change(rows, columns_of, column)).to_series()
        for label, repair in repairs:
            try:
                new = _worked_out(rows, repair, failed, label)
            except (PolarsError, ConditionError) as error:
                failed[label] = _why(error)
                continue
            is_changed = is_open & new.ne_missing(came)
            if is_changed.any():
                cells = new.zip_with(is_changed, cells)
                is_open &= ~is_changed
                changes.append(_changes(rows, is_changed, column, column, label))
        return cells.alias(column)


NOTHING_AMENDED: Final = Amending()


def with_marks(rows: pl.DataFrame, marks: pl.DataFrame) -> pl.DataFrame:
    """Rows that go on, with what is said of them; as they are where nothing is."""
    if marks.width == len(_RECORD):
        return rows
    found = rows.join(marks, on=_RECORD, how="left", maintain_order="left")
    said = [name for name in marks.columns if name not in _RECORD]
    empty = [name for name in said if found[name].null_count() == found.height]
    return found.drop(empty)


def _changes(
    rows: pl.DataFrame, where: pl.Expr | pl.Series, column: str, source: str, label: str
) -> pl.DataFrame:
    named = {"column": column, "source": source, "by": label}
    return rows.filter(where).select(
        *_RECORD, *(pl.lit(text).alias(name) for name, text in named.items())
    )


def _may_change(
    rows: pl.DataFrame, columns_of: Mapping[str, Sequence[str]], column: str
) -> pl.Expr:
    """Cells that are there, and that no decision has changed already."""
    lacking = [arrival for arrival, columns in columns_of.items() if column not in columns]
    may = ~pl.col("_arrival").is_in(lacking)
    if "_problem" in rows.columns:
        may &= pl.col("_problem").is_null()
    if AMENDED in rows.columns:
        may &= ~pl.col(AMENDED).list.contains(column).fill_null(value=False)
    return may


def _worked_out(
    rows: pl.DataFrame, repair: Repair, failed: dict[str, str], label: str
) -> pl.Series:
    """The column as the amendment wants it; a cell it says nothing about is as it came.

    Raises:
        PolarsError: it cannot be worked out for these rows.
        ConditionError: it names a column that is not there, or says neither yes nor no.
    """
    column, dtype = repair.column, rows.schema[repair.column]
    for text in (repair.expression, repair.when):
        _refuse_missing(text, rows.columns)
    if repair.expression is None:
        wanted = _mapped(column, repair.values, dtype)
    else:
        wanted = _of_type(parse_value(repair.expression), rows, column)
    if repair.when is None:
        return _tried(rows, wanted, column, failed, label)
    condition = parse_value(repair.when)
    if rows.lazy().select(condition).collect_schema().dtypes() != [pl.Boolean]:
        raise ConditionError(f"`{repair.when}` is not true or false", "compare a column")
    chosen = pl.when(condition).then(wanted).otherwise(pl.col(column))
    return _tried(rows, chosen, column, failed, label)


def _refuse_missing(text: str | None, columns: Sequence[str]) -> None:
    roots = [] if text is None else parse_value(text).meta.root_names()
    missing = [name for name in roots if name not in columns]
    if missing:
        raise ConditionError(f"the source brings no column `{missing[0]}`", "name one it brings")


def _mapped(column: str, values: Mapping[str, str], dtype: pl.DataType) -> pl.Expr:
    """Values by the text they have; one that is none of the column's type stays away."""
    text = as_text(column, dtype).fill_null("")
    cell = pl.col(column)
    if dtype == pl.String:
        olds, news = list(values), [new or None for new in values.values()]
        mapped = text.replace_strict(olds, news, default=None, return_dtype=pl.String)
        return pl.when(text.is_in(olds)).then(mapped).otherwise(cell)
    for old, new in values.items():
        try:
            value = typed(column, new, dtype)
        except ValueError:
            continue
        cell = pl.when(text == old).then(value).otherwise(cell)
    return cell


def _of_type(expression: pl.Expr, rows: pl.DataFrame, column: str) -> pl.Expr:
    """What the expression gives in the type of its column; what is none of it stays as it came.

    Raises:
        PolarsError: it makes no sense of the types that its columns have.
    """
    dtype = rows.schema[column]
    given = rows.lazy().select(expression.alias(column)).collect_schema()[column]
    if given == dtype:
        return expression
    if given == pl.String:
        cast = cast_text(expression, dtype)
    else:
        cast = expression.cast(dtype, strict=False)
    is_empty = expression.is_null() if given != pl.String else (expression.fill_null("") == "")
    return pl.when(is_empty | cast.is_not_null()).then(cast).otherwise(pl.col(column))


def _tried(
    rows: pl.DataFrame, wanted: pl.Expr, column: str, failed: dict[str, str], label: str
) -> pl.Series:
    """The cells; rows for which it fails keep theirs."""
    parts: list[pl.Series] = []
    waiting = [(0, rows.height)]
    tries = 0
    while waiting:
        start, length = waiting.pop()
        some = rows.slice(start, length)
        try:
            parts.append(some.with_columns(wanted.alias(column))[column])
        except PolarsError as error:
            failed[label] = _why(error)
            tries += 1
            if length == 1 or tries > _MOST_TRIES:
                parts.append(some[column])
                continue
            half = length // 2
            waiting += [(start + half, length - half), (start, half)]
    return pl.concat(parts) if parts else rows[column]


def _why(error: PolarsError | ConditionError) -> str:
    """In words of ours: what Polars says quotes the values it met."""
    if isinstance(error, ConditionError):
        return error.what
    return f"it fails on rows ({type(error).__name__})"
