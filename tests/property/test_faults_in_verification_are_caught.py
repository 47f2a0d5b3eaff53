"""Faults seeded into the compiler; the differential test has to catch every one of them."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, find, settings
from test_verification_is_panderas_verdict import Case, cases, is_panderas

from opsintel_dagster.verification import compiled, judging, reasons, row_rules, uniqueness

Fault = Callable[[pytest.MonkeyPatch], None]


def nulls_are_treated_the_other_way(patch: pytest.MonkeyPatch) -> None:
    right = row_rules.broken
    patch.setattr(compiled, "broken", lambda e, *, ignore_na: right(e, ignore_na=not ignore_na))


def nan_is_a_value(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(judging, "_is_empty", lambda name, _: pl.col(name).is_null())


def nothing_is_repeated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(uniqueness, "shared", lambda hashes: hashes.clear())


def arrivals_are_compared_with_each_other(patch: pytest.MonkeyPatch) -> None:
    right = judging.repeated
    patch.setattr(judging, "repeated", lambda v, _codes, *rest: right(v, None, *rest))


def collisions_count_as_equal(patch: pytest.MonkeyPatch) -> None:
    right = uniqueness._repeated
    patch.setattr(
        uniqueness, "exactly_repeated", lambda f, *_: pl.ones(f.height, pl.Boolean, eager=True)
    )
    patch.setattr(
        uniqueness, "_repeated", lambda f, r, p, _: right(f, r, p, lambda x: x.hash_rows() % 2)
    )


def windows_are_taken_for_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compiled, "is_row_wise", lambda _: True)


def a_bit_is_off_by_one(patch: pytest.MonkeyPatch) -> None:
    right = reasons._decoded
    patch.setattr(reasons, "_decoded", lambda row, rules: right(row, [*rules[1:], rules[0]]))


def one_of_several_outputs_is_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        compiled,
        "broken",
        lambda e, *, ignore_na: ~pl.any_horizontal(e).fill_null(value=ignore_na),
    )


WITHOUT_SHRINKING = settings(max_examples=2000, deadline=None, phases=[Phase.generate])
FAULTS: list[Fault] = [
    nulls_are_treated_the_other_way,
    nan_is_a_value,
    nothing_is_repeated,
    arrivals_are_compared_with_each_other,
    collisions_count_as_equal,
    windows_are_taken_for_rows,
    a_bit_is_off_by_one,
    one_of_several_outputs_is_enough,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_caught(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)

    def is_caught(case: Case) -> bool:
        try:
            is_panderas(case)
        except Exception:  # noqa: BLE001 - a crash is caught as well as a wrong verdict
            return True
        return False

    find(cases(), is_caught, settings=WITHOUT_SHRINKING)
