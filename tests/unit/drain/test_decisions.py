"""What somebody decides about a case, and what the next drain makes of it."""

import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from scenario import DAY_ONE, DEPOTS, HEADER, Operation, Parcel, depots, parcels
from sqlalchemy import select

from opsintel_dagster.errors import DecisionRefused
from opsintel_dagster.ledger import cases, decisions
from opsintel_dagster.ledger.decisions import DecisionKind
from opsintel_dagster.ledger.tables import entry, touch
from opsintel_dagster.orchestration.decisions import assign, decide, preview, snooze
from opsintel_dagster.orchestration.reports import Conservation
from opsintel_dagster.orchestration.waking import Look, states
from opsintel_dagster.verification import Contract

KIND = DecisionKind
DEPOT = cases.case_id("parcels", "unknown_depot")
WEIGHT = cases.case_id("parcels", "bad_weight")
READABLE = cases.case_id("parcels", "unmapped", "readable")
NO_NUMBER = cases.case_id("parcels", "unmapped", "parcel.not_null")
HELD = cases.case_id("parcels", "unmapped", "arrival.tolerance")
REPEATED = cases.case_id("parcels", "unmapped", "key.repeat")


@pytest.fixture
def operation(tmp_path: Path) -> Operation:
    """The first day on SQLite: what is decided does not depend on the ledger's database."""
    ready = Operation(tmp_path)
    ready.begin()
    return ready


def say(operation: Operation, case: str, kind: DecisionKind, **options: Any) -> str:
    """Decide as somebody; returns the decision's id."""
    told = {"actor": "kim", "reason": "so be it", "now": datetime.now(UTC), **options}
    installation, compiled = operation.installation, operation.compiled["parcels"]
    return decide(installation, compiled, case, kind, **told).id


def came_of(operation: Operation, identity: str) -> tuple[str, str]:
    with operation.installation.ledger.read() as connection:
        row = decisions.find(connection, identity)
    return row.state, row.result


def found(operation: Operation, case: str) -> Any:
    with operation.installation.ledger.read() as connection:
        return cases.find(connection, case)


def law(operation: Operation) -> Conservation:
    counted = operation.drain().promise.conservation
    assert counted is not None
    assert counted.holds, counted.told()
    return counted


def routes(
    operation: Operation, case: str, kind: DecisionKind, **options: Any
) -> Mapping[str, int]:
    shown = preview(operation.installation, operation.compiled["parcels"], case, kind, **options)
    return shown.plan.routes or {}


def test_discarded_rows_stay_where_they_lie_and_are_counted_at_their_mark(
    operation: Operation,
) -> None:
    identity = say(operation, DEPOT, KIND.DISCARD)
    counted = law(operation)
    assert (counted.discarded, counted.open) == (2, 4)
    assert came_of(operation, identity) == ("executed", "2 of 2 rows leave quarantine")
    case = found(operation, DEPOT)
    assert (case.state, case.closed_by) == ("closed", "discard by kim: so be it")


@pytest.mark.parametrize("kind", [KIND.DISCARD, KIND.ACCEPT])
def test_who_discards_or_accepts_says_why(operation: Operation, kind: DecisionKind) -> None:
    with pytest.raises(DecisionRefused, match="there has to be a reason"):
        say(operation, DEPOT, kind, reason=" ")


def test_accepted_rows_are_delivered_in_spite_of_the_rules_of_this_failure_only(
    operation: Operation,
) -> None:
    assert routes(operation, DEPOT, KIND.ACCEPT) == {"gate": 1}
    say(operation, DEPOT, KIND.ACCEPT)
    counted = law(operation)
    assert ("P3", "XXX", 1.0, None) in operation.table("gate_queue")
    assert found(operation, DEPOT).state == "closed"
    assert counted.open == 5  # P8 is below zero, too: it is a bad weight now
    say(operation, WEIGHT, KIND.ACCEPT)
    law(operation)
    taken = {row[0]: row[2] for row in operation.table("gate_queue")}
    assert "P8" not in taken  # nobody has a route for a weight below zero
    with operation.installation.ledger.read() as connection:
        assert cases.open_rows_by_rule(connection, "parcels")["route.none"] == 2


