from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from opsintel_dagster.outcome import Outcome, Route, check

KNOWN = frozenset({"airport_register", "flight_disruptions"})


def checked(data: Mapping[str, Any], facts: Any, **options: Any) -> list[str]:
    return [
        f"{finding.where}: {finding.what}; {finding.fix}"
        for finding in check(Outcome(**data), facts, options.pop("known", KNOWN), **options)
    ]


def mode(**changes: Any) -> dict[str, Any]:
    return {"failure_modes": [{"name": "x", "rules": ["dest_known"], **changes}]}


def test_a_sound_declaration_has_no_findings(declare: Any, facts: Any) -> None:
    assert checked(declare(), facts) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (mode(rules=["dest_knwn"]), "[0].rules[0]: the contract has no rule `dest_knwn`; write `d"),
        (mode(rules=["key.repeat"]), "`key.repeat` is never broken, `repeats` is `deliver`"),
        ({**mode(rules=["key.unique"]), "key": []}, "`key.unique` is never broken"),
        (mode(remedy={"kind": "go_on"}), "cannot go on, it is no warning in the contract"),
        (mode(rules=["readable"], remedy={"kind": "go_on"}), "cannot go on"),
        (mode(rules=["tail_known"]), "write `remedy: {kind: go_on}`"),
        (
            mode(remedy={"kind": "quarantine", "replay_when": "airport_registr"}),
            "looks anything up in `airport_registr`; write `airport_register`",
        ),
        (
            mode(per=["flght"]),
            "[0].per[0]: the contract has no column `flght`; write `flight`",
        ),
        (mode(per=["flight", "carrier"]), "[0].per[1]: `carrier` is personal data, which names no"),
        (
            mode(rules=["arrival.tolerance"], per=["flight"]),
            "[0].per: `arrival.tolerance` holds all rows of an arrival together",
        ),
        ({"key": ["flght"]}, "key[0]: the contract has no column `flght`; write `flight`"),
        ({"key": [], "repeats": "hold"}, "repeats: `hold` asks whether a key was delivered"),
        ({"key": [], "repeats": "skip_equal"}, "repeats: `skip_equal` asks"),
        (
            {"references": {"fleet": {"shrink": 0.1}}},
            "references.fleet: no rule of the contract looks anything up in `fleet`; the refer",
        ),
        (
            {"routes": [{"to": "nowhere"}, {"to": "rebooking", "when": "flight = 1"}]},
            "routes[0]: the route to `nowhere` takes every record, the routes after it get none",
        ),
        (
            {"routes": [{"to": "rebooking"}, {"to": "desk"}], "handoff": ...},
            "routes[0]: the route to `rebooking` takes every record",
        ),
        ({"routes": [{"to": "rebokking"}]}, "add `rebokking` to `handoff`, or write `rebooking`"),
        ({"routes": [{"to": "nowhere"}]}, "handoff.rebooking: no route leads to the receiver"),
        ({"routes": [], "handoff": {}}, "routes: no record leads anywhere"),
        (
            {
                "routes": [],
                "handoff": {n: {"kind": "files", "path": n} for n in ("a", "b")},
            },
            "routes: there are several receivers and no route",
        ),
        (
            {"routes": [{"to": "rebooking", "when": "dep_dely > 3"}]},
            "cannot decide: the contract has no column `dep_dely`; write `dep_delay`",
        ),
        (
            {"source": {"kind": "upstream", "asset": "flight_disruptions/delivered"}},
            "source.asset: the outcome would wait for what it delivers itself",
        ),
        (
            {"source": {"kind": "upstream", "asset": "airport_registr/delivered"}},
            "or `<outcome>/delivered`; write `airport_register`",
        ),
        ({"source": {"kind": "upstream", "asset": "dbt/x"}}, "write `path` to say where its data"),
        (
            mode(rules=["arrival.volume"]),
            "arrivals go on with a warning; write `symptoms: {volume: hold}`",
        ),
    ],
)
def test_what_does_not_fit_the_contract_or_the_neighbours_is_found(
    declare: Any, facts: Any, change: dict[str, Any], finding: str
) -> None:
    found = checked(declare(**change), facts)
    assert any(finding in text for text in found), found


@pytest.mark.parametrize(
    "change",
    [
        mode(rules=["key.repeat"]) | {"repeats": "hold"},
        mode(rules=["arrival.drift"]) | {"symptoms": {"drift": "hold"}},
        mode(rules=["readable", "refused", "arrival.tolerance", "route.none", "key.unique"]),
        {"routes": []},
        {"source": {"kind": "upstream", "asset": "dbt/x", "path": "warehouse/x.parquet"}},
        {"source": {"kind": "upstream", "asset": "airport_register/delivered"}},
        {"references": {"airport_register": {"shrink": 0.1}}},
    ],
)
def test_what_fits_is_left_alone(declare: Any, facts: Any, change: dict[str, Any]) -> None:
    assert checked(declare(**change), facts) == []


def test_a_reference_nobody_produces_is_found_once_where_it_is_looked_up(
    declare: Any, facts: Any
) -> None:
    (found,) = checked(declare(**mode()), facts, known={"airport_registers"})
    assert found == (
        "flight_disruptions.contract: no outcome `airport_register` produces the reference its "
        "rules look up; declare it, or write `airport_registers`"
    )


def test_columns_and_rules_of_the_contract_may_not_take_the_packages_names(
    declare: Any, facts: Any
) -> None:
    spoiled = replace(
        facts,
        columns={**facts.columns, "_row": pl.Int64()},
        rules={**facts.rules, "readable": "error"},
    )
    found = checked(declare(), spoiled)
    assert "column `_row` begins with `_`" in found[0]
    assert "rule `readable` has the name of a rule every outcome has already" in found[1]


def test_routes_of_a_file_are_checked_when_they_are_given(declare: Any, facts: Any) -> None:
    data = declare(routes="routes.csv")
    assert checked(data, facts) == []
    routes = (Route(to="care", when="flight > 1"), Route(to="rebooking"))
    (found,) = checked(data, facts, routes=routes)
    assert "routes[0].to: the route to `care` has no receiver" in found


def test_without_a_contract_the_rest_is_checked(declare: Any) -> None:
    data = declare(routes=[{"to": "care", "when": "nonsense +"}, {"to": "rebooking"}])
    (found,) = checked(data, None)
    assert "the route to `care` has no receiver" in found
