"""An export that nobody edited says nothing new, and no cell of it is a formula."""

import csv
import tempfile
from datetime import date
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from opsintel_dagster.orchestration.exports import (
    RULES,
    TEXT,
    cells_of,
    guarded,
    read_edits,
    unguarded,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
starts = st.sampled_from(["=", "+", "-", "@", "\t", "\r", "'", "''="])
cells = texts | st.builds(str.__add__, starts, texts)
COLUMNS = {
    "text": st.none() | cells,
    "amount": st.none() | st.floats(allow_nan=False),
    "count": st.none() | st.integers(-(2**63), 2**63 - 1),
    "on": st.none() | st.dates(date(1, 1, 1)),
    "flag": st.none() | st.booleans(),
}
rows = st.fixed_dictionaries(COLUMNS)
TYPES = {
    "text": pl.String(),
    "amount": pl.Float64(),
    "count": pl.Int64(),
    "on": pl.Date(),
    "flag": pl.Boolean(),
}


@given(cells)
def test_every_text_comes_back_and_none_leaves_as_a_formula(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@settings(deadline=None)
@given(st.lists(rows, min_size=1, max_size=6), st.sampled_from(",;\t"), st.data())
def test_of_an_export_that_was_saved_again_only_the_cell_that_was_edited_is_new(
    values: list[dict[str, object]], separator: str, data: st.DataObject
) -> None:
    part = pl.DataFrame(values, schema=TYPES).with_columns(
        pl.lit("a").alias("_arrival"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("_row"),
        pl.lit(["rule"], dtype=pl.List(pl.String)).alias("_rules"),
    )
    lines = [["_record", RULES, TEXT, *COLUMNS], *map(list, cells_of(part, list(COLUMNS), ()))]
    assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for line in lines for cell in line)
    nth = data.draw(st.integers(0, len(values) - 1))
    new = data.draw(cells)
    is_edited = new != (values[nth]["text"] or "")
    lines[nth + 1][3] = guarded(new)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "export.csv"
        with file.open("w", newline="", encoding="utf-8") as target:
            csv.writer(target, delimiter=separator).writerows(lines)
        edits = read_edits(file, list(COLUMNS), case="a case", personal=())
    problems: list[str] = []
    changed = edits.applied(part, problems, set())
    assert problems == []
    assert changed.height == int(is_edited)
    if is_edited:
        [row] = changed.iter_rows(named=True)
        assert (row["_row"], row["_amended"]) == (nth, ["text"])
        assert row["text"] == (new or None)
        assert {name: row[name] for name in list(COLUMNS)[1:]} == {
            name: values[nth][name] for name in list(COLUMNS)[1:]
        }