def test_what_cannot_be_typed_cannot_be_accepted(operation: Operation) -> None:
    operation.drop("parcels", "day2.csv", HEADER + "Q1\n")
    with pytest.raises(DecisionRefused, match="readable: the line cannot be read"):
        say(operation, READABLE, KIND.ACCEPT)


def test_an_arrival_that_is_held_is_accepted_and_its_bad_rows_stay_a_case(tmp_path: Path) -> None:
    operation = Operation(tmp_path, (depots(), parcels(tolerance=0.2)))
    operation.begin()
    assert found(operation, HELD).state == "open"
    say(operation, HELD, KIND.ACCEPT)
    counted = law(operation)
    assert (counted.delivered, counted.open) == (2, 6)


def test_a_key_that_came_before_is_delivered_again_once_that_is_accepted(tmp_path: Path) -> None:
    operation = Operation(tmp_path, (depots(), parcels(repeats="hold")))
    operation.begin()
    operation.drop("parcels", "day2.csv", HEADER + "P2,HAM,81,\n")
    operation.drain()
    assert operation.files("out/freight")["weight"].to_list() == [80.0]
    say(operation, REPEATED, KIND.REPLAY)
    assert law(operation).open == 7
    say(operation, REPEATED, KIND.ACCEPT)
    law(operation)
    assert sorted(operation.files("out/freight")["weight"]) == [80.0, 81.0]


def test_replay_takes_only_rows_that_pass_now(operation: Operation) -> None:
    identity = say(operation, WEIGHT, KIND.REPLAY)
    assert law(operation).open == 6
    state, result = came_of(operation, identity)
    assert state == "executed"
    assert result == "0 of 2 rows leave quarantine; 2 stay: weight.coerce (1), weight.ge (1)"
    operation.drop("depots", "depots.csv", DEPOTS + "XXX,Cuxhaven\n")
    operation.drain("depots")
    say(operation, DEPOT, KIND.REPLAY)
    assert law(operation).open == 5
    assert ("P3", "XXX", 1.0, None) in operation.table("gate_queue")


