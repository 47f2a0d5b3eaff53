"""A drain helps itself as far as that makes sense, and then asks: breakers, attempts, bisection."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from math import ceil, log2
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from faulty_receiver import Behaviour, Desk, in_place
from healed import HEAVY, LIGHT, Healed, OddError, killed_at, sent
from scenario import Operation
from typer.testing import CliRunner

from opsintel_dagster.cli.app import app
from opsintel_dagster.handoff import Guarantee
from opsintel_dagster.ledger import batches
from opsintel_dagster.ledger.batches import BatchState
from opsintel_dagster.ledger.tables import attempt, batch, breaker, entry
from opsintel_dagster.orchestration import quarantine
from opsintel_dagster.orchestration.drain import DrainReport
from opsintel_dagster.orchestration.feeds import OutcomeFeed
from opsintel_dagster.orchestration.reading import read
from opsintel_dagster.outcome import Outcome
from opsintel_dagster.verification import Contract


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Healed]]:
    made: list[Operation] = []

    def one(*outcomes: Outcome) -> Healed:
        made.append(Operation(tmp_path, outcomes or (sent(),)))
        return Healed(made[-1])

    yield one
    for operation in made:
        operation.close()


def test_a_breaker_opens_once_and_holds_back_whoever_uses_the_receiver(
    make: Callable[..., Healed],
) -> None:
    healed = make(sent(), sent("letters"))
    healed.drop("a.csv", LIGHT)
    healed.drop("b.csv", LIGHT, "letters")
    healed.drain("down")
    unsent = Behaviour()
    report = healed.drain(outcome="letters", behaviour=unsent)
    assert unsent.sent == []
    assert "is left alone until 12:00:30 UTC" in next(iter(report.failures.values()))
    [opened] = healed.rows(breaker)
    assert (opened.kind, opened.state, opened.failures) == ("receiver", "open", 1)
    assert [row.outcome for row in healed.rows(entry) if row.kind == "breaker opened"] == [
        "parcels"
    ]


def test_a_breaker_is_probed_by_one_and_lets_everybody_go_on(make: Callable[..., Healed]) -> None:
    healed = make(sent(), sent("letters"))
    healed.drop("a.csv", LIGHT)
    healed.drop("b.csv", LIGHT, "letters")
    healed.drain("down")
    healed.drain(outcome="letters")
    healed.later(minutes=1)
    meanwhile: list[DrainReport] = []

    class Watched(Behaviour):
        def next_answer(self) -> str | None:
            if not meanwhile:
                meanwhile.append(healed.operation.drain("letters"))
            return super().next_answer()

    probing = Watched()
    assert healed.drain(behaviour=probing).failures == {}
    assert "is left alone" in next(iter(meanwhile[0].failures.values()))
    assert probing.sent == [1]
    assert healed.rows(breaker) == []
    with healed.operation.installation.ledger.read() as connection:
        [due] = batches.due(connection, "letters", BatchState.ROUTED, healed.now)
    assert due.blocked_by is None
    assert healed.drain(outcome="letters").failures == {}


def test_a_probe_that_fails_keeps_it_open_for_longer_and_counts_against_no_batch(
    make: Callable[..., Healed],
) -> None:
    healed = make()
    healed.drop("a.csv", LIGHT)
    for _ in range(15):
        healed.drain("down")
        healed.later(minutes=11)
    [opened] = healed.rows(breaker)
    assert opened.failures == 15
    assert opened.retry_at - opened.changed_at == timedelta(minutes=10)
    [waiting] = healed.rows(batch)
    assert (waiting.attempts, waiting.is_given_up) == (1, False)
    assert healed.drain().failures == {}


def test_what_passes_in_seconds_is_tried_again_in_place_and_leaves_no_trace(
    make: Callable[..., Healed],
) -> None:
    healed = make()
    healed.drop("a.csv", LIGHT)
    report = healed.drain("lost", "accepted")
    assert (report.failures, report.delivered.delivered) == ({}, 1)
    assert len(healed.slept) == 2
    assert healed.rows(attempt) == []
    assert healed.rows(breaker) == []
    assert healed.gate == ["P1"]


def test_retry_after_is_waited_for_in_place_where_it_is_short(make: Callable[..., Healed]) -> None:
    healed = make()
    healed.drop("a.csv", LIGHT)
    assert healed.drain("busy 7").failures == {}
    assert [round(seconds) for seconds in healed.slept] == [7]


def test_429_then_503_then_200_is_one_delivery(make: Callable[..., Healed]) -> None:
    """Waited for in place, then left alone by its breaker, then taken by the probe."""
    healed = make()
    healed.drop("a.csv", LIGHT)
    healed.drain("busy 7", "unavailable")
    assert [round(seconds) for seconds in healed.slept] == [7]
    assert (healed.gate, len(healed.rows(breaker))) == ([], 1)
    healed.later(seconds=30)
    assert healed.drain().delivered.delivered == 1
    assert (healed.gate, healed.rows(breaker)) == (["P1"], [])


def test_retry_after_is_honoured_across_runs_where_it_is_long(make: Callable[..., Healed]) -> None:
    healed = make()
    healed.drop("a.csv", LIGHT)
    healed.drain("busy 3600")
    assert healed.slept == []
    healed.later(minutes=59)
    early = Behaviour()
    healed.drain(behaviour=early)
    assert early.sent == []
    healed.later(minutes=2)
    assert healed.drain().delivered.delivered == 1


def test_a_batch_whose_attempts_are_spent_is_given_up_until_somebody_decides(
    make: Callable[..., Healed],
) -> None:
    healed = make(sent(healing={"attempts_per_batch": 2}))
    healed.drop("a.csv", LIGHT)
    healed.failing("verify.begun", OddError("who knows"))
    assert healed.stopped() is None
    healed.later(minutes=1)
    report = healed.failing("verify.begun", OddError("who knows"))
    [about] = report.failures
    assert "all 2 attempts are spent" in report.failures[about]
    assert healed.stopped() == {about: "OddError: who knows"}
    healed.later(days=1)
    assert healed.drain().delivered.delivered == 0
    healed.decide()
    assert healed.drain().delivered.delivered == 1
    assert healed.stopped() is None
    assert {row.settled_by for row in healed.rows(attempt)} == {"somebody"}


def test_a_new_declaration_tries_what_was_given_up_once_more(make: Callable[..., Healed]) -> None:
    healed = make()
    healed.drop("a.csv", LIGHT)
    [about] = healed.failing("route.begun", KeyError("a bug")).failures
    assert healed.drain().delivered.delivered == 0
    healed.operation.redeclare(sent(tolerance=0.9))
    assert about in healed.failing("route.begun", KeyError("still there")).failures
    assert healed.drain().delivered.delivered == 0
    healed.operation.redeclare(sent(tolerance=0.8))
    assert healed.drain().delivered.delivered == 1
    assert healed.stopped() is None


@pytest.mark.parametrize("records", [64, 10_000])
def test_a_record_that_is_refused_is_found_among_many_and_the_others_are_delivered(
    make: Callable[..., Healed], monkeypatch: pytest.MonkeyPatch, records: int
) -> None:
    healed = make()
    lines = [f"P{number},1.50,{'poison' if number == 41 else ''}\n" for number in range(records)]
    healed.drop("a.csv", "".join(lines))
    behaviour = Behaviour()
    report = healed.drain(behaviour=behaviour)
    assert (report.delivered.refused, report.delivered.delivered) == (1, records - 1)
    assert len(behaviour.sent) <= 1 + 2 * ceil(log2(records))
    with healed.operation.installation.ledger.read() as connection:
        installation = healed.operation.installation
        [bad] = quarantine.open_rows(installation, connection, "parcels").to_dicts()
    assert (bad["parcel"], bad["weight"], bad["_cause"]) == ("P41", "1.50", "refused")
    assert bad["_problem"] == "gate: we take no poison"
    feed = OutcomeFeed(installation, "parcels")  # what the outcomes below it get to see
    with feed.open(feed.sightings()[0]) as reading:
        assert sum(frame.height for frame in reading.frames(1000)) == records - 1
    for stage in ("delivered", "current"):
        there = read("parcels", stage, settings=installation.settings).collect()["parcel"]
        assert set(there) == {f"P{number}" for number in range(records) if number != 41}
    monkeypatch.setenv("OPSINTEL_ROOT", str(healed.operation.root))
    assert placed("P41") == ("open", "refused")
    assert placed("P40") == ("delivered", "confirmed")


def test_many_refused_records_far_apart_cost_only_those_next_to_them(
    make: Callable[..., Healed],
) -> None:
    """Each of the first dozens of parts holds one, so that none of them is taken."""
    healed = make(sent(healing={"deliveries_per_batch": 300}))
    lines = [f"P{n},1.50,{'poison' if n % 32 == 5 else ''}\n" for n in range(640)]
    healed.drop("a.csv", "".join(lines))
    behaviour = Behaviour()
    report = healed.drain(behaviour=behaviour)
    assert (report.delivered.refused, report.delivered.delivered) == (20, 620)
    assert len(behaviour.sent) <= 2 * 20 * (1 + log2(640 / 20))


def test_where_the_deliveries_are_spent_the_parts_that_are_left_are_refused_as_they_are(
    make: Callable[..., Healed],
) -> None:
    healed = make(sent(healing={"deliveries_per_batch": 9}))
    lines = [f"P{n},1.50,{'poison' if n in (3, 60) else ''}\n" for n in range(64)]
    healed.drop("a.csv", "".join(lines))
    behaviour = Behaviour()
    report = healed.drain(behaviour=behaviour)
    assert len(behaviour.sent) <= 9
    assert report.delivered.refused + report.delivered.delivered == 64
    assert 2 < report.delivered.refused < 64
    law = report.promise.conservation
    assert law is not None
    assert law.holds
    assert (law.delivered, law.open) == (report.delivered.delivered, report.delivered.refused)


def placed(parcel: str) -> tuple[str, str]:
    shown = CliRunner().invoke(app, ["trace", "parcels", parcel, "--json"])
    [record] = json.loads(shown.stdout)["records"]
    return record["place"], record["passages"][0]["delivery"]["state"]


def test_a_correction_that_repeats_a_refused_record_leaves_it_open(
    make: Callable[..., Healed],
) -> None:
    source = {"kind": "files", "path": "inbox/parcels/*", "settle": "0s"}
    healed = make(sent(source={**source, "same_name": "correction"}))
    healed.drop("a.csv", "P1,1,poison\nP3,3,\n")
    healed.drain()
    healed.drop("a.csv", "P1,1,poison\nP3,4,\n")
    law = healed.drain().promise.conservation
    assert law is not None
    assert (law.holds, law.open, law.unchanged, law.superseded) == (True, 1, 0, 1)


def test_a_row_over_which_verification_breaks_down_is_the_only_one_kept_back(
    make: Callable[..., Healed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a check raises is a verdict already; this is about our own code and what it leans on."""
    verify = Contract.verify

    def verifies_all_but_13(contract: Contract, rows: pl.DataFrame, **options: Any) -> Any:
        if "13" in rows["weight"]:
            raise ZeroDivisionError("nobody thought of thirteen")
        return verify(contract, rows, **options)

    monkeypatch.setattr(Contract, "verify", verifies_all_but_13)
    healed = make()
    healed.drop("a.csv", "P1,1,\nP2,13,\nP3,3,\nP4,13,\nP5,5,\n")
    report = healed.drain()
    assert (report.failures, report.delivered.delivered) == ({}, 3)
    assert report.verified.open_by_rule == {"crashed": 2}
    assert healed.gate == ["P1", "P3", "P5"]


