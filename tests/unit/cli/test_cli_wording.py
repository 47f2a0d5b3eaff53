"""How commands write times, ages, counts and lines."""

import pytest

from opsintel_dagster.cli.console import answers, plain_table
from opsintel_dagster.cli.keys import read_key
from opsintel_dagster.cli.wording import (
    age,
    counted,
    effort,
    lines_of,
    moment,
    place,
    shown_values,
    source_values,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (5400, "1.5 h"),
        (36_000, "10 h"),
        (172_800, "2.0 d"),
    ],
)
def test_an_age_is_as_exact_as_anybody_needs(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(("minutes", "text"), [(12, "12 min"), (120, "2.0 h"), (4080, "68 h")])
def test_working_time_is_told_in_hours(minutes: float, text: str) -> None:
    assert effort(minutes) == text


def test_plurals_are_formed_by_the_count() -> None:
    assert counted(1, "batch") == "1 batch"
    assert counted(2, "batch") == "2 batches"
    assert counted(1203, "record") == "1,203 records"


def test_a_record_over_several_lines_names_both() -> None:
    assert lines_of("day.csv", 12, 14) == "day.csv lines 12-14"
    assert lines_of("day.csv", 12, 12) == "day.csv line 12"
    assert lines_of("table", None, None) == "table"


def test_raw_text_is_masked_as_soon_as_there_is_personal_data() -> None:
    row = {"_line": 3, "_text": "P1,Jane", "parcel": None, "name": None}
    assert source_values(row, ["name"]) == {"_text": "***"}
    assert source_values(row, []) == {"_text": "P1,Jane"}
    row = {"_text": None, "parcel": "P1", "name": "Jane"}
    assert source_values(row, ["name"]) == {"parcel": "P1", "name": "***"}
    assert source_values(row, ["name"], is_shown=True)["name"] == "Jane"


def test_an_empty_column_that_is_another_files_is_left_out() -> None:
    row = {"_arrival": "a", "parcel": "P1", "note": None, "weight;kg": None, "extra": "x"}
    shown = {"parcel": "P1", "note": None, "extra": "x"}
    assert source_values(row, [], columns=["parcel", "note"]) == shown


def test_a_long_value_is_cut_and_says_how_long_it_is() -> None:
    assert shown_values({"note": "x" * 5000}) == f"note={'x' * 200}… (5,000 characters)"


def test_no_character_of_a_file_reaches_the_terminal_as_a_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = plain_table("value")
    table.add_row("\x1b[31mred\x9b2J")
    answers().print(table)
    answers().print("a\x07\x1b]0;title\x7f\tb")
    shown = capsys.readouterr().out
    assert "␛[31mred�2J" in shown
    assert "␛]0;title␡" in shown
    assert not any(ord(sign) < 32 and sign != "\n" for sign in shown)


def test_a_key_may_hold_a_line_end() -> None:
    facts = {"key": ["parcel"], "columns": ["parcel"]}
    assert read_key("parcels", facts, ["a\nb"]) == {"parcel": "a\nb"}


def test_many_values_are_cut_and_counted() -> None:
    assert shown_values({"a": 1, "b": None, "c": 3}, most=2) == "a=1 b= … and 1 more"


def test_no_moment_is_a_dash_and_paths_elsewhere_stay_whole() -> None:
    assert moment(None) == "—"
    assert place("/somewhere/else") == "/somewhere/else"