def test_a_value_map_repairs_its_rows_and_their_raw_values_stay(operation: Operation) -> None:
    values = {"weight": {"-1": "1"}}
    assert routes(operation, WEIGHT, KIND.REPAIR, arguments={"values": values}) == {"gate": 1}
    identity = say(operation, WEIGHT, KIND.REPAIR, arguments={"values": values})
    assert law(operation).open == 5
    assert came_of(operation, identity)[1] == "1 of 2 rows leave quarantine; 1 stay"
    assert ("P4", "BER", 1.0, None) in operation.table("gate_queue")
    assert found(operation, WEIGHT).facts["values"] == {"heavy": 1}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"wait": {"-1": "1"}}, "no column `wait`; they have depot, note, parcel, weight"),
        ({"weight": {"-2": "1"}}, "none of its 2 rows has weight='-2'"),
        ({"weight": {"-1": "x"}}, "all 1 changed rows still break weight.coerce"),
    ],
)
def test_a_value_map_that_mends_nothing_is_refused(
    operation: Operation, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(DecisionRefused, match=said):
        say(operation, WEIGHT, KIND.REPAIR, arguments={"values": values})


def test_a_decision_on_a_closed_case_is_refused_with_who_closed_it(operation: Operation) -> None:
    say(operation, DEPOT, KIND.DISCARD)
    operation.drain()
    with pytest.raises(DecisionRefused, match=r"closed .* by: discard by kim: so be it"):
        say(operation, DEPOT, KIND.REPLAY)
    ledger = operation.installation.ledger
    with pytest.raises(DecisionRefused, match="closed"):
        assign(ledger, DEPOT, "team:a", actor="kim", now=datetime.now(UTC))


def test_a_case_that_closed_before_its_decision_was_carried_out_says_so(
    operation: Operation,
) -> None:
    identity = say(operation, DEPOT, KIND.ACCEPT)
    ledger = operation.installation.ledger
    with ledger.write() as connection:
        row = decisions.find(connection, identity)
        groups = {
            (one.batch_id, one.arrival_id, tuple(one.rules.split())): one.rows
            for one in cases.groups_of_case(connection, DEPOT)
        }
        cases.resolve_rows(connection, DEPOT, groups, {}, "a test")
        assert row.state == "requested"
    operation.drain()
    state, result = came_of(operation, identity)
    assert state == "refused"
    assert result.endswith("by: a test")


def test_a_decision_is_about_the_rows_the_person_saw(operation: Operation) -> None:
    seen = found(operation, DEPOT).revision
    operation.drop("parcels", "day2.csv", HEADER + "Q1,XXX,4,\n")
    operation.drain()
    assert found(operation, DEPOT).revision > seen
    say(operation, DEPOT, KIND.DISCARD, revision=seen)
    counted = law(operation)
    assert counted.discarded == 2
    assert found(operation, DEPOT).facts["values"] == {"XXX": 1}
    say(operation, DEPOT, KIND.DISCARD)
    assert law(operation).discarded == 3


def test_every_decision_is_an_entry_and_a_touch_with_the_minutes_of_its_human_step(
    operation: Operation,
) -> None:
    say(operation, DEPOT, KIND.DISCARD)
    with operation.installation.ledger.read() as connection:
        [counted] = connection.execute(select(touch)).all()
        said = connection.execute(select(entry).where(entry.c.kind == "decision")).one()
    assert (counted.actor, counted.kind, counted.subject) == ("kim", "discard", DEPOT)
    assert (counted.minutes, counted.is_estimate) == (6.0, True)
    assert (said.actor, said.reason) == ("kim", "discard: so be it")


def test_somebody_else_is_asked_until_the_case_closes(operation: Operation) -> None:
    ledger = operation.installation.ledger
    assign(ledger, DEPOT, "team:ground", actor="kim", now=datetime.now(UTC), reason="theirs")
    operation.drop("parcels", "day2.csv", HEADER + "Q1,XXX,4,\n")
    operation.drain()
    assert found(operation, DEPOT).owner == "team:ground"
    say(operation, DEPOT, KIND.DISCARD)
    operation.drain()
    operation.drop("parcels", "day3.csv", HEADER + "R1,XXX,4,\n")
    operation.drain()
    assert found(operation, DEPOT).owner == "team:parcels"


def clocked(root: Path, **mode: Any) -> Operation:
    """The first day, where a bad weight should be answered within two hours."""
    declared = {
        "name": "bad_weight",
        "rules": ["weight.ge", "weight.coerce"],
        "answer_within": "2h",
    }
    operation = Operation(root, (depots(), parcels(failure_modes=[{**declared, **mode}])))
    operation.begin()
    return operation


def test_the_default_is_taken_when_the_clock_has_run_out_and_not_before(tmp_path: Path) -> None:
    operation = clocked(tmp_path, default="discard")
    opened = found(operation, WEIGHT).opened_at
    ledger = operation.installation.ledger
    until = opened + timedelta(hours=5)
    operation.drain(clock=lambda: opened + timedelta(hours=1))
    assert found(operation, WEIGHT).state == "open"
    snooze(ledger, WEIGHT, until, actor="kim", now=opened)
    operation.drain(clock=lambda: opened + timedelta(hours=3))
    with ledger.read() as connection:
        assert cases.overdue(connection, ["parcels"], opened + timedelta(hours=3)) == []
        [(_, due)] = cases.overdue(connection, ["parcels"], until)
    assert (found(operation, WEIGHT).state, due) == ("open", until)
    operation.drain(clock=lambda: until)
    case = found(operation, WEIGHT)
    assert case.closed_by == "discard by default: nobody answered within 2h"
    with ledger.read() as connection:  # what nobody did is no touch
        assert [row.actor for row in connection.execute(select(touch))] == ["kim"]


def test_a_default_that_leaves_rows_open_is_taken_once_an_episode(tmp_path: Path) -> None:
    operation = clocked(tmp_path, default="replay")
    opened = found(operation, WEIGHT).opened_at
    for hour in (3, 4, 5):
        operation.drain(clock=lambda hour=hour: opened + timedelta(hours=hour))
    with operation.installation.ledger.read() as connection:
        assert [row.actor for row in decisions.of_case(connection, WEIGHT)] == ["default"]


def test_two_people_who_decide_at_once_make_one_decision(database_url: str, tmp_path: Path) -> None:
    operation = Operation(tmp_path, ledger_url=database_url)
    operation.begin()
    barrier = Barrier(2)

    def press(name: str) -> str | None:
        barrier.wait()
        try:
            say(operation, DEPOT, KIND.DISCARD, actor=name, reason=f"says {name}")
        except DecisionRefused as refused:
            return refused.reason
        return None

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(press, ["ann", "bob"]))
    [reason] = [answer for answer in answers if answer is not None]
    winner = ["ann", "bob"][answers.index(None)]
    assert reason.startswith(f"{winner} was faster and decided to discard it (says {winner})")
    with operation.installation.ledger.read() as connection:
        assert [row.actor for row in decisions.of_case(connection, DEPOT)] == [winner]
    operation.drain()
    assert found(operation, DEPOT).state == "closed"
    operation.close()


