"""A case may have a clock, and something that is decided when nobody has answered by then."""

from datetime import timedelta
from typing import Any

import pytest
from scenario import parcels

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome import FailureMode
from opsintel_dagster.outcome.acceptance import obstacle


def mode(**fields: Any) -> FailureMode:
    declared = {"name": "late", "rules": ["delay.le"], "answer_within": "2h", **fields}
    [made] = parcels(failure_modes=[declared]).failure_modes
    return made


def test_a_clock_is_a_duration_and_needs_no_default() -> None:
    assert mode().answer_within == timedelta(hours=2)
    assert mode().default is None
    assert mode(default="accept").default == "accept"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"default": "discard", "answer_within": None}, "there is no clock; write `answer_within`"),
        ({"default": "discard", "remedy": {"kind": "go_on"}}, "these rows go on"),
        ({"default": "repair"}, "default"),
        ({"answer_within": "0s"}, "leaves no time at all"),
        (
            {"default": "accept", "rules": ["delay.le", "delay.coerce"]},
            "rows that break `delay.coerce` cannot be delivered: a cell is no value",
        ),
        ({"default": "accept", "rules": ["arrival.columns"]}, "columns of the contract"),
    ],
)
def test_a_default_that_nobody_could_take_is_found_when_it_is_declared(
    fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        mode(**fields)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "rule", ["readable", "arrival.columns", "route.none", "refused", "crashed", "n.coerce"]
)
def test_what_cannot_be_delivered_cannot_be_accepted(rule: str) -> None:
    assert obstacle(rule)


@pytest.mark.parametrize("rule", ["n.ge", "n.not_null", "arrival.tolerance", "key.unique"])
def test_anything_else_can(rule: str) -> None:
    assert obstacle(rule) is None
