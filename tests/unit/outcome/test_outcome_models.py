from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome import (
    BatchLimits,
    EnvValue,
    FailureMode,
    FilesSource,
    GoOn,
    Outcome,
    Quarantine,
    Route,
    TableReceiver,
    UpstreamSource,
    effective_routes,
)


def findings_of(data: dict[str, Any]) -> list[str]:
    with pytest.raises(DeclarationError) as raised:
        Outcome(**data)
    return [str(finding) for finding in raised.value.findings]


def test_what_yaml_says_is_what_python_says(declare: Any) -> None:
    written = Outcome.model_validate(declare())
    built = Outcome(
        name="flight_disruptions",
        promise="Every disrupted departure reaches the right desk, once.",
        within=timedelta(minutes=15),
        owner="team:network-control",
        cost_per_hour=4200,
        source=FilesSource(path="inbox/*.csv"),
        contract="departures.contract.Departure",
        key=("carrier", "flight"),
        tolerance=0.2,
        failure_modes=(
            FailureMode(
                name="unknown_destination",
                rules=("dest_known",),
                human_step={"does": "dispatcher looks the code up", "minutes": 6},
                remedy=Quarantine(replay_when="airport_register"),
            ),
            FailureMode(name="unknown_aircraft", rules=("tail_known",), remedy=GoOn()),
        ),
        routes=(Route(to="rebooking", when="dep_time IS NULL"), Route(to="nowhere")),
        handoff={"rebooking": TableReceiver(url=EnvValue(env="DESK_URL"), table="queue")},
    )
    assert written == built
    assert built.batch == BatchLimits(max_rows=250_000, max_files=500, max_bytes="256MB")


def test_a_declaration_cannot_be_changed(declare: Any) -> None:
    outcome = Outcome(**declare())
    with pytest.raises(ValueError, match="frozen"):
        outcome.name = "other"


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"name": "Flight Disruptions"}, "`Flight Disruptions` is not a name; write `flight_dis"),
        ({"name": "opsintel"}, "name: `opsintel` is the name of the package itself"),
        ({"name": "a\n"}, "is not a name; write `a`"),
        ({"promise": ""}, "promise: this is empty; write a text"),
        ({"within": "30s"}, "within: `30s` is under a minute"),
        ({"within": 15}, "write `15m` for minutes or `15s` for seconds"),
        ({"within": True}, "within: bool is not a duration"),
        ({"within": timedelta(minutes=-1)}, "within: `-1m` is negative"),
        ({"within": ...}, "within: is missing; write `within: …`"),
        ({"owner": "network control"}, "write `team:network-control`"),
        ({"owner": "team:"}, "write `team:<name>` or an address"),
        ({"cost_per_hour": -1}, "cost_per_hour: `-1` is out of range; write at least 0"),
        ({"cost_per_hour": float("nan")}, "cost_per_hour: `nan` is not a finite number"),
        ({"tolerance": 20}, "tolerance: `20` is out of range; write at most 1"),
        ({"ownr": "x"}, "ownr: there is no field `ownr`; write `owner`"),
        ({"contract": None}, "contract: there is no contract"),
        ({"key": ["a", "b", "a"]}, "key[2]: column `a` is named twice"),
        ({"key": ["_row"]}, "key[0]: `_row` begins with `_`"),
        (
            {"failure_modes": [{"name": "x", "rules": ["r"], "per": "airport"}]},
            "failure_modes[0].per: `airport` is not one of the choices; write 'rule', 'file' or",
        ),
        (
            {"failure_modes": [{"name": "x", "rules": ["r"], "per": ["a", "a"]}]},
            "failure_modes[0].per[1]: column `a` is named twice",
        ),
        (
            {"failure_modes": [{"name": "x", "rules": ["r"], "per": []}]},
            "failure_modes[0].per: this is empty; write one",
        ),
        (
            {
                "failure_modes": [
                    {"name": "x", "rules": ["r"], "per": "rule", "remedy": {"kind": "go_on"}}
                ]
            },
            "failure_modes[0].per: `per` is about rows in quarantine, and these rows go on",
        ),
        ({"key": "carrier"}, "key: `carrier` is not a list; write `[carrier]`"),
        ({"repeats": "skip"}, "write 'deliver', 'skip_equal' or 'hold'"),
        ({"source": {"path": "x"}}, "source: a mapping does not say its kind"),
        ({"source": {"kind": "file", "path": "x"}}, "no kind `file`; write `files`"),
        ({"source": {"kind": "files", "path": " "}}, "source.path: this is empty"),
        (
            {"source": {"kind": "files", "path": "x", "delimiter": ";;"}},
            "source.delimiter: ';;' cannot stand between two values",
        ),
        (
            {"source": {"kind": "files", "path": "x", "encoding": "latin-11"}},
            "there is no encoding `latin-11`; write `latin-1`",
        ),
        (
            {"source": {"kind": "files", "path": "x", "deadline": "0s"}},
            "source.deadline: `0s` leaves no time at all",
        ),
        (
            {"source": {"kind": "files", "path": "x", "null_values": ["NA", None]}},
            "source.null_values[1]: nothing is not a text",
        ),
        ({"source": {"kind": "upstream", "asset": "a//b"}}, "source.asset: `a//b` is not an asset"),
        ({"routes": [{"to": "x", "wen": "y"}]}, "routes[0].wen: there is no field `wen`"),
        ({"routes": [{"to": "x", "when": True}]}, 'put it in quotes: "true"'),
        ({"routes": ""}, "routes: this is empty; write the path of a CSV file"),
        (
            {"routes": [{"to": "x", "when": "a", "name": "n"}, {"to": "y", "name": "n"}]},
            "routes[1].name: route name `n` is used twice",
        ),
        (
            {"handoff": {"nowhere": {"kind": "files", "path": "x"}}},
            "handoff.nowhere: `nowhere` is the route that is delivered to nobody",
        ),
        (
            {"handoff": {"Desk": {"kind": "files", "path": "x"}}},
            "handoff.Desk: `Desk` is not a name",
        ),
        (
            {"handoff": {"d": {"kind": "table", "url": "sqlite:///x", "table": "a b"}}},
            "handoff.d.table: `a b` is not a table",
        ),
        (
            {"handoff": {"d": {"kind": "table", "url": "sqlite:///x", "table": "t", "table2": 1}}},
            "handoff.d.table2: there is no field `table2`; write `table`",
        ),
        (
            {"handoff": {"d": {"kind": "table", "url": {"env": "a-b"}, "table": "t"}}},
            "handoff.d.url.env: this is not the name of an environment variable",
        ),
        ({"batch": {"max_rows": 0}}, "batch.max_rows: `0` is out of range; write more than 0"),
        ({"references": {"r": {"shrink": 2}}}, "references.r.shrink: `2` is out of range"),
        ({"tags": {"a b": "x"}}, "tags.a b: `a b` is not a tag"),
        ({"tags": {"dagster/x": "x"}}, "is a tag Dagster keeps for itself"),
        ({"tags": {"a": "x y"}}, "`x y` is not a tag's value"),
        ({"failure_modes": [{"name": "unmapped", "rules": ["a"]}]}, "choose another name"),
        ({"failure_modes": [{"name": "refused", "rules": ["a"]}]}, "rows a receiver refuses"),
        ({"failure_modes": [{"name": "x", "rules": []}]}, "failure_modes[0].rules: this is empty"),
        ({"failure_modes": [{"name": "x", "rules": "a"}]}, "write `[a]`"),
        ({"failure_modes": [{"name": "x", "rules": ["a", "a"]}]}, "rule `a` is named twice"),
        (
            {
                "failure_modes": [
                    {"name": "x", "rules": ["a"]},
                    {"name": "x", "rules": ["b"]},
                ]
            },
            "failure_modes[1].name: failure mode `x` is declared twice",
        ),
        (
            {
                "failure_modes": [
                    {"name": "x", "rules": ["a"]},
                    {"name": "y", "rules": ["b", "a"]},
                ]
            },
            "failure_modes[1].rules[1]: rule `a` already belongs to failure mode `x`",
        ),
        ({"extends": "house"}, "extends[0]: there are no defaults `house`"),
    ],
)
def test_what_is_wrong_is_said_with_where_and_what_to_write(
    declare: Any, change: dict[str, Any], finding: str
) -> None:
    (found,) = findings_of(declare(**change))
    assert finding in found


