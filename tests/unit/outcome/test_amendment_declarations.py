"""Amendments as a team declares them: read, refused with what to write, and worked out."""

from typing import Any

import polars as pl
import pytest

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome import (
    Outcome,
    Rename,
    Repair,
    Reroute,
    check,
    content_of,
    contradiction,
    describe,
    load_outcome,
    parse_amendment,
)
from opsintel_dagster.outcome.conditions import ConditionError, parse_value

KNOWN = frozenset({"airport_register", "flight_disruptions"})
MAP = {"kind": "repair", "column": "carrier", "values": {"UA ": "UA"}}
TRIM = {"kind": "repair", "column": "carrier", "expression": "TRIM(carrier)", "when": "day > ''"}
RENAME = {"kind": "rename", "columns": {"line": "carrier"}}
ROUTE = {"kind": "route", "to": "rebooking", "when": "dep_delay > 900"}


def test_what_is_declared_is_what_is_kept(declare: Any, facts: Any) -> None:
    outcome = load_outcome(declare(amendments=[MAP, TRIM, RENAME, ROUTE]), source="defs.yaml")
    assert [content_of(one) for one in outcome.amendments] == [MAP, TRIM, RENAME, ROUTE]
    assert [type(one) for one in outcome.amendments] == [Repair, Repair, Rename, Reroute]
    assert check(outcome, facts, KNOWN) == []


@pytest.mark.parametrize(
    ("amendment", "said"),
    [
        ({"kind": "repair", "column": "carrier"}, "it says neither `values` nor `expression`"),
        ({**MAP, "expression": "TRIM(carrier)"}, "it says both `values` and `expression`"),
        ({**MAP, "values": {"UA": "UA"}}, "`UA` stays `UA`"),
        ({"kind": "rename", "columns": {"line": "line"}}, "`line` is called so already"),
        ({"kind": "rename", "columns": {"_row": "day"}}, "is a name of the package's own columns"),
        ({"kind": "rename", "columns": {"a": "day", "b": "day"}}, "two columns would become `day`"),
        ({"kind": "route", "to": "rebooking"}, "when"),
        ({"kind": "patch"}, "amendments[0]"),
    ],
)
def test_what_says_nothing_is_refused(declare: Any, amendment: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        Outcome(**declare(amendments=[amendment]))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("amendment", "said"),
    [
        ({**MAP, "column": "carier"}, "[0].column: the contract has no column `carier`; write `c"),
        ({**TRIM, "expression": "MAX(carrier)"}, "[0].expression: `MAX(carrier)` cannot be worked"),
        ({**TRIM, "expression": "NOW()"}, "it looks at the clock"),
        ({**TRIM, "when": "CAST(day AS INT) > 1"}, "write TRY_CAST where a number or a date"),
        ({**TRIM, "when": "day"}, "[0].when: `day` cannot be worked out: it is String, not true"),
        ({**TRIM, "expression": "'UA'", "when": None}, "gives every record the same value"),
        ({"kind": "rename", "columns": {"a": "b"}}, "columns.a: the contract has no column `b`"),
        ({"kind": "rename", "columns": {"day": "carrier"}}, "has a column `day` itself"),
        ({**ROUTE, "to": "rebook"}, "[0].to: the route to `rebook` has no receiver; write `reb"),
        ({**ROUTE, "when": "delay > 1"}, "the contract has no column `delay`"),
    ],
)
def test_what_cannot_be_applied_is_a_finding(
    declare: Any, facts: Any, amendment: dict[str, Any], said: str
) -> None:
    outcome = Outcome(**declare(amendments=[amendment]))
    (finding,) = check(outcome, facts, KNOWN)
    assert said in str(finding)


def test_two_that_say_different_things_are_refused(declare: Any) -> None:
    other = {**MAP, "values": {"UA ": "AA", "B6 ": "B6"}}
    with pytest.raises(DeclarationError, match=r"amendments\[0\] says that carrier='UA ' becomes"):
        Outcome(**declare(amendments=[MAP, other]))
    with pytest.raises(DeclarationError, match="it is written twice"):
        Outcome(**declare(amendments=[MAP, MAP]))
    one, two = parse_amendment(MAP), parse_amendment({**MAP, "values": {"B6 ": "B6"}})
    assert contradiction(one, two) is None
    renames = parse_amendment(RENAME), parse_amendment({**RENAME, "columns": {"line": "flight"}})
    assert contradiction(*renames) == "column `line` is `flight`"


def test_an_expression_gives_a_value_and_looks_at_one_record() -> None:
    rows = pl.DataFrame({"dest": [" LAX", None]})
    assert rows.select(parse_value("UPPER(TRIM(dest))")).to_series().to_list() == ["LAX", None]
    assert parse_value("CASE WHEN a = '1' THEN b ELSE NULL END", is_over_text=True) is not None
    with pytest.raises(ConditionError, match="beyond the record"):
        parse_value("FIRST_VALUE(dest) OVER (ORDER BY dest)")
    with pytest.raises(ConditionError, match="such as `TRIM"):
        parse_value("TRIM(")


def test_the_map_names_what_is_amended_and_shows_no_values(declare: Any) -> None:
    text = describe(Outcome(**declare(amendments=[MAP, TRIM, RENAME, ROUTE])))
    assert (
        """\
### What is amended first

- `carrier`: other values instead of 1
- `carrier`: `TRIM(carrier)`, where `day > ''`
- column `line` is `carrier`
- to `rebooking`, where `dep_delay > 900`, before all routes
"""
        in text
    )
