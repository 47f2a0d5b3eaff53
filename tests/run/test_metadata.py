"""Metadata is kept whole in Dagster's event log: it is capped, and personal data masked."""

from datetime import UTC, datetime

import polars as pl
import pytest

from opsintel_dagster.orchestration.evaluations import promise_evaluations, unresolved_evaluation
from opsintel_dagster.orchestration.metadata import (
    SAMPLE_BYTES,
    SAMPLE_ROWS,
    count_table,
    quarantine_metadata,
    sample_table,
)
from opsintel_dagster.orchestration.reports import (
    Conservation,
    OpenCase,
    PromiseReport,
    VerifiedReport,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)


def rows(count: int, text: str = "x") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "_line": list(range(count)),
            "_text": ["Ada,HAM"] * count,
            "name": ["Ada"] * count,
            "depot": [text] * count,
            "_rules": [["depot_known", "weight.ge"]] * count,
        }
    )


def open_case(failure_mode: str, values: dict[str, int], cause: str = "") -> OpenCase:
    return OpenCase(
        id="0123456789abcdef",
        name=f"o.{failure_mode}" + (f":{cause}" if cause else ""),
        failure_mode=failure_mode,
        cause=cause,
        episode=1,
        owner="team:x",
        rows=3,
        values=values,
        opened_at=AT,
        last_seen_at=AT,
    )


def law(**changes: object) -> Conservation:
    places = dict.fromkeys(
        ("discarded", "unchanged", "superseded", "in_flight", "arrivals_duplicate"), 0
    )
    arrivals = dict.fromkeys(("arrivals_superseded", "arrivals_unreadable"), 0)
    whole = {"received": 9, "delivered": 2, "no_action": 1, "open": 6}
    seen = {"arrivals_seen": 1, "arrivals_batched": 1}
    return Conservation(**{**places, **arrivals, **whole, **seen, **changes})


def test_a_sample_has_at_most_twenty_rows():
    lines = sample_table(rows(500), ()).splitlines()
    assert len(lines) == SAMPLE_ROWS + 2


def test_a_sample_of_long_values_stays_below_its_size():
    wide = pl.DataFrame({f"column_{n}": ["ä" * 500] * 20 for n in range(200)})
    text = sample_table(wide, ())
    assert len(text.encode()) <= SAMPLE_BYTES
    assert "more" in text


def test_a_table_of_many_counts_stays_below_its_size():
    table = count_table("rules", "rule", {f"a_rule_with_a_long_name_{n}": n for n in range(5000)})
    assert len(str(table["rules"].value).encode()) <= SAMPLE_BYTES


def test_personal_data_is_masked_and_so_is_the_raw_line_it_may_stand_in():
    assert "Ada" in sample_table(rows(1), ())
    assert "Ada" not in sample_table(rows(1), {"name"})
    assert "x" in sample_table(rows(1), {"name"})


def test_a_value_cannot_break_the_table_it_is_shown_in():
    text = sample_table(rows(1, "a|b\nc"), ())
    assert "a\\|b c" in text
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize(("private", "is_shown"), [((), True), (("unknown_name",), False)])
def test_offending_values_of_a_private_failure_mode_are_masked(private, is_shown):
    case = open_case("unknown_name", {"Ada": 3})
    told = quarantine_metadata(
        VerifiedReport(outcome="o", cases=(case,)), pii=(), private_modes=private
    )
    assert ("Ada" in str(told["cases"])) is is_shown


@pytest.mark.parametrize(
    ("cause", "command"),
    [
        ("", "opsintel cases show o.depot`"),
        ("AA · BB", "opsintel cases show 'o.depot:AA · BB'`"),
        ("a | b", "opsintel cases show 0123456789ab`"),
        ("long " * 40, "opsintel cases show 0123456789ab`"),
    ],
)
def test_each_case_says_its_cause_and_the_command_to_look_at_it(cause, command):
    case = open_case("depot", {}, cause)
    told = quarantine_metadata(VerifiedReport(outcome="o", cases=(case,)), pii=(), private_modes=())
    assert command in str(told["cases"].value)
    assert len(str(told["cases"].value).splitlines()) == 3


def test_cases_alone_are_a_warning_and_what_is_held_is_an_error():
    case = open_case("unknown_depot", {})
    assert unresolved_evaluation(VerifiedReport(outcome="o"), {}).passed
    waiting = unresolved_evaluation(VerifiedReport(outcome="o", cases=(case,)), {})
    assert (waiting.passed, waiting.severity.value, waiting.open) == (False, "WARN", 1)
    report = VerifiedReport(outcome="o", held={"a": ("arrival.tolerance",)})
    held = unresolved_evaluation(report, {"waiting_downstream": "desks"})
    assert (held.passed, held.severity.value) == (False, "ERROR")
    assert held.metadata["waiting_downstream"] == "desks"


def test_the_law_is_told_with_what_is_missing():
    kept, _ = promise_evaluations(PromiseReport(outcome="o", conservation=law()))
    assert (kept.name, kept.passed, kept.open) == ("conservation", True, 0)
    broken, _ = promise_evaluations(PromiseReport(outcome="o", conservation=law(delivered=1)))
    assert (broken.passed, broken.open) == (False, 1)
    assert "9 records arrived and 8 were found" in broken.description