def test_refused_rows_are_offered_to_the_receiver_again(operation: Operation) -> None:
    operation.refuse("gate_queue", "Q1")
    operation.drop("parcels", "day2.csv", HEADER + "Q1,HAM,4,\n")
    operation.drain()
    refused = cases.case_id("parcels", "refused", "gate: not this one")
    assert found(operation, refused).state == "open"
    say(operation, refused, KIND.REPLAY)
    assert law(operation).open == 7
    assert found(operation, refused).episode == 2
    allow(operation, "no_Q1")
    say(operation, refused, KIND.REPLAY)
    assert law(operation).open == 6
    assert found(operation, refused).closed_by == "replay by kim: so be it"


def allow(operation: Operation, trigger: str) -> None:
    """The receiver's people have mended it."""
    with sqlite3.connect(operation.root / "desk.db") as desk:
        desk.execute(f"DROP TRIGGER {trigger}")


def test_a_changed_contract_closes_the_case_whose_rule_it_loosens(operation: Operation) -> None:
    class Lighter(Parcel):
        weight: float = pa.Field(ge=-10)

    outcome = parcels(
        contract=Lighter,
        failure_modes=[{"name": "bad_weight", "rules": ["weight.coerce"]}],
        routes=[{"to": "gate"}],
        handoff={"gate": {"kind": "table", "url": "sqlite:///desk.db", "table": "gate_queue"}},
    )
    operation.redeclare(operation.outcomes[0], outcome)
    law(operation)
    taken = {row[0] for row in operation.table("gate_queue")}
    assert "P4" in taken
    assert "P5" not in taken
    case = found(operation, DEPOT)  # its failure mode is gone: it is nobody's any more
    assert case.state == "closed"
    assert case.closed_by.startswith("the declaration or its amendments changed")


def test_open_rows_are_judged_once_by_a_declaration(operation: Operation) -> None:
    operation.redeclare(operation.outcomes[0], parcels(tolerance=0.99))
    law(operation)
    with operation.installation.ledger.read() as connection:
        before = connection.execute(select(entry.c.id)).all()
    for case in (DEPOT, WEIGHT, READABLE, NO_NUMBER):
        tried = found(operation, case).tried_version[cases.DECLARATION]
        assert tried == operation.compiled["parcels"].fingerprint
    operation.drain()
    with operation.installation.ledger.read() as connection:
        assert connection.execute(select(entry.c.id)).all() == before


def test_refused_rows_are_tried_once_more_under_a_new_declaration(operation: Operation) -> None:
    operation.refuse("gate_queue", "Q1")
    operation.drop("parcels", "day2.csv", HEADER + "Q1,HAM,4,\n")
    operation.drain()
    allow(operation, "no_Q1")
    assert law(operation).open == 7
    operation.redeclare(operation.outcomes[0], parcels(tolerance=0.99))
    assert law(operation).open == 6
    closed_by = found(
        operation, cases.case_id("parcels", "refused", "gate: not this one")
    ).closed_by
    assert closed_by.startswith("the declaration or its amendments changed")


