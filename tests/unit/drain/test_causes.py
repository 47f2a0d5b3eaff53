"""One case per cause: what rows have in common, and how many cases there are at most."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from scenario import DAY_ONE, DEPOTS, HEADER, MORE_DEPOTS, Operation, Parcel, depots, parcels
from sqlalchemy import delete, func, insert, select, update

from opsintel_dagster import crashpoints
from opsintel_dagster.ledger import case_listing, cases, decisions
from opsintel_dagster.ledger.decisions import DecisionKind
from opsintel_dagster.ledger.tables import batch, case, case_rows
from opsintel_dagster.orchestration import case_rows as parts
from opsintel_dagster.orchestration import causes
from opsintel_dagster.orchestration.case_rows import CaseRows
from opsintel_dagster.orchestration.decisions import decide, preview
from opsintel_dagster.outcome import Outcome

KIND = DecisionKind


class Private(Parcel):
    note: str = pa.Field(nullable=True, metadata={"pii": True})


Declare = Callable[..., Operation]


@pytest.fixture
def declared(tmp_path: Path) -> Declare:
    """The first day, where one of the failure modes is told apart."""

    def begun(per: Any, rules: tuple[str, ...] = ("depot_known",), **changes: Any) -> Operation:
        operation = Operation(tmp_path, (depots(), told_apart(per, rules, **changes)))
        operation.begin()
        return operation

    return begun


def told_apart(per: Any, rules: tuple[str, ...] = ("depot_known",), **changes: Any) -> Outcome:
    mode = {"name": "apart", "rules": list(rules), "per": per}
    return parcels(**{"failure_modes": [mode], **changes})


def open_cases(operation: Operation) -> dict[str, int]:
    """Open rows of each open case, by its name; as many are found in the files."""
    with operation.installation.ledger.read() as connection:
        rows = case_listing.listing(connection, ["parcels"])
        for row in rows:
            found = [*CaseRows.of(operation.installation, connection, row)]
            assert sum(part.height for part in found) == row.open_rows
    return {cases.about(row): row.open_rows for row in rows}


def found(operation: Operation, failure_mode: str, cause: str = "") -> Any:
    with operation.installation.ledger.read() as connection:
        return cases.find(connection, cases.case_id("parcels", failure_mode, cause))


def say(operation: Operation, about: tuple[str, str], kind: DecisionKind, **options: Any) -> str:
    told = {"actor": "kim", "reason": "so be it", "now": datetime.now(UTC), **options}
    identity = cases.case_id("parcels", *about)
    compiled = operation.compiled["parcels"]
    return decide(operation.installation, compiled, identity, kind, **told).id


def law(operation: Operation) -> Any:
    counted = operation.drain().promise.conservation
    assert counted is not None
    assert counted.holds, counted.told()
    return counted


def many(count: int, depot: Callable[[int], str], weight: str = "1") -> str:
    return HEADER + "".join(f"R{row},{depot(row)},{weight},\n" for row in range(count))


def test_rows_that_fail_for_four_missing_depots_are_one_case_with_four_values(
    tmp_path: Path,
) -> None:
    operation = Operation(tmp_path)
    operation.begin()
    operation.drop("parcels", "day2.csv", many(400, lambda row: f"D{row % 4}"))
    operation.drain()
    assert open_cases(operation)["unknown_depot"] == 402
    values = found(operation, "unknown_depot").facts["values"]
    assert values == {"XXX": 1, "YYY": 1, **{f"D{number}": 100 for number in range(4)}}


@pytest.mark.parametrize(
    ("per", "rules", "expected"),
    [
        (["depot"], ("depot_known",), {"apart:XXX": 1, "apart:YYY": 1}),
        (["depot", "weight"], ("depot_known",), {"apart:XXX · 1": 1, "apart:YYY · -2": 1}),
        ("file", ("depot_known",), {"apart:day1.csv": 2}),
        ("rule", ("weight.ge", "weight.coerce"), {"apart:weight.ge": 2, "apart:weight.coerce": 1}),
        ("message", ("readable",), {"apart:ragged": 1}),
        (None, ("depot_known",), {"apart": 2}),
    ],
)
def test_a_failure_mode_is_told_apart_as_it_says(
    declared: Declare, per: Any, rules: tuple[str, ...], expected: dict[str, int]
) -> None:
    found_cases = open_cases(declared(per, rules))
    assert {name: n for name, n in found_cases.items() if name.startswith("apart")} == expected


def test_what_nobody_named_has_nothing_in_common_but_its_rule(tmp_path: Path) -> None:
    operation = Operation(tmp_path, (depots(), parcels(failure_modes=[])))
    operation.begin()
    assert open_cases(operation) == {
        "unmapped:depot_known": 2,  # P8 breaks this rule first
        "unmapped:parcel.not_null": 1,
        "unmapped:readable": 1,
        "unmapped:weight.coerce": 1,
        "unmapped:weight.ge": 1,
    }


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("gate: row 17 of 9 is 'Ada' and 4.5", "gate: row … of … is … and …"),
        ('null value in column "weight" of relation "x"', "null value in column weight of …"),
        ("Key (id)=(Ada, 3) already exists", "Key (id)=(…) already exists"),
        ("id 8c2f0a6e-1111-4222-8333-0123456789ab\n is gone", "id … is gone"),
        ("0xDEADBEEF and 5f2ac901bd", "… and …"),
        (None, ""),
    ],
)
def test_ids_and_values_in_messages_do_not_split_cases(
    tmp_path: Path, said: str | None, cause: str
) -> None:
    compiled = Operation(tmp_path).compiled["parcels"]
    rows = pl.DataFrame(
        {"_arrival": ["a"], "_rules": [["refused"]], "_problem": [said]},
        schema_overrides={"_problem": pl.String},
    )
    [group] = causes.with_causes(compiled, rows, {})["_group"]
    assert group == cause or (cause.endswith("…") and group.startswith(cause[:-2]))
    assert "Ada" not in group


def test_what_breaks_down_over_personal_data_is_told_apart_by_its_kind_alone(
    tmp_path: Path,
) -> None:
    compiled = Operation(tmp_path, (depots(), parcels(contract=Private))).compiled["parcels"]
    rows = pl.DataFrame(
        {"_arrival": ["a"], "_rules": [["crashed"]], "_problem": ["ValueError: no place for Ada"]}
    )
    assert causes.with_causes(compiled, rows, {})["_group"].to_list() == ["ValueError"]


def test_a_value_that_a_database_cannot_keep_is_a_cause_all_the_same(declared: Declare) -> None:
    operation = declared(["depot"])
    rows = pl.DataFrame({"parcel": ["Q1"], "depot": ["X\0Y"], "weight": [1.0], "note": [None]})
    rows.write_parquet(operation.drop("parcels", "day2.parquet", b""))
    law(operation)
    assert open_cases(operation)["apart:X\\x00Y"] == 1


def test_refusals_with_another_id_each_are_one_case(tmp_path: Path) -> None:
    operation = Operation(tmp_path)
    operation.begin()
    for parcel in ("Q1", "Q2"):
        operation.refuse("gate_queue", parcel)
    operation.drop("parcels", "day2.csv", HEADER + "Q1,HAM,4,\nQ2,HAM,4,\n")
    operation.drain()
    assert open_cases(operation)["refused:gate: not this one"] == 2


def test_a_cause_that_comes_back_is_a_new_episode_of_its_case(declared: Declare) -> None:
    operation = declared(["depot"])
    say(operation, ("apart", "XXX"), KIND.DISCARD)
    law(operation)
    assert (found(operation, "apart", "XXX").state, found(operation, "apart", "YYY").state) == (
        "closed",
        "open",
    )
    operation.drop("parcels", "day2.csv", HEADER + "P9,XXX,1,\n")
    law(operation)
    again = found(operation, "apart", "XXX")
    assert (again.state, again.episode) == ("open", 2)
    assert found(operation, "apart", "YYY").episode == 1


def test_a_decision_on_one_cause_leaves_the_rows_of_others_alone(declared: Declare) -> None:
    operation = declared(["depot"])
    identity = say(operation, ("apart", "XXX"), KIND.ACCEPT)
    law(operation)
    assert ("P3", "XXX", 1.0, None) in operation.table("gate_queue")
    assert "apart:XXX" not in open_cases(operation)
    assert open_cases(operation)["apart:YYY"] == 1
    with operation.installation.ledger.read() as connection:
        assert decisions.find(connection, identity).result == "1 of 1 rows leave quarantine"


def test_who_accepts_a_rule_accepts_no_other_one(tmp_path: Path) -> None:
    operation = Operation(tmp_path, (depots(), parcels(failure_modes=[])))
    operation.begin()
    say(operation, ("unmapped", "weight.ge"), KIND.ACCEPT)
    law(operation)
    assert found(operation, "unmapped", "weight.ge").state == "closed"
    assert open_cases(operation) == {
        "unmapped:depot_known": 2,  # P8 does not know its depot, either
        "unmapped:parcel.not_null": 1,
        "unmapped:readable": 1,
        "unmapped:weight.coerce": 1,
        "unmapped:route.none": 1,
    }


def test_a_repair_that_makes_it_another_cause_moves_the_row_there(declared: Declare) -> None:
    operation = declared(["depot"])
    values = {"depot": {"XXX": "ZZZ"}}
    arguments = {"values": values}
    shown = preview(
        operation.installation,
        operation.compiled["parcels"],
        cases.case_id("parcels", "apart", "XXX"),
        KIND.REPAIR,
        arguments=arguments,
    )
    assert (shown.plan.leave, shown.plan.others) == (1, {"depot_known": 1})
    say(operation, ("apart", "XXX"), KIND.REPAIR, arguments=arguments)
    law(operation)
    assert open_cases(operation)["apart:ZZZ"] == 1
    assert "apart:XXX" not in open_cases(operation)


def test_a_deployment_that_tells_rows_apart_otherwise_sorts_what_is_open(
    declared: Declare,
) -> None:
    operation = declared(None)
    assert open_cases(operation)["apart"] == 2
    operation.redeclare(operation.outcomes[0], told_apart(["depot"]))
    law(operation)
    assert open_cases(operation)["apart:XXX"] == 1
    assert "apart" not in open_cases(operation)
    operation.redeclare(operation.outcomes[0], told_apart(None))
    law(operation)
    assert open_cases(operation)["apart"] == 2
    assert found(operation, "apart").episode == 2


def test_a_thousand_causes_are_a_hundred_cases_and_one_about_the_rest(declared: Declare) -> None:
    operation = declared(["depot"])
    operation.drop("parcels", "day2.csv", many(20_000, lambda row: f"D{row % 1000}"))
    operation.drain()
    names = open_cases(operation)
    mine = [name for name in names if name.startswith("apart:")]
    assert len(mine) == cases.CAUSES_KEPT + 1
    assert names["apart:(other causes)"] == 20 * (1000 - 98)  # two have one since the first day
    rest = found(operation, "apart", cases.OTHER_CAUSES)
    assert cases.told_more(rest.facts) == "and 902 more causes"
    with operation.installation.ledger.read() as connection:
        count = connection.execute(select(func.count()).select_from(case_rows)).scalar_one()
    assert count < 120  # not one for each row, nor for each cause
    operation.drop("parcels", "day3.csv", many(12, lambda row: f"E{row % 6}") + "R99,D0,1,\n")
    law(operation)
    names = open_cases(operation)
    assert names["apart:D0"] == 21
    assert names["apart:(other causes)"] == 20 * (1000 - 98) + 12
    rest = found(operation, "apart", cases.OTHER_CAUSES)
    assert cases.told_more(rest.facts) == "and at least 902 more causes"


def test_the_most_frequent_causes_get_a_case_and_the_rest_is_decided_about_as_one(
    declared: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(causes, "CAUSES_KEPT", 3)
    operation = declared(["depot"])
    rare = "".join(f"S{n},D{n},1,\n" for n in range(1, 9))
    operation.drop("parcels", "day2.csv", many(3, lambda _: "D9") + rare)
    operation.drain()
    names = {n: c for n, c in open_cases(operation).items() if n.startswith("apart")}
    assert names == {"apart:XXX": 1, "apart:YYY": 1, "apart:D9": 3, "apart:(other causes)": 8}
    operation.drop("depots", "depots.csv", DEPOTS + "D1,Dort\nD2,Dort\n")
    operation.drain("depots")
    say(operation, ("apart", cases.OTHER_CAUSES), KIND.REPLAY)
    law(operation)
    rest = found(operation, "apart", cases.OTHER_CAUSES)
    assert cases.told_more(rest.facts) == "and 6 more causes"
    assert open_cases(operation)["apart:(other causes)"] == 6
    say(operation, ("apart", cases.OTHER_CAUSES), KIND.DISCARD)
    law(operation)
    assert found(operation, "apart", cases.OTHER_CAUSES).state == "closed"
    assert cases.told_more(found(operation, "apart", cases.OTHER_CAUSES).facts) == ""


def test_rows_of_a_case_go_in_parts_and_what_is_decided_is_done_once(
    declared: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 3)
    operation = declared(None)
    for day in range(2, 5):
        operation.drop("parcels", f"day{day}.csv", many(5, lambda _: "XXX").replace("R", f"R{day}"))
        operation.drain()
    operation.drop("depots", "depots.csv", DEPOTS + "XXX,Cuxhaven\n")
    operation.drain("depots")
    say(operation, ("apart", ""), KIND.REPLAY)

    def kill(point: str) -> None:
        if point == "decide.written":
            raise KeyboardInterrupt

    monkeypatch.setattr(crashpoints, "on_reached", kill)
    with pytest.raises(KeyboardInterrupt):
        operation.drain()
    monkeypatch.setattr(crashpoints, "on_reached", None)
    law(operation)
    assert open_cases(operation)["apart"] == 1  # YYY
    records = operation.records("gate_queue")
    assert len(records) == len(set(records)) == 1 + 16
    with operation.installation.ledger.read() as connection:
        replays = select(batch.c.records).where(batch.c.kind == "replay")
        sizes = list(connection.execute(replays).scalars())
    assert sum(sizes) == 16
    assert max(sizes) <= 3
    say(operation, ("apart", ""), KIND.DISCARD)
    assert law(operation).discarded == 1


def test_what_is_judged_of_whole_arrivals_is_counted_over_all_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = Operation(tmp_path, (depots(), parcels(tolerance=0.4)))
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    half = "".join(f"G{n},HAM,1,\n" for n in range(5))
    operation.drop("parcels", "day1.csv", many(5, lambda row: f"D{row}") + half)
    operation.drain()
    held = ("unmapped", "arrival.tolerance")
    assert open_cases(operation) == {"unmapped:arrival.tolerance": 10}
    monkeypatch.setattr(parts, "PART_ROWS", 3)  # in some parts nothing is bad
    say(operation, held, KIND.REPLAY)
    law(operation)
    assert open_cases(operation) == {"unmapped:arrival.tolerance": 10}
    operation.drop("depots", "depots.csv", DEPOTS + "D1,Dort\n")
    operation.drain("depots")
    say(operation, held, KIND.REPLAY)
    law(operation)
    assert open_cases(operation) == {"unknown_depot": 4}
    assert len(operation.table("gate_queue")) == 6


def forget_causes(operation: Operation) -> None:
    """The ledger and the files as they were before there were causes."""
    old = cases.case_id("parcels", "unmapped")
    with operation.installation.ledger.write() as connection:
        rows = connection.execute(select(case).where(case.c.failure_mode == "unmapped")).all()
        values = {**rows[0]._mapping, "id": old, "cause": ""}
        connection.execute(insert(case).values(**values))
        ids = [row.id for row in rows]
        moved = update(case_rows).where(case_rows.c.case_id.in_(ids)).values(case_id=old)
        connection.execute(moved)
        connection.execute(delete(case).where(case.c.id.in_(ids)))
    for path in operation.root.glob(".opsintel/store/parcels/*/quarantine-*.parquet"):
        pl.read_parquet(path).drop("_group", "_tail").write_parquet(path)


def test_a_case_from_before_keeps_its_rows_until_they_are_judged_again(tmp_path: Path) -> None:
    operation = Operation(tmp_path)
    operation.begin()
    forget_causes(operation)
    assert open_cases(operation) == {"unknown_depot": 2, "bad_weight": 2, "unmapped": 2}
    operation.drop("depots", "depots.csv", MORE_DEPOTS)
    operation.drain("depots")
    law(operation)
    assert open_cases(operation)["unmapped"] == 2
    operation.redeclare(operation.outcomes[0], parcels(tolerance=0.99))
    law(operation)
    assert open_cases(operation) == {
        "bad_weight": 3,
        "unmapped:readable": 1,
        "unmapped:parcel.not_null": 1,
    }
    assert found(operation, "unmapped").state == "closed"


def test_a_case_from_before_hands_unreadable_files_on(tmp_path: Path) -> None:
    operation = Operation(tmp_path)
    operation.drop("parcels", "day1.csv", DAY_ONE)
    operation.drop("parcels", "empty.csv", b"")
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    operation.drain()
    with operation.installation.ledger.write() as connection:
        new = cases.find(connection, cases.case_id("parcels", "unmapped", "readable"))
        assert new is not None
        values = {**new._mapping, "id": cases.case_id("parcels", "unmapped"), "cause": ""}
        connection.execute(insert(case).values(**values))
        facts = {**new.facts, "unreadable": []}
        connection.execute(update(case).where(case.c.id == new.id).values(facts=facts))
    operation.drain()
    old = found(operation, "unmapped")
    assert (old.state, old.facts["unreadable"]) == ("closed", [])
    assert re.search("unmapped:readable asks about its files now", old.closed_by)
    assert found(operation, "unmapped", "readable").facts["unreadable"] == ["empty.csv"]
