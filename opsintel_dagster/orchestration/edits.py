"""Rows that somebody edited outside, laid over the rows of quarantine they were exported from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import polars as pl

from opsintel_dagster.orchestration.changed_cells import AMENDED, added, cast_text
from opsintel_dagster.store import as_text

RECORD: Final = "_record"
LINE: Final = "_line"
_NEW: Final = "_new {}"
_LIST: Final = pl.List(pl.String)


@dataclass(frozen=True)
class Edited:
    """What a file says about rows: `_record`, `_line`, and the source's columns as text.

    An empty text is an empty cell; null says nothing about the cell.
    """

    frame: pl.DataFrame
    problems: Sequence[str] = field(default=())
    """What is wrong with the file itself, a sentence each."""

    @property
    def columns(self) -> list[str]:
        """The source's columns."""
        return [name for name in self.frame.columns if name not in (RECORD, LINE)]

    @cached_property
    def _lines(self) -> Mapping[str, int]:
        return dict(self.frame.select(RECORD, LINE).iter_rows())

    def place_of(self, record: str) -> str:
        """Where the file speaks of a row."""
        return f"line {self._lines[record]} ({record})"

    def applied(self, part: pl.DataFrame, problems: list[str], found: set[str]) -> pl.DataFrame:
        """The rows of a part that were changed, with `_amended`.

        A row that is as it was, or that the file does not have, is left alone. `problems` gain a
        sentence for each row that cannot be changed, `found` all that the file speaks of.
        """
        new = self.frame.drop(LINE).rename({name: _NEW.format(name) for name in self.columns})
        record = pl.concat_str("_arrival", pl.col("_row").cast(pl.String), separator=":")
        mine = part.with_columns(record.alias(RECORD))
        mine = mine.join(new, on=RECORD, how="inner", maintain_order="left")
        found |= set(mine[RECORD].to_list())
        return self._changed(mine, part.schema, problems)

    def unknown(self, found: Collection[str]) -> list[str]:
        """A sentence for each row the file speaks of that was `found` in no part."""
        unknown = [name for name in self._lines if name not in found]
        return [f"{self.place_of(name)}: no such row is open in this case" for name in unknown]

    def _changed(self, mine: pl.DataFrame, schema: pl.Schema, problems: list[str]) -> pl.DataFrame:
        changes = pl.lit([], dtype=_LIST)
        news: list[pl.Expr] = []
        for column in self.columns:
            text = pl.col(_NEW.format(column))
            if column not in schema:
                foreign = mine.filter(text.fill_null("") != "")
                problems += [
                    f"{self.place_of(record)}: its file has no column `{column}`"
                    for record in foreign[RECORD]
                ]
                continue
            before = as_text(column, schema[column]).fill_null("")
            is_new = text.is_not_null() & (text != before)
            value = cast_text(text, schema[column])
            wrong = mine.filter(is_new & (text != "") & value.is_null())
            problems += [
                f"{self.place_of(record)}: `{column}` is no {schema[column]}, as which the source "
                "brings it"
                for record in wrong[RECORD]
            ]
            news.append(pl.when(is_new).then(value).otherwise(pl.col(column)).alias(column))
            here = pl.lit([column], dtype=_LIST)
            changes = changes.list.concat(
                pl.when(is_new).then(here).otherwise(pl.lit([], dtype=_LIST))
            )
        rows = mine.with_columns(*news, changes.alias("_changes"))
        rows = rows.filter(pl.col("_changes").list.len() > 0)
        if "_problem" in schema:  # whoever filled in the cells has read the line
            rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias("_problem"))
        rows = added(rows, AMENDED, pl.col("_changes"))
        return rows.drop("_changes", RECORD, *(_NEW.format(name) for name in self.columns))
