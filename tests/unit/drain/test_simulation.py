"""What another declaration would have made of history: predicted, and then done by a drain."""

from collections import Counter
from pathlib import Path
from typing import Any

import pandera.polars as pa
import pytest
from scenario import DEPOTS, HEADER, MORE_DEPOTS, Operation, Parcel, depots, parcels

from opsintel_dagster.ledger.tables import entry
from opsintel_dagster.orchestration.compiled import Compiled, compile_outcomes
from opsintel_dagster.orchestration.drain import Drain
from opsintel_dagster.orchestration.simulation import Place, Simulation, simulate
from opsintel_dagster.outcome import Outcome


class LighterParcel(Parcel):
    weight: float = pa.Field(ge=-1)


@pytest.fixture
def operation(tmp_path: Path) -> Operation:
    """The first day on SQLite: a simulation asks the database for nothing a drain does not."""
    ready = Operation(tmp_path)
    ready.begin()
    return ready


def compiled(outcome: Outcome) -> Compiled:
    [one] = compile_outcomes([outcome], location="tests", produced_elsewhere=["depots"])
    return one


def simulated(operation: Operation, **changes: Any) -> Simulation:
    before = operation.compiled["parcels"]
    return simulate(operation.installation, compiled(parcels(**changes)), before=before)


def moves(found: Simulation) -> dict[str, int]:
    return {f"{one.before} → {one.after}": one.records for one in found.moved}


def test_the_unchanged_declaration_changes_nothing(operation: Operation) -> None:
    found = simulated(operation)
    assert (found.batches, found.records) == (1, 9)
    assert (found.moved, found.next_drain) == ((), {})
    assert found.cases == ()


def test_a_looser_rule_says_which_records_would_have_gone_where_with_examples(
    operation: Operation,
) -> None:
    found = simulated(
        operation,
        contract=LighterParcel,
        routes=[
            {"to": "freight", "when": "weight >= 30"},
            {"to": "gate", "when": "weight <> 0"},
            {"to": "nowhere", "when": "weight = 0"},
        ],
    )
    assert moves(found) == {"quarantine bad_weight → route gate": 1}
    [moved] = found.moved
    assert [(row["parcel"], row["_file"], row["_line"]) for row in moved.examples] == [
        ("P4", "day1.csv", 5)
    ]
    assert [(one.failure_mode, one.before, one.after) for one in found.cases] == [
        ("bad_weight", 2, 1)
    ]


def test_a_stricter_table_moves_records_from_desk_to_desk_and_to_quarantine(
    operation: Operation,
) -> None:
    freight = {"to": "freight", "when": "weight >= 2"}
    gate = {"to": "gate", "when": "weight > 0"}
    found = simulated(operation, routes=[freight, gate, {"to": "nowhere", "when": "weight = 0"}])
    assert moves(found) == {"route gate → route freight": 1}
    found = simulated(operation, routes=[freight, gate])
    assert moves(found) == {
        "route gate → route freight": 1,
        "route nowhere → quarantine unmapped": 1,
    }


def test_an_arrival_that_would_have_been_held_is_held_whole(operation: Operation) -> None:
    found = simulated(operation, tolerance=0.1)
    held = {one.before: one.records for one in found.moved if one.after.kind == "quarantine"}
    assert held[Place("route", "gate")] == 1
    assert (
        sum(held.values())
        == 9
        - sum(  # all of them are one case now
            one.after for one in found.cases if one.failure_mode != "unmapped"
        )
        - 2
    )


def test_history_is_judged_by_the_references_of_then(operation: Operation) -> None:
    operation.drop("depots", "depots.csv", MORE_DEPOTS)
    operation.drain("depots")
    operation.drop("parcels", "day2.csv", f"{HEADER}P20,XXX,4,\n")
    operation.drain()
    assert simulated(operation).moved == ()
    routes = [{"to": "freight", "when": "weight = 4"}, {"to": "gate"}]
    assert moves(simulated(operation, routes=routes)) == {
        "route freight → route gate": 1,
        "route gate → route freight": 1,
        "route nowhere → route gate": 1,
    }


