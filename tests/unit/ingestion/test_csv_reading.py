"""What becomes of every line of a CSV file."""

import gzip
import hashlib
from typing import Any

import polars as pl
import pytest

from opsintel_dagster.errors import SourceUnreadable
from opsintel_dagster.ingestion import Problem

PROBLEM = ("_line", "_line_end", "_problem", "_text")


def problems(read: Any) -> list[tuple[Any, ...]]:
    return [row for row in read.rows(*PROBLEM) if row[2] is not None]


def test_values_are_kept_as_text_exactly_as_they_came(read_bytes: Any) -> None:
    read = read_bytes("a,b,c\n 007 ,1e5,Zoë\n".encode())
    assert read.rows() == [(" 007 ", "1e5", "Zoë")]
    assert read.frame.schema == {
        "_row": pl.Int64,
        "_line": pl.Int64,
        "_line_end": pl.Int64,
        "_problem": pl.String,
        "_text": pl.String,
        "a": pl.String,
        "b": pl.String,
        "c": pl.String,
    }
    assert read.rows("_row", "_line", "_line_end", "_problem", "_text") == [(1, 2, 2, None, None)]


def test_an_empty_cell_is_null_and_a_quoted_one_is_the_empty_text(read_bytes: Any) -> None:
    assert read_bytes(b'a,b,c\n,"",x\n').rows() == [(None, "", "x")]


