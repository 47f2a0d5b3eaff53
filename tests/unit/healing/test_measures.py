"""Whether it heals itself is counted from failed attempts, by what ended them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opsintel_dagster.healing.measures import Measures, Trouble, measure

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def trouble(begins: float, lasts: float | None, by: str | None = "drain", **more: Any) -> Trouble:
    """One that began after so many minutes and lasted so many."""
    began = NOW + timedelta(minutes=begins)
    return Trouble(
        **{
            "outcome": "parcels",
            "cause": ("delivered", "dependency_down", "desk"),
            "began_at": began,
            "settled_at": None if lasts is None else began + timedelta(minutes=lasts),
            "settled_by": None if lasts is None else by,
            "attempts": 1,
            "due_at": None,
            **more,
        }
    )


def test_nothing_failed() -> None:
    said = measure([])
    assert (said.troubles, said.healed, said.median_seconds_to_heal) == (0, 0, None)


def test_what_a_drain_ended_is_healed_and_what_a_person_ended_is_not() -> None:
    said = measure([trouble(0, 2), trouble(5, 4), trouble(0, 9, "ada"), trouble(0, None)])
    assert (said.healed, said.by_people, said.open) == (2, 1, 1)
    assert said.median_seconds_to_heal == 180
    assert said.longest_seconds_to_heal == 240


def test_the_same_cause_within_a_day_of_its_healing_is_regretted_once() -> None:
    day = 24 * 60
    assert measure([trouble(0, 2), trouble(60, 2)]).regret == 1
    assert measure([trouble(0, 2), trouble(day + 3, 2)]).regret == 0
    other = trouble(60, 2, cause=("verified", "bug", ""))
    assert measure([trouble(0, 2), other]).regret == 0
    assert measure([trouble(0, 2), trouble(60, 2, outcome="letters")]).regret == 0


def test_what_was_noted_before_the_promise_was_broken_is_early() -> None:
    due = NOW + timedelta(minutes=15)
    said = measure([trouble(0, 2, due_at=due), trouble(16, 2, due_at=due), trouble(0, 2)])
    assert (said.early, said.dated) == (1, 2)


@given(
    st.lists(
        st.builds(
            trouble,
            st.integers(0, 5_000),
            st.none() | st.integers(0, 500),
            st.sampled_from(["drain", "ada", "deployment"]),
        ),
        max_size=20,
    )
)
def test_every_trouble_is_counted_once(troubles: list[Trouble]) -> None:
    said: Measures = measure(troubles)
    assert said.troubles == said.healed + said.by_people + said.open
    assert said.regret <= said.healed
    assert (said.median_seconds_to_heal is None) == (said.healed == 0)
