"""What becomes of every line of a JSON lines file."""

import gzip
from typing import Any

import pytest

from opsintel_dagster.errors import SourceUnreadable


def test_values_are_kept_as_the_text_they_were_written_as(read_bytes: Any) -> None:
    read = read_bytes(
        b'{"s":" 1 ","n":1.10,"i":123456789012345678901234567890,"t":true,"f":false,"z":null,'
        b'"o":{"k": [1.0, "\\u00e9", null]}}\n',
        "day.jsonl",
    )
    assert read.rows("s", "n", "i", "t", "f", "z", "o") == [
        (
            " 1 ",
            "1.10",
            "123456789012345678901234567890",
            "true",
            "false",
            None,
            '{"k":[1.0,"é",null]}',
        )
    ]


def test_columns_are_the_union_of_keys_in_the_order_they_appear(read_bytes: Any) -> None:
    read = read_bytes(b'{"b":1}\n{"a":2,"b":3}\n', "day.ndjson")
    assert read.reading.columns == ("b", "a")
    assert read.rows() == [("1", None), ("3", "2")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"a":1', "malformed"),
        (b"[1]", "malformed"),
        (b'"a"', "malformed"),
        (b'{"a":1,"a":2}', "malformed"),
        (b'{"a":{"b":1,"b":2}}', "malformed"),
        (b'{"a":NaN}', "malformed"),
        (b'{"_row":1}', "malformed"),
        (b'{"":1}', "malformed"),
        (b'{"a":"\\ud800"}', "malformed"),
        (b'{"a":"\xff"}', "encoding"),
        (b'{"a":"\\u0000"}', "nul"),
    ],
)
def test_a_bad_line_is_kept_with_its_text(read_bytes: Any, line: bytes, problem: str) -> None:
    read = read_bytes(b'{"a":0}\n\n' + line + b'\n{"a":2}\n', "day.jsonl")
    assert read.rows("_line", "_problem", "a") == [
        (1, None, "0"),
        (3, problem, None),
        (4, None, "2"),
    ]
    assert read.frame["_text"][1] == line.decode("utf-8", "backslashreplace")
    assert read.reading.blank_lines == 1


def test_a_file_without_one_object_is_unreadable(read_bytes: Any) -> None:
    with pytest.raises(SourceUnreadable, match="JSON array"):
        read_bytes(b'[\n{"a":1},\n{"a":2}\n]\n', "day.json")
    with pytest.raises(SourceUnreadable, match="JSON array"):
        read_bytes(b'[{"a":1},{"a":2}]', "day.json")
    with pytest.raises(SourceUnreadable, match="none of its 2 records"):
        read_bytes(b"a,b\n1,2\n", "day.jsonl")
    with pytest.raises(SourceUnreadable, match="binary"):
        read_bytes(b"\0\1\2", "day.jsonl")


def test_an_empty_file_is_an_arrival_of_zero_records(read_bytes: Any) -> None:
    read = read_bytes(b"", "day.jsonl")
    assert (read.reading.records, read.reading.columns, read.frame.height) == (0, (), 0)


def test_a_cut_gzip_ends_with_a_truncated_record(read_bytes: Any) -> None:
    packed = gzip.compress(b'{"a":1}\n{"a":2}\n{"a"', mtime=0)[:-8]
    assert read_bytes(packed, "day.jsonl.gz").rows("_line", "_problem", "_text") == [
        (1, None, None),
        (2, None, None),
        (3, "truncated", '{"a"'),
    ]
    packed = gzip.compress(b'{"a":1}\n', mtime=0)[:-8]
    assert read_bytes(packed, "day.jsonl.gz").frame["_problem"].to_list() == [None, "truncated"]


def test_a_byte_order_mark_is_no_part_of_the_first_object(read_bytes: Any) -> None:
    assert read_bytes(b'\xef\xbb\xbf{"a":1}\n', "day.jsonl").rows() == [("1",)]
