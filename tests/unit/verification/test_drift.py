"""Columns that come, go, change their names or their kind of value."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsintel_dagster.verification.drift import Drift, DriftKind, find_drift
from opsintel_dagster.verification.profiles import Kind, Profile, Profiler, kinds_of
from opsintel_dagster.verification.renames import LEAST_CONFIDENCE, name_likeness, propose_renames

NYC = Path(__file__).parents[4] / "shared" / "data" / "nyc_311_samples"


def profile_of(frame: pl.DataFrame) -> Profile:
    profiler = Profiler({"_problem"})
    profiler.add(frame)
    return profiler.profile()


def values_of(frame: pl.DataFrame) -> dict[str, list[str]]:
    return {one.name: one.drop_nulls().cast(pl.String).to_list()[:200] for one in frame}


def drift(before: pl.DataFrame | None, now: pl.DataFrame, required: list[str]) -> tuple[Drift, ...]:
    return find_drift(
        required,
        required,
        None if before is None else profile_of(before),
        profile_of(now),
        values_before={} if before is None else values_of(before),
        values_now=values_of(now),
    )


def columns(drifts: tuple[Drift, ...], kind: DriftKind) -> set[str]:
    return {one.column for one in drifts if one.kind is kind}


def snake(name: str) -> str:
    return "_".join(name.lower().replace("(", "").replace(")", "").split())


def test_what_the_contract_does_not_know_is_news_once() -> None:
    plain, more = pl.DataFrame({"a": ["1"]}), pl.DataFrame({"a": ["1"], "note": ["x"]})
    assert drift(plain, more, ["a"]) == (Drift(DriftKind.ADDED, "note"),)
    assert drift(more, more, ["a"]) == ()
    assert drift(more, plain, ["a"]) == (Drift(DriftKind.REMOVED, "note"),)


def test_the_first_arrival_is_compared_with_the_contract() -> None:
    found = drift(None, pl.DataFrame({"b": ["1"]}), ["weight"])
    assert {(one.kind, one.column) for one in found} == {
        (DriftKind.REMOVED, "weight"),
        (DriftKind.ADDED, "b"),
    }


def test_another_spelling_of_a_name_is_a_rename() -> None:
    before = pl.DataFrame({"Customer ID": [str(n) for n in range(30)]})
    now = before.rename({"Customer ID": "customer_id"})
    (found,) = drift(before, now, [])
    assert (found.kind, found.column, found.now) == (
        DriftKind.RENAMED,
        "Customer ID",
        "customer_id",
    )
    assert found.confidence == 1.0


def test_the_same_values_under_a_name_nobody_would_guess_are_a_rename() -> None:
    before = pl.DataFrame({"destination": [f"A{n:02}" for n in range(40)]})
    (found,) = drift(before, before.rename({"destination": "xyz"}), [])
    assert (found.kind, found.now) == (DriftKind.RENAMED, "xyz")


def test_another_name_with_other_values_is_no_rename() -> None:
    before = pl.DataFrame({"weight": [f"{n}.5" for n in range(40)]})
    now = pl.DataFrame({"comment": ["fragile"] * 40})
    assert {one.kind for one in drift(before, now, [])} == {DriftKind.ADDED, DriftKind.REMOVED}


def test_several_names_read_as_one_ask_for_their_delimiter() -> None:
    now = pl.DataFrame({"parcel;weight": ["P1;2.5"]})
    *_, added = drift(None, now, ["parcel", "weight"])
    assert str(added) == (
        "parcel;weight was added (does `;` separate the columns? then declare it as `delimiter`)"
    )
    assert Drift.from_json(added.to_json()) == added
    (same,) = drift(None, now, [])
    assert str(same) == "parcel;weight was added"  # of names that nobody misses


def test_a_renamed_column_may_have_changed_its_kind_too() -> None:
    before = pl.DataFrame({"Created Date": ["01/31/2019 06:35:53 PM"] * 30})
    now = pl.DataFrame({"created_date": ["2023-12-10T00:25:57.000"] * 30})
    renamed, retyped = drift(before, now, [])
    assert renamed.kind is DriftKind.RENAMED
    assert (retyped.was, retyped.now) == (Kind.SLASHED_DATE, Kind.ISO_DATE)
    assert str(retyped) == "Created Date was date like 01/31/2013 and is date like 2013-01-31"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "-3e4", "1,5"] * 10, Kind.NUMBER),
        (["true", "False", "YES", "no"] * 10, Kind.TRUTH),
        (["2013-01-31", "2013-01-31T10:00:00Z"] * 10, Kind.ISO_DATE),
        (["31.01.2013", "1.2.13"] * 10, Kind.DOTTED_DATE),
        (["HAM", "BER"] * 10, Kind.TEXT),
        (["1", "HAM"] * 10, None),
        (["1"] * 19, None),
    ],
)
def test_a_kind_is_what_almost_all_values_are(values: list[str], kind: Kind | None) -> None:
    assert kinds_of(pl.DataFrame({"c": values})).get("c") is kind


def test_null_tokens_and_unreadable_records_say_nothing() -> None:
    frame = pl.DataFrame(
        {
            "_problem": [None] * 25 + ["ragged"],
            "n": ["1"] * 20 + ["NA"] * 4 + [None, None],
        }
    )
    profiler = Profiler({"_problem"}, ["NA"])
    profiler.add(frame)
    profile = profiler.profile()
    assert (profile.records, profile.empty["n"]) == (25, 5)
    assert profile.kinds == {"n": Kind.NUMBER}


def test_a_column_that_comes_with_a_later_frame_was_empty_before() -> None:
    profiler = Profiler(())
    profiler.add(pl.DataFrame({"a": ["1", "2"]}))
    profiler.add(pl.DataFrame({"a": ["3"], "b": ["x"]}))
    assert profiler.profile().empty == {"a": 0, "b": 2}


def test_an_arrival_without_columns_or_without_texts_has_a_profile() -> None:
    profiler = Profiler({"_row"}, ["NA"])
    profiler.add(pl.DataFrame({"_row": [1, 2]}))
    assert profiler.profile() == Profile(2, {}, {})
    profiler.add(pl.DataFrame({"_row": [3], "n": [1]}))
    assert profiler.profile().empty == {"n": 2}


def test_a_type_the_file_gives_is_a_kind() -> None:
    frame = pl.DataFrame({"n": range(30), "d": ["2013-01-31"] * 30}).with_columns(
        pl.col("d").str.to_date()
    )
    assert profile_of(frame).kinds == {"n": Kind.NUMBER, "d": Kind.ISO_DATE}


def test_the_ledger_gives_back_what_it_was_given() -> None:
    profile = profile_of(pl.DataFrame({"n": ["1"] * 30, "t": ["x", None] * 15}))
    assert Profile.from_json(profile.to_json()) == profile


names = st.text("abcABC _1", max_size=8)


@given(st.lists(names, unique=True, max_size=6), st.lists(names, unique=True, max_size=6))
def test_each_column_is_renamed_at_most_once_and_no_pair_is_better_than_both_got(
    gone: list[str], new: list[str]
) -> None:
    found = propose_renames(gone, new, {}, {})
    assert len({one.column for one in found}) == len({one.now for one in found}) == len(found)
    by_old = {one.column: one.confidence for one in found}
    by_new = {one.now: one.confidence for one in found}
    for old in gone:
        for now in new:
            (alone,) = propose_renames([old], [now], {}, {}) or (None,)
            if alone is not None:
                least = max(by_old.get(old, 0.0), by_new.get(now, 0.0))
                assert least >= alone.confidence >= LEAST_CONFIDENCE


@given(names, names)
def test_likeness_of_names_has_no_direction_and_ends_at_one(old: str, now: str) -> None:
    assert 0.0 <= name_likeness(old, now) <= 1.0
    assert name_likeness(old, old) == 1.0
    assert (name_likeness(old, now) == 1.0) == (name_likeness(now, old) == 1.0)


@pytest.mark.skipif(not NYC.is_dir(), reason="shared data is absent")
def test_three_real_exports_with_three_sets_of_columns_are_told_apart() -> None:
    old, middle, new = (
        pl.read_csv(NYC / name, infer_schema=False)
        for name in (
            "nyc311_export2019_1000rows.csv",
            "nyc311_2023_500rows.csv",
            "nyc311_animals_2025.csv",
        )
    )
    to_snake_case = drift(old, middle, [])
    renamed = {one.column: one.now for one in to_snake_case if one.kind is DriftKind.RENAMED}
    assert renamed == {name: snake(name) for name in old.columns if snake(name) in middle.columns}
    assert len(renamed) == 38
    assert columns(to_snake_case, DriftKind.REMOVED) == {
        "Facility Type",
        "Due Date",
        "Taxi Company Borough",
    }
    assert {name[:18] for name in columns(to_snake_case, DriftKind.ADDED)} == {":@computed_region_"}
    to_title_case = drift(middle, new, [])
    back = {one.column: one.now for one in to_title_case if one.kind is DriftKind.RENAMED}
    assert back == {snake(name): name for name in new.columns if snake(name) in middle.columns}
    assert len(back) == 29
    assert columns(to_title_case, DriftKind.ADDED) == {"Facility Type", "Due Date"}
    for found in (to_snake_case, to_title_case):
        assert {snake(name) for name in columns(found, DriftKind.RETYPED)} == {
            "created_date",
            "closed_date",
            "resolution_action_updated_date",
        }
