"""How commands write times, ages, counts and lines."""

import pytest

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


def test_many_values_are_cut_and_counted() -> None:
    assert shown_values({"a": 1, "b": None, "c": 3}, most=2) == "a=1 b= … and 1 more"


def test_no_moment_is_a_dash_and_paths_elsewhere_stay_whole() -> None:
    assert moment(None) == "—"
    assert place("/somewhere/else") == "/somewhere/else"
