"""Bounds that are learned from history: how many records, and how many empty values."""

import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsintel_dagster.verification.baselines import (
    HISTORY,
    LEAST_ARRIVALS,
    null_rate_bounds,
    volume_bounds,
)

BOSTON = Path(__file__).parents[4] / "shared" / "data" / "boston_311_2015"
history = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 10**9)), min_size=LEAST_ARRIVALS, max_size=40
)


def test_too_little_history_is_silent() -> None:
    few = [(day % 7, 100) for day in range(LEAST_ARRIVALS - 1)]
    assert volume_bounds(0, 0, few) is None
    assert null_rate_bounds(50, 50, [(0, 100)] * (LEAST_ARRIVALS - 1)) is None


def test_a_file_of_nothing_where_there_were_thousands_is_unusual() -> None:
    steady = [(day % 7, 1000 + day) for day in range(20)]
    bounds = volume_bounds(0, 3, steady)
    assert bounds is not None
    assert bounds.is_outside
    assert bounds.lower < 1010 < bounds.upper


def test_a_quiet_weekday_is_usual_on_its_weekday_only() -> None:
    weeks = [(day % 7, 50 if day % 7 == 6 else 1000 + day % 5) for day in range(70)]
    sunday, monday = volume_bounds(52, 6, weeks), volume_bounds(52, 0, weeks)
    assert sunday is not None
    assert monday is not None
    assert not sunday.is_outside
    assert monday.is_outside


def test_one_outlier_in_the_history_changes_nothing() -> None:
    steady = [(0, 1000 + day) for day in range(20)]
    with_outlier = [*steady[:-1], (0, 1_000_000)]
    clean, dirty = volume_bounds(900, 0, steady), volume_bounds(900, 0, with_outlier)
    assert clean is not None
    assert dirty is not None
    assert dirty.upper < 2 * clean.upper


def test_a_new_normal_is_normal_when_most_of_the_history_has_it() -> None:
    moved = [(0, 1000)] * 40 + [(0, 5000)] * 50
    bounds = volume_bounds(5000, 0, moved)
    assert bounds is not None
    assert not bounds.is_outside


@given(history, st.integers(0, 6), st.randoms(use_true_random=False))
def test_bounds_hold_their_baseline_and_do_not_depend_on_order(
    before: list[tuple[int, int]], weekday: int, random_: random.Random
) -> None:
    bounds = volume_bounds(0, weekday, before)
    shuffled = list(before)
    random_.shuffle(shuffled)
    assert bounds == volume_bounds(0, weekday, shuffled)
    assert bounds is not None
    assert 0 <= bounds.lower <= bounds.baseline <= bounds.upper


@given(
    st.lists(st.tuples(st.integers(0, 50), st.just(50)), min_size=LEAST_ARRIVALS, max_size=20),
    st.integers(0, 50),
)
def test_what_all_arrivals_had_is_never_unusual(before: list[tuple[int, int]], empty: int) -> None:
    rate = before[0][0]
    bounds = null_rate_bounds(rate, 50, [(rate, 50)] * len(before))
    assert bounds is not None
    assert not bounds.is_outside
    other = null_rate_bounds(empty, 50, before)
    assert other is not None
    assert 0 <= other.lower <= other.baseline <= other.upper <= 1


def test_a_column_that_empties_is_unusual_and_a_few_empty_cells_are_not() -> None:
    before = [(10 + day % 3, 1000) for day in range(20)]
    emptied, few = null_rate_bounds(600, 1000, before, 30), null_rate_bounds(14, 1000, before, 30)
    assert emptied is not None
    assert few is not None
    assert emptied.is_outside
    assert not few.is_outside


def test_a_column_that_is_filled_all_at_once_is_unusual_too() -> None:
    bounds = null_rate_bounds(0, 1000, [(500 + day, 1000) for day in range(20)])
    assert bounds is not None
    assert bounds.is_outside


def test_few_records_prove_nothing() -> None:
    bounds = null_rate_bounds(2, 5, [(0, 5)] * 20, 30)
    assert bounds is not None
    assert not bounds.is_outside


@pytest.mark.skipif(not BOSTON.is_dir(), reason="shared data is absent")
def test_a_year_of_real_requests_is_mostly_quiet_and_a_day_with_a_tenth_is_seen() -> None:
    opened = pl.read_parquet(BOSTON / "boston_311_2015.parquet", columns=["OPEN_DT"])
    text = pl.col("OPEN_DT").str.slice(0, 10).str.to_date("%m/%d/%Y")
    days = opened.group_by(text.alias("day")).len().sort("day").rows()
    seen: list[tuple[int, int]] = []
    false_alarms, found, judged = 0, 0, 0
    for day, records in days:
        past = seen[-HISTORY:]
        usual = volume_bounds(records, day.weekday(), past)
        lost = volume_bounds(records // 10, day.weekday(), past)
        if usual is not None and lost is not None:
            judged += 1
            false_alarms += usual.is_outside
            found += lost.is_outside
        seen.append((day.weekday(), records))
    assert judged > 300
    assert false_alarms / judged < 0.05
    assert found / judged > 0.8