def test_what_is_predicted_of_quarantine_is_what_the_next_drain_does(
    operation: Operation,
) -> None:
    changed = parcels(
        contract=LighterParcel,
        routes=[{"to": "freight", "when": "weight >= 30"}, {"to": "gate"}],
    )
    found = simulate(
        operation.installation, compiled(changed), before=operation.compiled["parcels"]
    )
    predicted: Counter[str] = Counter()
    for plan in found.next_drain.values():
        predicted.update(plan.routes or {})
    before = len(operation.table("gate_queue")), operation.files("out/freight").height
    operation.redeclare(depots(), changed)
    report = operation.drain()
    assert report.verified.replayed == sum(plan.leave for plan in found.next_drain.values())
    after = len(operation.table("gate_queue")), operation.files("out/freight").height
    assert predicted == {"gate": 1}
    assert (after[0] - before[0], after[1] - before[1]) == (predicted["gate"], predicted["freight"])


def test_it_writes_nothing(operation: Operation) -> None:
    def state() -> tuple[object, ...]:
        with operation.installation.ledger.read() as connection:
            entries = connection.execute(entry.select()).all()
        files = sorted(str(path) for path in operation.root.rglob("*") if path.is_file())
        return entries, [name for name in files if "ledger" not in name]

    before = state()
    simulated(operation, contract=LighterParcel, tolerance=0.1)
    assert state() == before


def test_batches_pinned_to_another_declaration_are_judged_by_both(operation: Operation) -> None:
    routes = [{"to": "freight", "when": "weight = 4"}, {"to": "gate"}]
    operation.redeclare(depots(), parcels(contract=LighterParcel, routes=routes))
    operation.drain()
    now = operation.compiled["parcels"]
    assert simulate(operation.installation, now, before=now).moved == ()
    happened = simulate(operation.installation, now)
    assert moves(happened) == {
        "quarantine bad_weight → route gate": 1,
        "route freight → route gate": 1,
        "route nowhere → route gate": 1,
    }


def test_a_file_that_is_gone_leaves_its_batch_out_and_says_so(operation: Operation) -> None:
    with operation.installation.ledger.read() as connection:
        path = connection.exec_driver_sql(
            "SELECT path FROM opsintel_stage_file WHERE role = 'raw' AND path LIKE '%parcels%'"
        ).scalar_one()
    (operation.root / ".opsintel" / "store" / path).unlink()
    found = simulated(operation, contract=LighterParcel)
    assert (found.batches, len(found.left_out)) == (0, 1)
    assert "it is not there" in next(iter(found.left_out.values()))


def test_a_batch_on_its_way_has_nothing_to_be_compared_with(operation: Operation) -> None:
    operation.drop("parcels", "day2.csv", f"{HEADER}P20,HAM,4,\n")
    Drain(operation.compiled["parcels"], operation.installation).arrivals()
    found = simulated(operation)
    assert (found.batches, found.on_their_way) == (1, 1)


def test_corrections_and_repeats_stand_as_they_were(tmp_path: Path) -> None:
    source = {
        "kind": "files",
        "path": "inbox/parcels/*",
        "settle": "0s",
        "same_name": "correction",
    }
    changes: dict[str, Any] = {"source": source, "repeats": "hold"}
    operation = Operation(tmp_path, (depots(), parcels(**changes)))
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    for name, rows in (("a.csv", "P1,HAM,2,\n"), ("a.csv", "P1,HAM,2,\nP2,HAM,3,\n")):
        operation.drop("parcels", name, HEADER + rows)
        operation.drain()
    operation.drop("parcels", "b.csv", f"{HEADER}P1,HAM,9,\n")
    operation.drain()
    found = simulated(operation, **changes)
    assert (found.batches, found.records, found.moved) == (3, 4, ())
    assert not any(plan.leave for plan in found.next_drain.values())