def test_hash_and_size_are_over_the_bytes_as_they_lie_there(read_bytes: Any) -> None:
    packed = gzip.compress(b"a\n1\n", mtime=0)
    for data in (b"a\n1\n", packed):
        reading = read_bytes(data).reading
        assert (reading.size, reading.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("name", ["day.csv.gz", "day.csv"])
def test_gzip_is_told_from_the_content(read_bytes: Any, name: str) -> None:
    packed = gzip.compress(b"a,b\n1,2\n", mtime=0) + gzip.compress(b"3,4\n", mtime=0) + b"\0" * 7
    assert read_bytes(packed, name).rows() == [("1", "2"), ("3", "4")]


def test_a_file_named_gz_that_is_plain_text_is_read_as_what_it_is(read_bytes: Any) -> None:
    assert read_bytes(b"a\n1\n", "day.csv.gz").rows() == [("1",)]


def test_a_header_only_file_is_an_arrival_of_zero_records(read_bytes: Any) -> None:
    for data in (b"a,b", b"a,b\n", b"a,b\r\n\r\n"):
        read = read_bytes(data)
        assert (read.frame.height, read.reading.records) == (0, 0)
        assert read.reading.columns == ("a", "b")
        assert read.frame.columns[-2:] == ["a", "b"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_ends_a_line(read_bytes: Any, end: str) -> None:
    read = read_bytes(end.join(["a,b", "1,2", "", "3,4"]).encode())
    assert read.rows("a", "b", "_line") == [("1", "2", 2), ("3", "4", 4)]
    assert (read.reading.lines, read.reading.blank_lines) == (4, 1)


def test_a_blank_line_is_no_record_even_in_a_file_of_one_column(read_bytes: Any) -> None:
    read = read_bytes(b'a\n1\n\n""\n\n')
    assert read.rows() == [("1",), ("",)]
    assert read.reading.blank_lines == 2


@pytest.mark.parametrize(
    ("data", "declared"),
    [
        (b"\xef\xbb\xbfa,b\n\xc3\xbc,2\n", {}),
        ("a,b\nü,2\n".encode("utf-8-sig"), {"encoding": "utf-8-sig"}),
        ("a,b\nü,2\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("\ufeffa,b\nü,2\n".encode("utf-16-be"), {"encoding": "utf-16-be"}),
        ("a,b\nü,2\n".encode("latin-1"), {"encoding": "latin-1"}),
        ("a;b\nü;2\n".encode("cp1252"), {"encoding": "cp1252", "delimiter": ";"}),
        ("a\tb\nü\t2\n".encode(), {"delimiter": "\t"}),
        ("a|b\nü|2\n".encode(), {"delimiter": "|"}),
        ("a b\nü 2\n".encode(), {"delimiter": " "}),
    ],
)
def test_encodings_marks_and_delimiters(read_bytes: Any, data: bytes, declared: Any) -> None:
    assert read_bytes(data, **declared).rows("a", "b") == [("ü", "2")]


def test_a_ragged_line_is_kept_with_its_text_and_the_others_go_on(read_bytes: Any) -> None:
    read = read_bytes(b"a,b\n1\n1,2\n1,2,3\n")
    assert problems(read) == [(2, 2, "ragged", "1"), (4, 4, "ragged", "1,2,3")]
    assert read.rows() == [(None, None), ("1", "2"), (None, None)]
    assert read.reading.problems == {Problem.RAGGED: 2}
    assert read.reading.records == 3


def test_bytes_that_are_no_text_condemn_their_line_only(read_bytes: Any) -> None:
    read = read_bytes(b'a,b\n\xff,1\n2,2\n"x\n\xe9",2\n3,3\n')
    assert problems(read) == [(2, 2, "encoding", r"\xff,1"), (4, 5, "encoding", '"x\n\\xe9",2')]
    assert read.rows()[1] == ("2", "2")


def test_what_another_encoding_cannot_decode_is_shown_byte_by_byte(read_bytes: Any) -> None:
    read = read_bytes(b"a,b\nx\x81,1\n", encoding="cp1252")
    assert problems(read) == [(2, 2, "encoding", r"x\x81,1")]
    cut = "a,b\n1,2\n".encode("utf-16-le") + b"\x31"
    assert problems(read_bytes(cut, encoding="utf-16-le")) == [(3, 3, "encoding", r"\x31")]


def test_a_nul_condemns_its_line_and_is_shown_escaped(read_bytes: Any) -> None:
    assert problems(read_bytes(b"a,b\n1,\x00\n")) == [(2, 2, "nul", r"1,\x00")]


def test_a_record_over_several_lines_knows_its_lines(read_bytes: Any) -> None:
    read = read_bytes(b'a,b\n"x\r\ny\n\n""z""",1\n2,3\n')
    assert read.rows("_line", "_line_end", "a", "b") == [
        (2, 5, 'x\r\ny\n\n"z"', "1"),
        (6, 6, "2", "3"),
    ]


def test_a_ragged_record_over_several_lines_is_condemned_as_a_whole(read_bytes: Any) -> None:
    """Its quoting is sound, so the lines within it are text, not records."""
    assert problems(read_bytes(b'a,b\n"x\n1,2\n",1,2\n')) == [(2, 4, "ragged", '"x\n1,2\n",1,2')]


@pytest.mark.parametrize("is_long", [False, True])
def test_a_quote_that_never_closes_condemns_only_the_line_it_opens_on(
    read_bytes: Any, is_long: bool
) -> None:
    count = 30_000 if is_long else 3
    read = read_bytes(b'a,b\n1,"oops\n' + b"2,fine\n" * count)
    assert problems(read) == [(2, 2, "unclosed_quote", '1,"oops')]
    assert read.reading.records == count + 1


def test_text_behind_a_closing_quote_condemns_the_line_it_opened_on(read_bytes: Any) -> None:
    read = read_bytes(b'a,b\n"x"y,1\n1,"open\n2,"b"\n3,4\n')
    assert problems(read) == [(2, 2, "malformed", '"x"y,1'), (3, 3, "unclosed_quote", '1,"open')]
    assert read.rows()[2:] == [("2", "b"), ("3", "4")]


def test_a_quote_within_an_unquoted_cell_is_a_character(read_bytes: Any) -> None:
    assert read_bytes(b'a,b\n5" pipe,6"x"\n').rows() == [('5" pipe', '6"x"')]


def test_a_file_full_of_quotes_that_open_is_read_to_its_end(read_bytes: Any) -> None:
    read = read_bytes(b"a,b\n" + b'x","y\n' * 20_000)
    assert read.reading.lines == 20_001
    assert sum(last - first + 1 for first, last in read.rows("_line", "_line_end")) == 20_000


def test_a_cut_gzip_gives_what_came_through_and_one_truncated_record(read_bytes: Any) -> None:
    packed = gzip.compress(b"a,b\n" + b"".join(b"%d,value\n" % n for n in range(20_000)))
    read = read_bytes(packed[:-3000], "day.csv.gz")
    *good, last = read.rows("_problem", "b")
    assert len(good) > 5_000
    assert set(good) == {(None, "value")}
    assert last == ("truncated", None)


def test_a_gzip_cut_within_a_quote_ends_with_one_truncated_record(read_bytes: Any) -> None:
    packed = gzip.compress(b'a,b\n1,2\n"x\ny\nz', mtime=0)[:-8]
    assert problems(read_bytes(packed)) == [(3, 5, "truncated", '"x\ny\nz')]


def test_a_gzip_whose_checksum_is_wrong_is_unreadable_as_a_whole(read_bytes: Any) -> None:
    packed = bytearray(gzip.compress(b"a,b\n1,2\n", mtime=0))
    packed[-6] ^= 1
    with pytest.raises(SourceUnreadable, match="corrupt"):
        read_bytes(bytes(packed))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty: not even a header"),
        (b"\xef\xbb\xbf", "empty: not even a header"),
        (b"\n\r\n", "empty: not even a header"),
        (b"a,b,a\n", "'a' 2 times"),
        (b"a,,b\n", "column 2 of its header has no name"),
        (b"a,_row\n", "'_row' is a name this package needs"),
        (b'a,"b\n1,2\n', "broken quoting"),
        (b"a,\xff\n1,2\n", "no text in utf-8"),
        ("a,b\n1,2\n".encode("utf-16"), "declare `encoding: utf-16`"),
        (b"PK\x03\x04\x14\x00\x06\x00", "zip archive or an Excel workbook"),
        (b"%PDF-1.7\n", "a PDF document"),
        (bytes(range(256)) * 9000, "is binary"),
        (gzip.compress(gzip.compress(b"a\n", mtime=0), mtime=0), "gzipped twice"),
        (gzip.compress(b"a,b,c\n1,2,3\n", mtime=0)[:12], "cut short within its header"),
        (b"x" * (2 << 20), "no header in its first megabyte"),
    ],
)
def test_a_file_nothing_can_be_read_from_says_why(
    read_bytes: Any, data: bytes, reason: str
) -> None:
    with pytest.raises(SourceUnreadable) as error:
        read_bytes(data)
    assert reason in error.value.reason


def test_a_name_of_the_source_may_begin_with_an_underscore(read_bytes: Any) -> None:
    assert read_bytes(b"_id,b\n1,2\n").rows("_id") == [("1",)]


def test_a_header_may_span_lines_and_follow_blank_ones(read_bytes: Any) -> None:
    read = read_bytes(b'\n"a\nb",c\n1,2\n')
    assert read.reading.columns == ("a\nb", "c")
    assert read.rows("_line", "c") == [(4, "2")]


def test_quoted_files_take_the_fast_way_and_read_the_same(read_bytes: Any) -> None:
    line = b'"x ""y""","",,"a,b"\n'
    read = read_bytes(b"a,b,c,d\n" + line * 5_000)
    assert set(read.rows()) == {('x "y"', "", None, "a,b")}
    assert read.reading.records == 5_000


def test_frames_hold_no_more_rows_than_asked_for(read_bytes: Any) -> None:
    read = read_bytes(b"a\n" + b"1\n" * 20_000)
    assert read.rows("_row") == [(n,) for n in range(1, 20_001)]