def test_all_errors_come_at_once(declare: Any) -> None:
    found = findings_of(
        declare(
            within="30s",
            ownr="x",
            owner=...,
            key=["a", "a"],
            failure_modes=[{"name": "unmapped", "rules": ["a"]}, {"name": "B", "rules": []}],
            handoff={"nowhere": {"kind": "files", "path": "x"}},
        )
    )
    assert len(found) == 8
    assert all("; " in finding and "pydantic" not in finding for finding in found)


def test_a_part_that_is_wrong_in_python_raises_the_same_error() -> None:
    with pytest.raises(DeclarationError) as raised:
        FailureMode(name="Bad", rules=[])
    assert [finding.where for finding in raised.value.findings] == [
        "FailureMode.name",
        "FailureMode.rules",
    ]


def test_a_failure_mode_may_take_refused_rows_under_that_name() -> None:
    assert FailureMode(name="refused", rules=["refused"]).rules == ("refused",)


def test_a_single_receiver_without_routes_gets_everything() -> None:
    receiver = TableReceiver(url="sqlite:///desk.db", table="t")
    assert effective_routes((), {"desk": receiver}) == (Route(to="desk"),)
    assert effective_routes((), {}) == ()


@pytest.mark.parametrize(
    ("asset", "outcome"),
    [("a/delivered", "a"), ("a/routed", None), ("x/a/delivered", None), ("delivered", None)],
)
def test_an_upstream_source_knows_the_outcome_it_follows(asset: str, outcome: str | None) -> None:
    assert UpstreamSource(asset=asset).outcome == outcome


def test_inside_another_pydantic_model_the_findings_come_out_as_they_are(declare: Any) -> None:
    class Component(BaseModel):
        outcomes: list[Outcome]

    with pytest.raises(DeclarationError, match=r"flight_disruptions\.owner: is missing"):
        Component.model_validate({"outcomes": [declare(owner=...)]})


def test_editors_can_be_given_a_schema() -> None:
    schema = Outcome.model_json_schema()
    assert schema["properties"]["within"]["type"] == "string"
    assert {"name", "promise", "within", "owner", "source", "contract"} == set(schema["required"])
