"""Reading Parquet: types are kept, and broken files say why."""

import hashlib
import io
from datetime import date
from typing import Any

import polars as pl
import pytest

from opsintel_dagster.errors import SourceUnreadable
from opsintel_dagster.ingestion import Inbox
from opsintel_dagster.outcome import FilesSource

TABLE = pl.DataFrame(
    {"n": [1, 2, 3], "d": [date(2026, 1, 1), None, None], "l": [[1.5], [], None]},
    schema_overrides={"n": pl.Int16},
)


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def test_columns_keep_their_types_and_rows_are_numbered(read_bytes: Any) -> None:
    data = parquet(TABLE)
    read = read_bytes(data, "day.parquet")
    assert read.frame.select(TABLE.columns).equals(TABLE)
    assert read.frame.select(TABLE.columns).schema == TABLE.schema
    assert read.rows("_row", "_line", "_problem") == [(n, None, None) for n in (1, 2, 3)]
    assert read.reading.columns == ("n", "d", "l")
    assert (read.reading.size, read.reading.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_a_file_of_no_rows_is_an_arrival_of_zero_records_with_its_types(read_bytes: Any) -> None:
    read = read_bytes(parquet(TABLE.clear()), "day.parquet")
    assert read.frame.select(TABLE.columns).schema == TABLE.schema
    assert read.reading.records == 0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", "does not begin as Parquet does"),
        (parquet(TABLE)[:-20], "truncated or corrupt"),
        (parquet(TABLE)[:4], "truncated or corrupt"),
        (parquet(TABLE.rename({"n": "_row"})), "'_row' is a name this package needs"),
    ],
)
def test_what_cannot_be_read_says_why(read_bytes: Any, data: bytes, reason: str) -> None:
    with pytest.raises(SourceUnreadable) as error:
        read_bytes(data, "day.parquet")
    assert reason in error.value.reason


def test_bytes_broken_in_the_middle_are_unreadable_and_still_have_a_hash(tmp_path: Any) -> None:
    data = bytearray(parquet(pl.DataFrame({"a": [f"value {n}" for n in range(2_000)]})))
    data[20:200] = b"\xff" * 180
    (tmp_path / "day.parquet").write_bytes(data)
    inbox = Inbox(FilesSource(path="*.parquet"), tmp_path)
    with inbox.open(inbox.poll()[0]) as reading:
        with pytest.raises(SourceUnreadable, match="truncated or corrupt"):
            list(reading.frames())
        assert reading.sha256 == hashlib.sha256(data).hexdigest()
