"""What a drain does with the scenario's files, as a user would see it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scenario import DAY_ONE, DEPOTS, HEADER, MORE_DEPOTS, RECORDS_OF_DAY_ONE, Operation, parcels
from sqlalchemy import text

from opsintel_dagster.errors import LedgerError, OutcomeClaimed, ReferenceDown
from opsintel_dagster.ledger import cases, entries
from opsintel_dagster.orchestration.compiled import compile_outcomes
from opsintel_dagster.orchestration.drain import Drain
from opsintel_dagster.orchestration.evaluations import unresolved_evaluation
from opsintel_dagster.orchestration.references import Reference, References
from opsintel_dagster.orchestration.waking import Look, states


def law(operation: Operation) -> dict[str, int]:
    conservation = operation.drain().promise.conservation
    assert conservation is not None
    assert conservation.problems == ()
    assert conservation.holds
    terms = ("received", "delivered", "no_action", "unchanged", "superseded", "open", "in_flight")
    return {term: getattr(conservation, term) for term in terms if getattr(conservation, term)}


def test_every_record_of_a_day_is_in_its_place(operation: Operation) -> None:
    report = operation.begin()
    assert report.arrivals.records == RECORDS_OF_DAY_ONE
    assert report.delivered.by_route == {"gate": 1, "freight": 1, "nowhere": 1}
    assert report.routed.by_rule == {"weight > 0": 1, "heavy": 1, "weight = 0": 1}
    assert law(operation) == {"received": 9, "delivered": 2, "no_action": 1, "open": 6}


def test_a_batch_of_many_records_is_judged(operation: Operation) -> None:
    lines = "".join(f"M{number},HAM,1,\n" for number in range(20_000))
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "many.csv", HEADER + lines)
    assert operation.drain().verified.verified == 20_000


def test_a_second_drain_of_the_same_does_nothing(operation: Operation) -> None:
    operation.begin()
    again = operation.drain()
    assert (again.arrivals.seen, again.verified.batches, again.delivered.closed) == (0, 0, 0)


def test_a_row_that_breaks_several_rules_belongs_to_the_first_failure_mode_declared(
    operation: Operation,
) -> None:
    report = operation.begin()
    open_rows = {case.name: case.rows for case in report.verified.cases}
    assert open_rows == {
        "parcels.unknown_depot": 2,
        "parcels.bad_weight": 2,
        "parcels.unmapped:readable": 1,  # nobody has said what these two have in common
        "parcels.unmapped:parcel.not_null": 1,
    }
    assert report.verified.open_by_rule["weight.ge"] == 2


def test_a_case_names_the_offending_values(operation: Operation) -> None:
    report = operation.begin()
    values = {case.cause or case.failure_mode: dict(case.values) for case in report.verified.cases}
    assert values["unknown_depot"] == {"XXX": 1, "YYY": 1}
    assert values["bad_weight"] == {"-1": 1, "heavy": 1}
    assert values["parcel.not_null"] == {"(empty)": 1}
    assert values["readable"] == {}  # no cell of the ragged line is at fault by itself


def test_a_reference_that_changed_heals_the_rows_whose_cause_is_gone(operation: Operation) -> None:
    operation.begin()
    operation.drop("depots", "depots.csv", MORE_DEPOTS)
    register = operation.drain("depots")
    assert (register.verified.unchanged, register.delivered.delivered) == (2, 2)
    report = operation.drain()
    assert report.verified.replayed == 2
    open_rows: Counter[str] = Counter()
    for case in report.verified.cases:
        open_rows[case.failure_mode] += case.rows
    assert open_rows == {"bad_weight": 3, "unmapped": 2}  # P8's other rule has its turn
    assert operation.table("gate_queue")[-1] == ("P3", "XXX", 1.0, None)
    assert law(operation) == {"received": 9, "delivered": 3, "no_action": 1, "open": 5}


def test_a_reference_that_changed_without_healing_anything_is_looked_at_once(
    operation: Operation,
) -> None:
    operation.begin()
    operation.drop("depots", "depots.csv", DEPOTS + "MUC,Munich\n")
    operation.drain("depots")
    assert operation.drain().verified.replayed == 0
    with operation.installation.ledger.read() as connection:
        case = cases.find(connection, cases.case_id("parcels", "unknown_depot"))
    assert case is not None
    assert case.state == "open"
    assert list(case.tried_version) == ["depots", cases.DECLARATION]


def test_a_cause_that_comes_back_is_a_new_episode_of_the_same_case(operation: Operation) -> None:
    operation.begin()
    operation.drop("depots", "depots.csv", MORE_DEPOTS)
    operation.drain("depots")
    operation.drain()
    operation.drop("parcels", "day2.csv", HEADER + "R1,QQQ,1,\n")
    report = operation.drain()
    case = next(case for case in report.verified.cases if case.failure_mode == "unknown_depot")
    assert (case.episode, case.rows, dict(case.values)) == (2, 1, {"QQQ": 1})


def test_no_row_is_judged_while_the_reference_is_absent(operation: Operation) -> None:
    operation.drop("parcels", "day1.csv", DAY_ONE)
    report = operation.drain()
    (reason,) = report.verified.waiting.values()
    assert reason.startswith("reference depots: outcome depots has delivered nothing yet;")
    assert law(operation) == {"received": 9, "in_flight": 9}
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    assert operation.drain().delivered.delivered == 2


def test_no_row_is_judged_by_a_reference_that_shrank(operation: Operation) -> None:
    operation.begin()
    operation.drop("depots", "depots.csv", "code,city\nBER,Berlin\n")
    operation.drain("depots")
    operation.redeclare(operation.outcomes[0], parcels(references={"depots": {"shrink": 0.2}}))
    operation.drop("parcels", "day2.csv", HEADER + "R1,HAM,1,\n")
    waiting = operation.drain().verified.waiting
    assert waiting
    assert all("shrank from 2 to 1 rows" in reason for reason in waiting.values())


def test_no_row_is_judged_by_a_reference_past_its_own_promise(operation: Operation) -> None:
    operation.begin()
    (operation.root / "desk.db").rename(operation.root / "gone.db")
    (operation.root / "desk.db").mkdir()  # the register's desk is broken
    operation.drop("depots", "depots.csv", MORE_DEPOTS, age=timedelta(hours=3))
    assert operation.drain("depots").failures
    operation.drop("parcels", "day2.csv", HEADER + "R1,HAM,1,\n")
    waiting = operation.drain().verified.waiting
    assert waiting
    assert all("past its own promise" in reason for reason in waiting.values())


def test_an_arrival_with_too_many_bad_rows_is_held_whole_and_blocks_nobody(
    operation: Operation,
) -> None:
    operation.redeclare(operation.outcomes[0], parcels(tolerance=0.5))
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "bad.csv", DAY_ONE)
    operation.drop("parcels", "good.csv", HEADER + "R1,HAM,1,\n")
    report = operation.drain()
    assert list(report.verified.held.values()) == [("arrival.tolerance",)]
    assert operation.table("gate_queue") == [("R1", "HAM", 1.0, None)]
    assert law(operation) == {"received": 10, "delivered": 1, "open": 9}


def test_what_is_held_is_said_at_every_drain_until_it_is_not(operation: Operation) -> None:
    source = {"kind": "files", "path": "inbox/parcels/*", "settle": "0s", "same_name": "correction"}
    operation.redeclare(operation.outcomes[0], parcels(tolerance=0.5, source=source))
    operation.begin()
    report = operation.drain().verified
    assert list(report.held.values()) == [("arrival.tolerance",)]
    assert list(report.held_names.values()) == ["day1.csv"]
    unresolved = unresolved_evaluation(report, {})
    assert unresolved.severity.value == "ERROR"
    assert "day1.csv" in str(unresolved.metadata["stopped"])
    operation.drop("parcels", "day1.csv", HEADER + "R1,HAM,1,\n")
    assert operation.drain().verified.held == {}


def test_an_arrival_without_a_column_of_the_contract_is_held(operation: Operation) -> None:
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "narrow.csv", "parcel,depot\nR1,HAM\n")
    report = operation.drain()
    assert list(map(str, report.arrivals.symptoms[0].drifts)) == [
        "weight was removed",
        "note was removed",
    ]
    assert list(report.verified.held.values()) == [("arrival.columns",)]
    assert law(operation) == {"received": 1, "open": 1}


def test_rows_no_route_takes_become_a_case(operation: Operation) -> None:
    operation.redeclare(
        operation.outcomes[0],
        parcels(
            routes=[{"to": "gate", "when": "weight < 5"}, {"to": "freight", "when": "weight > 50"}]
        ),
    )
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "day.csv", HEADER + "R1,HAM,10,\nR2,HAM,1,\n")
    report = operation.drain()
    assert (report.routed.unrouted, report.routed.open_unrouted) == (1, 1)
    assert law(operation) == {"received": 2, "delivered": 1, "open": 1}


def test_a_receiver_that_is_down_holds_back_its_batches_and_loses_nothing(
    operation: Operation,
) -> None:
    (operation.root / "out").write_text("a file where a folder should be")
    report = operation.begin()
    (failure,) = report.failures.values()
    assert "nothing more is sent to" in failure
    assert report.promise.conservation is not None
    assert report.promise.conservation.holds
    assert report.promise.conservation.in_flight == 3
    (operation.root / "out").unlink()
    later = datetime.now(UTC) + timedelta(minutes=2)
    assert operation.drain(clock=lambda: later).delivered.closed == 1
    assert operation.table("gate_queue") == [("P1", "HAM", 2.5, "fragile")]


def test_a_batch_keeps_the_routes_it_was_judged_under(operation: Operation) -> None:
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "day.csv", HEADER + "R1,HAM,50,\n")
    first = Drain(operation.compiled["parcels"], operation.installation)
    first.arrivals()
    first.verified()
    operation.redeclare(
        operation.outcomes[0],
        parcels(
            routes=[{"to": "gate"}],
            handoff={"gate": {"kind": "table", "url": "sqlite:///desk.db", "table": "gate_queue"}},
        ),
    )
    report = operation.drain()
    (failure,) = report.failures.values()
    assert "no longer declares a receiver `freight` in its handoff; declare it again" in failure
    assert operation.table("gate_queue") == []


def test_a_batch_claimed_before_a_deployment_is_judged_by_it_and_says_so(
    operation: Operation,
) -> None:
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "day.csv", HEADER + "R1,HAM,50,\n")
    Drain(operation.compiled["parcels"], operation.installation).arrivals()
    operation.redeclare(
        operation.outcomes[0],
        parcels(
            routes=[{"to": "gate", "when": "weight > 0"}],
            handoff={"gate": {"kind": "table", "url": "sqlite:///desk.db", "table": "gate_queue"}},
        ),
    )
    assert operation.drain().delivered.by_route == {"gate": 1}


def test_each_stage_alone_does_what_is_outstanding_for_it(operation: Operation) -> None:
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "day1.csv", DAY_ONE)
    stages = Drain(operation.compiled["parcels"], operation.installation)
    assert stages.delivered().closed == 0
    assert stages.routed().batches == 0
    assert stages.arrivals().records == 9
    assert stages.delivered().closed == 0
    assert stages.verified().verified == 3
    assert stages.arrivals().seen == 0
    assert stages.routed().records == 3
    assert stages.delivered().delivered == 2
    report = stages.promise()
    assert report.conservation is not None
    assert report.conservation.holds


def test_what_was_available_longer_than_promised_before_it_came_out_is_late(
    operation: Operation,
) -> None:
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "early.csv", HEADER + "R1,HAM,1,\n", age=timedelta(minutes=40))
    operation.drop("parcels", "fresh.csv", HEADER + "R2,HAM,1,\n")
    assert operation.drain().promise.late_arrivals == 1


def test_outstanding_records_older_than_promised_break_the_promise(operation: Operation) -> None:
    operation.drop("parcels", "day1.csv", DAY_ONE, age=timedelta(minutes=40))
    report = operation.drain().promise  # no register: the batch waits
    assert report.is_late
    assert report.oldest_seconds is not None
    assert 2400 <= report.oldest_seconds < 2500


def test_a_name_claimed_by_another_code_location_is_refused_with_both_names(
    operation: Operation,
) -> None:
    operation.begin()
    (other,) = compile_outcomes([parcels()], location="another", produced_elsewhere=["depots"])
    with pytest.raises(OutcomeClaimed, match=r"'tests'.*'another'"):
        Drain(other, operation.installation).run()


def test_an_outcome_can_be_the_source_of_the_next(operation: Operation) -> None:
    billing = parcels(
        name="billing",
        source={"kind": "upstream", "asset": "parcels/delivered"},
        failure_modes=[],
        routes=[],
        handoff={"invoices": {"kind": "files", "path": "out/invoices"}},
    )
    operation.begin()
    operation.redeclare(*operation.outcomes, billing)
    report = operation.drain("billing")
    assert (report.arrivals.claimed, report.delivered.delivered) == (1, 2)
    assert sorted(operation.files("out/invoices")["parcel"]) == ["P1", "P2"]
    assert operation.drain("billing").arrivals.seen == 0
    operation.drop("parcels", "day2.csv", HEADER + "R1,HAM,1,\n")
    operation.drain("parcels")
    assert operation.drain("billing").delivered.delivered == 1


def test_limits_cut_batches_and_change_no_verdict(operation: Operation) -> None:
    for limit in ({"max_files": 1}, {"max_rows": 2}, {"max_bytes": 50}, {}):
        operation.redeclare(operation.outcomes[0], parcels(batch=limit))
        operation.drop("depots", "depots.csv", DEPOTS)
        operation.drain("depots")
        for day in range(3):
            operation.drop("parcels", f"{limit}-{day}.csv", DAY_ONE.replace("P", f"{limit}{day}"))
        report = operation.drain()
        assert (report.arrivals.records, report.verified.quarantined) == (27, 18), limit
        assert report.delivered.delivered == 6
        assert report.promise.conservation is not None
        assert report.promise.conservation.holds
        batches = {"max_files": 3, "max_rows": 3, "max_bytes": 3}
        assert report.arrivals.batches == next((batches[name] for name in limit), 1)


def test_a_ledger_that_was_lost_delivers_nothing_a_second_time(operation: Operation) -> None:
    operation.begin()
    operation.lose_ledger()
    assert operation.drain("depots").failures == {}
    report = operation.drain()
    assert report.failures == {}
    assert operation.table("gate_queue") == [("P1", "HAM", 2.5, "fragile")]
    assert operation.files("out/freight").height == 1
    assert law(operation)["delivered"] == 2


def test_rows_are_not_tried_again_by_the_references_they_were_judged_by(
    operation: Operation,
) -> None:
    operation.begin()
    looks = {name: Look() for name in ("depots", "parcels")}
    outcomes = list(operation.compiled.values())
    assert [one.reason for one in states(operation.installation, outcomes, looks)] == [None] * 2
    operation.drop("depots", "depots.csv", MORE_DEPOTS)
    operation.drain("depots")
    reasons = {one.name: one.reason for one in states(operation.installation, outcomes, looks)}
    assert reasons["depots"] is None
    assert reasons["parcels"] is not None


def wake_up_calls(operation: Operation) -> dict[str, str | None]:
    looks = {name: Look() for name in operation.compiled}
    found = states(operation.installation, list(operation.compiled.values()), looks)
    return {one.name: one.reason for one in found}


def test_a_reference_that_comes_back_while_a_batch_begins_to_wait_wakes_it(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation.drop("parcels", "day1.csv", DAY_ONE)
    load = References.load

    def late(self: References, name: str, **options: Any) -> Reference:
        try:
            return load(self, name, **options)
        except ReferenceDown:
            operation.drop("depots", "depots.csv", DEPOTS)
            operation.drain("depots")
            raise

    monkeypatch.setattr(References, "load", late)
    assert operation.drain().verified.waiting
    assert wake_up_calls(operation)["parcels"] == "1 outstanding in the ledger"


def test_a_batch_that_waited_and_then_failed_is_not_due_before_its_next_attempt(
    operation: Operation,
) -> None:
    operation.drop("parcels", "day1.csv", DAY_ONE)
    operation.drain()
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    (raw,) = (operation.root / ".opsintel/store/parcels").glob("*/raw-*.parquet")
    content = raw.read_bytes()
    raw.unlink()
    assert operation.drain().failures
    assert wake_up_calls(operation)["parcels"] is None
    raw.write_bytes(content)
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert operation.drain(clock=lambda: later).delivered.delivered == 2


def test_rows_of_a_held_arrival_stay_together_whatever_heals(operation: Operation) -> None:
    operation.redeclare(
        operation.outcomes[0],
        parcels(
            tolerance=0.5,
            failure_modes=[
                {
                    "name": "unknown_depot",
                    "rules": ["depot_known"],
                    "remedy": {"kind": "quarantine", "replay_when": "depots"},
                },
                {"name": "held", "rules": ["arrival.tolerance"]},
            ],
        ),
    )
    report = operation.begin()
    assert {case.failure_mode: case.rows for case in report.verified.cases} == {"held": 9}
    operation.drop("depots", "depots.csv", MORE_DEPOTS)
    operation.drain("depots")
    assert operation.drain().verified.replayed == 0
    assert law(operation) == {"received": 9, "open": 9}


def test_what_the_ledger_cannot_do_is_said_in_our_words_without_values(
    operation: Operation,
) -> None:
    operation.begin()
    with operation.installation.ledger.write() as connection:
        connection.execute(text("DROP TABLE opsintel_touch"))
    with (
        pytest.raises(LedgerError, match="opsintel_touch") as caught,
        operation.installation.ledger.write() as connection,
    ):
        entries.touched(connection, "parcels", "somebody@example.com", "kind", "subject")
    assert "somebody@example.com" not in str(caught.value)