def test_a_batch_that_kills_the_process_twice_is_set_aside_and_the_others_go_on(
    make: Callable[..., Healed], monkeypatch: pytest.MonkeyPatch
) -> None:
    healed = make(sent(batch={"max_files": 1}))
    healed.drop("a.csv", LIGHT)
    healed.drop("b.csv", "P3,1,\n")
    for _ in range(3):  # the first time nobody knew of which batch
        killed_at(healed, "verify.begun", 1, monkeypatch)
    report = healed.drain()
    [reason] = report.failures.values()
    assert "the process died 2 times while it was at this batch" in reason
    assert healed.gate == ["P3"]
    healed.decide()
    healed.drain()
    assert healed.gate == ["P1", "P3"]


def test_a_batch_that_failed_before_is_not_blamed_for_the_death_of_the_process_at_another(
    make: Callable[..., Healed], monkeypatch: pytest.MonkeyPatch
) -> None:
    healed = make(sent(batch={"max_files": 1}))
    healed.drop("a.csv", LIGHT)
    healed.drop("b.csv", "P3,1,\n")
    killed_at(healed, "verify.begun", 1, monkeypatch)
    healed.failing("verify.begun", OddError("who knows"), nth=1)
    killed_at(healed, "claim.read", 1, monkeypatch)  # nothing to claim: it comes to its end
    healed.drop("c.csv", "P4,1,\n")
    for _ in range(2):
        killed_at(healed, "claim.written", 1, monkeypatch)
    assert [row.kills for row in healed.rows(batch)] == [0, 0]


