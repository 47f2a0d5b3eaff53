"""The table the demo ends with."""

import io

import pytest
from rich.console import Console

from opsintel_dagster.cli.demo_figures import Figures, Trouble
from opsintel_dagster.cli.demo_table import hours, show_figures
from opsintel_dagster.orchestration.reports import Conservation


def figures(**changes: object) -> Figures:
    """Ten records: six delivered, three on purpose not, one in quarantine."""
    law: dict[str, int] = {
        "received": 10,
        "delivered": 6,
        "no_action": 3,
        "discarded": 0,
        "unchanged": 0,
        "superseded": 0,
        "open": 1,
        "in_flight": 0,
        "arrivals_seen": 2,
        "arrivals_batched": 2,
        "arrivals_duplicate": 0,
        "arrivals_superseded": 0,
        "arrivals_unreadable": 0,
    }
    values: dict[str, object] = {
        "outcome": "flights",
        "promise": "Everybody gets home.",
        "within_seconds": 900.0,
        "arrivals": 2,
        "late_arrivals": (),
        "received": 10,
        "delivered": {"gate": 4, "care": 2},
        "no_action": 3,
        "quarantined": (Trouble(failure_mode="unknown", records=1, open=1, minutes=90.0),),
        "warned": (Trouble(failure_mode="odd", records=4, open=None, minutes=None),),
        "touches": 0,
        "conservation": Conservation(**law),
    }
    return Figures(**(values | changes))  # type: ignore[arg-type]  # one call for every field


def shown(main: Figures) -> list[list[str]]:
    out = io.StringIO()
    show_figures(Console(file=out, width=120), [figures(outcome="register")], main)
    return [line.split() for line in out.getvalue().splitlines()]


def test_every_figure_stands_beside_its_name() -> None:
    lines = shown(figures())

    assert ["received", "in", "2", "files", "10", "100.0%"] in lines
    assert ["gate", "4", "40.0%"] in lines
    assert ["care", "2", "20.0%"] in lines
    assert ["no", "action,", "on", "purpose", "3", "30.0%"] in lines
    assert ["unknown", "1", "10.0%", "1", "h", "30", "min"] in lines
    assert ["odd", "4", "40.0%"] in lines
    assert ["conservation", "holds", "10", "found", "of", "10"] in lines
    assert ["promise", "kept", "every", "file", "within", "15", "min"] in lines
    assert ["register", "10", "6", "1", "4", "holds"] in lines


def test_a_broken_law_says_by_how_much_and_why() -> None:
    law = figures().conservation
    broken = Conservation(**(vars(law) | {"delivered": 4, "problems": ("gate: 2 are gone",)}))

    lines = shown(figures(conservation=broken))

    assert ["conservation", "BROKEN", "-2", "gate:", "2", "are", "gone"] in lines


def test_late_files_and_healed_records_are_told() -> None:
    healed = Trouble(failure_mode="unknown", records=3, open=1, minutes=6.0)

    lines = shown(figures(late_arrivals=("day.csv",), quarantined=(healed,)))

    assert ["promise", "1", "late", "1", "files", "within", "15", "min"] in lines
    assert ["unknown,", "2", "out", "again", "3", "30.0%", "6", "min"] in lines


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0.0, "0 min"), (59.4, "59 min"), (60, "1 h 0 min"), (90_061, "1,501 h 1 min")],
)
def test_working_time_is_told_in_hours(minutes: float, text: str) -> None:
    assert hours(minutes) == text
