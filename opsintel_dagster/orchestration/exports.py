"""Rows of a case in a CSV file, for whoever wants to mend them in a spreadsheet, and back.

What leaves is text. A cell that a spreadsheet would take for a formula gets a quote in front, which
is taken away again; so is it from a cell that begins with such a quote already, so that every value
comes back as it was.
"""

import csv
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.errors import EditsRefused
from opsintel_dagster.ledger import batches, cases
from opsintel_dagster.orchestration.case_rows import CaseRows
from opsintel_dagster.orchestration.edits import LINE, RECORD, Edited
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.store import as_text
from opsintel_dagster.verification.masking import MASK

RULES: Final = "_rules"
TEXT: Final = "_text"
_SEPARATORS: Final = ",;\t"
_FORMULA: Final = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # the last four in full width
_GUARD: Final = "'"
_GUARDED: Final = tuple(_FORMULA + _GUARD)
_LONGEST_CELL: Final = 2**31 - 1


def guarded(text: str) -> str:
    """The text so that no spreadsheet takes it for a formula."""
    return _GUARD + text if text.startswith(_GUARDED) else text


def unguarded(text: str) -> str:
    """The text as it was before it was guarded."""
    is_guarded = text.startswith(_GUARD) and text[1:].startswith(_GUARDED)
    return text[1:] if is_guarded else text


def source_columns(
    installation: Installation, connection: Connection, case_id: str, outcome: str
) -> list[str]:
    """The columns in which the sources brought the open rows of the case, ours left out."""
    batch_ids = {group.batch_id for group in cases.groups_of_case(connection, case_id)}
    names: dict[str, None] = {}
    for file in batches.files_of_outcome(connection, outcome, *batches.QUARANTINE_ROLES):
        if file.rows and file.batch_id in batch_ids:
            names |= dict.fromkeys(installation.store.scan([file.path]).collect_schema())
    return [name for name in names if not name.startswith("_")]


def export(
    installation: Installation, case: Row[Any], path: Path, *, hidden: Collection[str]
) -> int:
    """Write all open rows of a case to a CSV file; returns how many.

    `hidden` are the columns whose values are masked. They are written file by file, so that memory
    does not grow with their number, under another name until the last one is there.
    """
    half = path.with_name(f".{path.name}.{os.getpid()}")
    count = 0
    try:
        with (
            half.open("w", newline="", encoding="utf-8-sig") as file,
            installation.ledger.read() as connection,
        ):
            columns = source_columns(installation, connection, case.id, case.outcome)
            writer = csv.writer(file)
            writer.writerow(map(guarded, [RECORD, RULES, TEXT, *columns]))
            for rows in CaseRows.of(installation, connection, case):
                count += rows.height
                writer.writerows(cells_of(rows, columns, hidden))
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return count


def cells_of(
    rows: pl.DataFrame, columns: Sequence[str], hidden: Collection[str]
) -> Iterator[tuple[str, ...]]:
    """The rows as they stand in the file."""
    record = pl.concat_str("_arrival", pl.col("_row").cast(pl.String), separator=":")
    shown = [record.alias(RECORD), pl.col("_rules").list.join(" ").alias(RULES)]
    for name in (TEXT, *columns):
        is_hidden = name in hidden or (name == TEXT and bool(hidden))
        if name not in rows.columns:
            shown.append(pl.lit("").alias(name))
        elif is_hidden:
            shown.append(pl.when(pl.col(name).is_not_null()).then(pl.lit(MASK)).alias(name))
        else:
            text = as_text(name, rows.schema[name])
            is_formula = text.str.head(1).is_in(list(_GUARDED))
            shown.append(
                pl.when(is_formula).then(pl.lit(_GUARD) + text).otherwise(text).alias(name)
            )
    return rows.select(shown).fill_null("").iter_rows()


def read_edits(
    path: Path, columns: Sequence[str], *, case: str, personal: Collection[str]
) -> Edited:
    """What an edited export says, with a sentence for each row of it that cannot be understood.

    A mask in a `personal` column says nothing about the cell. Other separators are read, too:
    spreadsheets write what is usual in their country.

    Raises:
        EditsRefused: it is no such file, or columns are missing or new.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            separator = max(_SEPARATORS, key=first.count)
            csv.field_size_limit(_LONGEST_CELL)
            reader = csv.reader(file, delimiter=separator)
            header = [unguarded(name) for name in next(reader, [])]
            wrong = _header_problems(header, columns)
            if wrong:
                raise EditsRefused(case, wrong)
            return _edited(reader, header, columns, personal)
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 ({error.reason}); save it as `CSV UTF-8`"
        raise EditsRefused(case, [problem]) from error
    except csv.Error as error:
        raise EditsRefused(case, [f"it is no CSV file: {error}"]) from error
    except OSError as error:
        raise EditsRefused(case, [f"it cannot be read: {error}"]) from error


def _header_problems(header: Sequence[str], columns: Sequence[str]) -> list[str]:
    known = {RECORD, RULES, TEXT, *columns}
    problems = [f"column `{name}` is missing" for name in (RECORD, *columns) if name not in header]
    problems += [f"column `{name}` is none of the export's" for name in header if name not in known]
    problems += [
        f"column `{name}` is there twice" for name in known if list(header).count(name) > 1
    ]
    return problems


def _edited(
    reader: Iterator[list[str]],
    header: Sequence[str],
    columns: Sequence[str],
    personal: Collection[str],
) -> Edited:
    cells: dict[str, list[str | None]] = {name: [] for name in columns}
    records: dict[str, int] = {}
    problems = []
    line = 2
    for values in reader:
        at, line = line, reader.line_num + 1  # type: ignore[attr-defined]
        if not any(values):
            continue
        if len(values) != len(header):
            problems.append(f"line {at}: {len(values)} cells, and the header has {len(header)}")
            continue
        row = {name: unguarded(value) for name, value in zip(header, values, strict=True)}
        record = row[RECORD]
        if record in records:
            problems.append(f"line {at} ({record}): line {records[record]} is about the same row")
            continue
        records[record] = at
        for name in columns:
            is_masked = name in personal and row[name] == MASK
            cells[name].append(None if is_masked else row[name])
    frame = pl.DataFrame(
        {RECORD: list(records), LINE: list(records.values()), **cells},
        schema={RECORD: pl.String, LINE: pl.Int64, **dict.fromkeys(columns, pl.String)},
    )
    return Edited(frame, problems)