def test_a_receiver_that_is_down_does_not_hold_back_the_other_routes_of_its_batch(
    make: Callable[..., Healed],
) -> None:
    healed = make()
    healed.drop("a.csv", LIGHT + HEAVY)
    healed.drain("down")
    assert (healed.gate, healed.freight) == ([], ["P2"])
    healed.later(minutes=1)
    healed.drain()
    assert (healed.gate, healed.freight) == (["P1"], ["P2"])


def with_desk(make: Callable[..., Healed]) -> Healed:
    """What is heavy goes to a desk that cannot be asked."""
    table = {"kind": "table", "url": "sqlite:///desk.db"}
    handoff = {"desk": {**table, "table": "unused"}, "gate": {**table, "table": "gate_queue"}}
    routes = [{"to": "desk", "when": "weight >= 30"}, {"to": "gate", "when": "weight < 30"}]
    return make(sent(handoff=handoff, routes=routes))


def drain_with_desk(healed: Healed, *answers: str) -> DrainReport:
    desk = Desk(healed.operation.root / "desk.jsonl", Guarantee.ASK)
    with in_place(Behaviour(answers), desk):
        return healed.operation.drain(sleep=healed.slept.append)


def test_a_delivery_in_doubt_does_not_give_up_the_routes_whose_receiver_is_left_alone(
    make: Callable[..., Healed],
) -> None:
    healed = with_desk(make)
    healed.drop("a.csv", LIGHT)
    drain_with_desk(healed, "down")  # the gate's breaker is open now
    healed.drop("b.csv", "P3,1,\n" + HEAVY)
    drain_with_desk(healed, "accepted")
    assert healed.gate == []
    healed.later(minutes=1)
    drain_with_desk(healed)
    assert healed.gate == ["P1", "P3"]
    waiting = [row for row in healed.rows(batch) if row.state != BatchState.CLOSED]
    assert [row.failure_class for row in waiting] == ["in_doubt"]


def test_a_delivery_in_doubt_leaves_the_other_routes_to_be_decided_about(
    make: Callable[..., Healed],
) -> None:
    healed = with_desk(make)
    healed.drop("a.csv", HEAVY + LIGHT)
    drain_with_desk(healed, "accepted", "denied")
    assert healed.stopped() is not None
    healed.decide()
    drain_with_desk(healed)
    assert healed.gate == ["P1"]
    assert healed.stopped() is None
