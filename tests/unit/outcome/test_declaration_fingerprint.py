from typing import Any

import pytest

from opsintel_dagster.outcome import Outcome, Route, declaration_fingerprint


def fingerprint(data: dict[str, Any], contract: str = "c1", **options: Any) -> str:
    return declaration_fingerprint(Outcome(**data), contract, **options)


def test_it_is_the_same_in_every_process(declare: Any) -> None:
    pinned = "00e57e42148ee8778694ca38ccad72c21f598e7080192aad3c0627ed4a7cd426"
    assert fingerprint(declare()) == pinned


@pytest.mark.parametrize(
    "change",
    [
        {"owner": "team:other"},
        {"promise": "Other."},
        {"cost_per_hour": 1},
        {"description": "x"},
        {"within": "1h"},
        {"tags": {"a": "b"}},
        {"batch": {"max_rows": 7}},
        {"handoff": {"rebooking": {"kind": "files", "path": "out"}}},
    ],
)
def test_prose_owner_and_cost_do_not_change_it(declare: Any, change: dict[str, Any]) -> None:
    assert fingerprint(declare(**change)) == fingerprint(declare())


@pytest.mark.parametrize(
    "change",
    [
        {"key": ["flight", "carrier"]},
        {"tolerance": 0.3},
        {"amendments": [{"kind": "rename", "columns": {"line": "carrier"}}]},
        {"repeats": "hold"},
        {"source": {"kind": "files", "path": "inbox/*.csv", "null_values": ["NA"]}},
        {"failure_modes": []},
        {"failure_modes": [{"name": "x", "rules": ["dest_known"], "per": "rule"}]},
        {"routes": [{"to": "nowhere"}]},
    ],
)
def test_what_changes_a_verdict_or_a_route_changes_it(declare: Any, change: dict[str, Any]) -> None:
    assert fingerprint(declare(**change)) != fingerprint(declare())


def test_another_contract_and_another_order_of_failure_modes_change_it(declare: Any) -> None:
    assert fingerprint(declare(), "c2") != fingerprint(declare())
    turned = list(reversed(declare()["failure_modes"]))
    assert fingerprint(declare(failure_modes=turned)) != fingerprint(declare())


def test_a_table_in_a_file_counts_like_the_same_table_in_the_declaration(declare: Any) -> None:
    routes = [Route(**route) for route in declare()["routes"]]
    in_file = declare(routes="routes.csv")
    assert fingerprint(in_file, routes=routes) == fingerprint(declare())
    with pytest.raises(ValueError, match=r"read the routes of flight_disruptions from routes.csv"):
        fingerprint(in_file)


def test_the_implied_route_counts_like_the_written_one(declare: Any) -> None:
    implied = fingerprint(declare(routes=[]))
    assert implied == fingerprint(declare(routes=[{"to": "rebooking"}]))