def test_a_case_about_what_was_given_up_is_replayed_as_heal_does(tmp_path: Path) -> None:
    gate = {"kind": "files", "path": "blocked/gate"}
    freight = {"kind": "files", "path": "out/freight"}
    outcome = parcels(handoff={"gate": gate, "freight": freight}, healing={"attempts_per_batch": 1})
    operation = Operation(tmp_path, (depots(), outcome))
    (tmp_path / "blocked").write_text("no folder")
    operation.drop("parcels", "day1.csv", DAY_ONE)
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    operation.drain()
    stopped = cases.case_id("parcels", "stopped")
    assert found(operation, stopped).state == "open"
    (tmp_path / "blocked").unlink()
    identity = say(operation, stopped, KIND.REPLAY)
    assert came_of(operation, identity) == ("executed", "1 batch is tried once more")
    operation.drain()
    assert found(operation, stopped).state == "closed"


def test_what_is_decided_declared_or_due_wakes_the_outcome_once(tmp_path: Path) -> None:
    operation = clocked(tmp_path, default="discard")
    opened = found(operation, WEIGHT).opened_at

    def reason(now: datetime = opened) -> str | None:
        compiled = operation.compiled["parcels"]
        [state] = states(operation.installation, [compiled], {"parcels": Look()}, now)
        return state.reason

    assert reason() is None
    say(operation, READABLE, KIND.REPLAY)
    assert reason() == "1 outstanding in the ledger"
    operation.drain()
    assert reason() is None
    assert reason(opened + timedelta(hours=2)) == "1 outstanding in the ledger"
    operation.drain(clock=lambda: opened + timedelta(hours=2))
    assert reason(opened + timedelta(hours=2)) is None
    operation.redeclare(operation.outcomes[0], parcels())
    assert reason() == "3 outstanding in the ledger"  # each rule nobody named is a case
    operation.drain()
    assert reason() is None


def test_rows_over_which_verification_breaks_down_are_replayed_when_it_no_longer_does(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Contract.verify

    def fragile(self: Contract, table: Any, **options: Any) -> Any:
        if (table["note"] == "boom").any():
            raise RuntimeError("no boom, please")
        return judge(self, table, **options)

    crashed = cases.case_id("parcels", "crashed", "RuntimeError: no boom, please")
    operation.drop("parcels", "day2.csv", HEADER + "Q1,HAM,4,boom\nQ2,HAM,5,\n")
    with monkeypatch.context() as patched:
        patched.setattr(Contract, "verify", fragile)
        operation.drain()
        identity = say(operation, crashed, KIND.REPLAY)
        assert law(operation).open == 7
        told = "0 of 1 rows leave quarantine; 1 stay: crashed (1)"
        assert came_of(operation, identity) == ("executed", told)
        with pytest.raises(DecisionRefused, match="crashed: verification breaks down over it"):
            say(operation, crashed, KIND.ACCEPT)
    say(operation, crashed, KIND.REPLAY)
    assert law(operation).open == 6
    assert ("Q1", "HAM", 4.0, "boom") in operation.table("gate_queue")


def test_a_repair_keeps_the_type_in_which_the_source_brings_a_column(operation: Operation) -> None:
    rows = pl.DataFrame({"parcel": ["Q1"], "depot": ["HAM"], "weight": [-7], "note": [None]})
    path = operation.drop("parcels", "day2.parquet", b"")
    rows.write_parquet(path)
    operation.drain()
    with pytest.raises(DecisionRefused, match="`seven` is no Int64, as which the source brings"):
        say(operation, WEIGHT, KIND.REPAIR, arguments={"values": {"weight": {"-7": "seven"}}})
    say(operation, WEIGHT, KIND.REPAIR, arguments={"values": {"weight": {"-7": "7", "-1": "1"}}})
    law(operation)
    taken = {row[0]: row[2] for row in operation.table("gate_queue")}
    assert taken == {"P1": 2.5, "P4": 1.0, "Q1": 7.0}
