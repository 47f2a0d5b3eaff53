"""Laws of reading raw: no line is lost or read twice, and no value is altered."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opsintel_dagster.errors import SourceError, SourceUnreadable
from opsintel_dagster.ingestion import Sighting, csv_records
from opsintel_dagster.ingestion.csv_reading import PIECE_BYTES, STRETCH_BYTES, CsvReading
from opsintel_dagster.ingestion.file_reading import FileReading
from opsintel_dagster.ingestion.hashed_file import HashedFile
from opsintel_dagster.ingestion.json_lines_reading import JsonLinesReading

SMALL_PIECES = st.integers(1, 40)


class Read(NamedTuple):
    """All that a reading gave."""

    frame: pl.DataFrame
    lines: int
    blank_lines: int


def sighting_of(data: bytes) -> Sighting:
    return Sighting("day.csv", len(data), "1", datetime(2026, 1, 1, tzinfo=UTC))


def everything(reading: FileReading, max_rows: int = 1_000) -> Read:
    frames = list(reading.frames(max_rows))
    assert all(frame.height <= max_rows for frame in frames)
    return Read(pl.concat(frames, how="diagonal"), reading.lines, reading.blank_lines)


def read_csv(
    data: bytes,
    *,
    piece_bytes: int = PIECE_BYTES,
    stretch_bytes: int = STRETCH_BYTES,
    max_rows: int = 1_000,
) -> Read:
    reading = CsvReading(
        HashedFile(io.BytesIO(data), "day.csv"),
        sighting_of(data),
        lambda: (len(data), "1"),
        piece_bytes=piece_bytes,
        stretch_bytes=stretch_bytes,
    )
    return everything(reading, max_rows)


def read_json_lines(data: bytes, piece_bytes: int = PIECE_BYTES) -> Read:
    file = HashedFile(io.BytesIO(data), "day.csv")
    reading = JsonLinesReading(
        file, sighting_of(data), lambda: (len(data), "1"), piece_bytes=piece_bytes
    )
    return everything(reading)


def check_every_line_is_in_one_place(lines: list[bytes], frame: pl.DataFrame, header: int) -> None:
    covered = [0] * len(lines)
    for first, last in frame.select("_line", "_line_end").iter_rows():
        for line in range(first, last + 1):
            covered[line - 1] += 1
    for number, (line, times) in enumerate(zip(lines, covered, strict=True), start=1):
        expected = 1 if number > header and (line.strip() or times) else 0
        assert times == expected, (number, line, frame)


TOKENS = [
    b'"', b'""', b'"', b",", b",,", b"\n", b"\r\n", b"\r", b"\n\n", b"a", b"bc", b" ", b"\xff",
    b"\xc3", b"\xa9", b"\x00", b"1,2,3\n", b'"x","y","z"\n', b'"x\ny",,""\r\n', b"'",
    b"\xe2\x80\xa8",
]  # fmt: skip
GARBAGE = st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(body=GARBAGE)
@example(body=b'"open\n1,2,3\n')
@example(body=b'"a"b,2,3\n"c\nd",2,3\r\n')
@example(body=b'a","\n' * 200)
def test_every_line_behind_the_header_is_in_one_record_or_blank(body: bytes) -> None:
    data = b"one,two,three\n" + body
    read = read_csv(data)
    check_every_line_is_in_one_place(data.splitlines(), read.frame, header=1)
    spans = (read.frame["_line_end"] - read.frame["_line"] + 1).sum()
    assert 1 + spans + read.blank_lines == read.lines == len(data.splitlines())
    assert read.frame["_row"].to_list() == list(range(1, read.frame.height + 1))
    texts = read.frame.filter(pl.col("_problem").is_not_null())["_text"]
    assert texts.null_count() == 0


@settings(max_examples=400, deadline=None)
@given(body=GARBAGE, piece_bytes=SMALL_PIECES, max_rows=st.integers(1, 5))
@example(body=b'"open\r\n1,2,3\r\n' * 3, piece_bytes=3, max_rows=2)
def test_what_is_read_depends_neither_on_blocks_nor_on_frames_nor_on_the_way(
    body: bytes, piece_bytes: int, max_rows: int
) -> None:
    data = b"one,two,three\n" + body
    whole = read_csv(data)
    assert_same(read_csv(data, piece_bytes=piece_bytes, max_rows=max_rows), whole)
    assert_same(read_csv(data, stretch_bytes=0), whole)
    assert_same(read_csv(data, stretch_bytes=0, piece_bytes=piece_bytes), whole)


@settings(max_examples=300, deadline=None)
@given(
    body=GARBAGE,
    piece_bytes=SMALL_PIECES,
    lines=st.integers(1, 5),
    size=st.integers(1, 40),
    patience=st.integers(1, 4),
)
def test_where_looking_ahead_ends_does_not_depend_on_blocks(
    body: bytes, piece_bytes: int, lines: int, size: int, patience: int
) -> None:
    data = b"one,two,three\n" + body
    with pytest.MonkeyPatch.context() as limits:
        limits.setattr(csv_records, "LOOK_AHEAD_LINES", lines)
        limits.setattr(csv_records, "LOOK_AHEAD_BYTES", size)
        limits.setattr(csv_records, "_LOOKS", (1, (lines + 1) // 2, lines))
        limits.setattr(csv_records, "_PATIENCE", patience)
        whole = read_csv(data)
        check_every_line_is_in_one_place(data.splitlines(), whole.frame, header=1)
        assert_same(read_csv(data, piece_bytes=piece_bytes), whole)
        assert_same(read_csv(data, piece_bytes=piece_bytes, stretch_bytes=0), whole)
        assert_same(read_csv(data, stretch_bytes=0), whole)


def assert_same(found: Read, expected: Read) -> None:
    assert found.frame.equals(expected.frame), (found.frame, expected.frame)
    assert found.lines == expected.lines
    assert found.blank_lines == expected.blank_lines


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=120) | GARBAGE, piece_bytes=SMALL_PIECES)
def test_bytes_of_any_kind_are_read_or_refused_with_a_reason(data: bytes, piece_bytes: int) -> None:
    for stretch_bytes in (0, STRETCH_BYTES):
        try:
            read_csv(data, piece_bytes=piece_bytes, stretch_bytes=stretch_bytes)
        except SourceError:
            continue  # refused; any other exception fails


CELLS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from('",\n\r '),
    max_size=6,
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=12)
)


@settings(max_examples=300, deadline=None)
@given(
    table=TABLES,
    written_as=st.sampled_from(
        [
            (csv.QUOTE_ALL, "\n"),
            (csv.QUOTE_ALL, "\r\n"),
            (csv.QUOTE_ALL, "\r"),
            (csv.QUOTE_MINIMAL, "\r\n"),  # before another line end the csv module quotes no `\r`
        ]
    ),
    stretch_bytes=st.sampled_from([0, STRETCH_BYTES]),
    piece_bytes=SMALL_PIECES | st.just(PIECE_BYTES),
)
def test_well_formed_csv_is_read_as_the_csv_module_reads_it(
    table: list[list[str]], written_as: tuple[int, str], stretch_bytes: int, piece_bytes: int
) -> None:
    quoting, end = written_as
    names = [f"c{number}" for number in range(len(table[0]))]
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=end).writerows([names, *table])
    written = text.getvalue()
    frame = read_csv(written.encode(), stretch_bytes=stretch_bytes, piece_bytes=piece_bytes).frame
    assert frame["_problem"].null_count() == frame.height
    found = [["" if cell is None else cell for cell in row] for row in frame.select(names).rows()]
    assert found == table == list(csv.reader(io.StringIO(written, newline=""), strict=True))[1:]
    if quoting == csv.QUOTE_ALL:
        assert frame.select(pl.all_horizontal(pl.col(names).is_not_null().all())).item()


@settings(max_examples=150, deadline=None)
@given(body=GARBAGE, kept=st.floats(0, 1), piece_bytes=SMALL_PIECES)
def test_a_gzip_cut_short_keeps_what_came_through_and_says_that_more_is_missing(
    body: bytes, kept: float, piece_bytes: int
) -> None:
    data = b"one,two,three\n" + body
    packed = gzip.compress(data, mtime=0)
    part = packed[: int(len(packed) * kept)]
    try:
        read = read_csv(part, piece_bytes=piece_bytes)
    except SourceUnreadable:
        return
    last = read.frame.row(-1, named=True) if read.frame.height else {"_problem": None}
    assert (last["_problem"] == "truncated") == (len(part) < len(packed))
    assert (read.frame["_problem"] == "truncated").sum() in {0, int(len(part) < len(packed))}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "ü", "d e"]), JSON_VALUES, max_size=4)


@settings(max_examples=200, deadline=None)
@given(objects=st.lists(OBJECTS, min_size=1, max_size=8), piece_bytes=SMALL_PIECES)
def test_values_of_json_lines_are_the_text_they_were_written_as(
    objects: list[dict[str, object]], piece_bytes: int
) -> None:
    data = "".join(json.dumps(found) + "\n" for found in objects).encode()
    if b"\\u0000" in data:
        return
    read = read_json_lines(data, piece_bytes)
    check_every_line_is_in_one_place(data.splitlines(), read.frame, header=0)
    for found, row in zip(objects, read.frame.iter_rows(named=True), strict=True):
        assert row["_problem"] is None
        for key, value in found.items():
            expected = value
            if value is not None and not isinstance(value, str):
                expected = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            assert row[key] == expected


@settings(max_examples=200, deadline=None)
@given(
    body=st.lists(
        st.sampled_from(
            [b'{"a":1}\n', b"{", b"}\n", b"[1]\n", b"\n", b"\r", b"\xff", b'"', b"\0", b" "]
        ),
        max_size=20,
    ).map(b"".join),
    piece_bytes=SMALL_PIECES,
)
def test_every_line_of_json_lines_is_in_one_record_or_blank(body: bytes, piece_bytes: int) -> None:
    data = b'{"a":1}\n' + body
    try:
        read = read_json_lines(data, piece_bytes)
    except SourceUnreadable:
        assert body[:1] in {b"\0", b"\xff"} or b"\0" in data.splitlines()[0]
        return
    assert_same(read_json_lines(data), read)
    check_every_line_is_in_one_place(data.splitlines(), read.frame, header=0)
