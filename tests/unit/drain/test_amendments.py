"""Decisions that are kept: applied before verification from then on, until they are retired."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from healed import Died
from scenario import DEPOTS, HEADER, Operation, depots, parcels
from sqlalchemy import Row, select

from opsintel_dagster import crashpoints
from opsintel_dagster.errors import DecisionRefused
from opsintel_dagster.ledger import amendments, cases
from opsintel_dagster.ledger.decisions import DecisionKind, decision
from opsintel_dagster.ledger.tables import entry, touch
from opsintel_dagster.orchestration.decisions import decide, preview
from opsintel_dagster.orchestration.reading import read
from opsintel_dagster.orchestration.reports import Conservation
from opsintel_dagster.orchestration.waking import Look, states

KIND = DecisionKind
DEPOT = cases.case_id("parcels", "unknown_depot")
WEIGHT = cases.case_id("parcels", "bad_weight")
NO_COLUMN = cases.case_id("parcels", "unmapped", "arrival.columns")
NO_ROUTE = cases.case_id("parcels", "unmapped", "route.none")
XXX = {"values": {"depot": {"XXX": "HAM"}}}
HEAVY = {"column": "weight", "expression": "REPLACE(weight, 'heavy', '44')"}


@pytest.fixture
def operation(tmp_path: Path) -> Iterator[Operation]:
    """The first day on SQLite."""
    ready = Operation(tmp_path)
    ready.begin()
    yield ready
    ready.close()


def keep(
    operation: Operation,
    case: str,
    arguments: Mapping[str, Any],
    kind: DecisionKind = KIND.REPAIR,
    **options: Any,
) -> tuple[int, ...]:
    told = {"actor": "kim", "reason": "typo", "now": datetime.now(UTC), "keeps": True, **options}
    installation, compiled = operation.installation, operation.compiled["parcels"]
    return decide(installation, compiled, case, kind, arguments=arguments, **told).amendments


def law(operation: Operation) -> Conservation:
    counted = operation.drain().promise.conservation
    assert counted is not None
    assert counted.holds, counted.told()
    return counted


def retire(operation: Operation, number: int) -> bool:
    with operation.installation.ledger.write() as connection:
        return amendments.retire(
            connection,
            "parcels",
            number,
            actor="kim",
            reason="the source mends it",
            now=datetime.now(UTC),
        )


def row_of(operation: Operation, number: int) -> Row[Any]:
    with operation.installation.ledger.read() as connection:
        found = amendments.find(connection, "parcels", number)
    assert found is not None
    return found


def verified(operation: Operation) -> dict[str, dict[str, Any]]:
    rows = read("parcels", "verified", settings=operation.installation.settings).collect()
    return {row["parcel"]: row for row in rows.to_dicts()}


def case_of(operation: Operation, identity: str) -> Row[Any]:
    with operation.installation.ledger.read() as connection:
        found = cases.find(connection, identity)
    assert found is not None
    return found


def test_a_repair_that_is_kept_closes_the_case_and_lets_the_next_day_pass_untouched(
    operation: Operation,
) -> None:
    assert keep(operation, DEPOT, {"values": {"depot": {"XXX": "HAM", "YYY": "BER"}}}) == (1,)
    assert law(operation).open == 5  # P8 is below zero, too
    closed = case_of(operation, DEPOT)
    assert (closed.state, closed.closed_by) == (
        "closed",
        "repair by kim: typo; kept as amendment 1",
    )
    operation.drop("parcels", "day2.csv", HEADER + "Q1,XXX,2,\nQ2,BER,3,\n")
    report = operation.drain()
    assert (report.verified.verified, report.verified.quarantined) == (2, 0)
    assert report.verified.amended == {"amendment 1": 1}
    mine, untouched = verified(operation)["Q1"], verified(operation)["Q2"]
    assert (mine["depot"], mine["_amended"]) == ("HAM", ["depot"])
    assert mine["_amended_by"] == [{"column": "depot", "source": "depot", "by": "amendment 1"}]
    assert (untouched["_amended"], untouched["_amended_by"]) == (None, None)
    assert case_of(operation, DEPOT).state == "closed"
    assert row_of(operation, 1).fired == 2  # P3 and Q1; P8 did not go on
    raw = read("parcels", "arrivals", settings=operation.installation.settings).collect()
    assert raw.filter(pl.col("parcel") == "Q1")["depot"].to_list() == ["XXX"]
    quarantine = read("parcels", "quarantine", settings=operation.installation.settings)
    assert "YYY" in quarantine.collect()["depot"].to_list()


def test_who_keeps_and_who_retires_is_an_entry_and_a_touch(operation: Operation) -> None:
    keep(operation, DEPOT, XXX)
    assert retire(operation, 1)
    assert not retire(operation, 1)
    with operation.installation.ledger.read() as connection:
        said = connection.execute(select(entry.c.kind, entry.c.actor, entry.c.reason)).all()
        touches = connection.execute(select(touch.c.kind).order_by(touch.c.id)).scalars().all()
    assert ("amended", "kim", "amendment 1 (repair): typo") in said
    assert ("amendment_retired", "kim", "amendment 1: the source mends it") in said
    assert touches == ["repair", "amendment_retired"]


def test_what_was_retired_applies_no_more_and_what_it_let_pass_stays(operation: Operation) -> None:
    keep(operation, DEPOT, XXX)
    operation.drain()
    retire(operation, 1)
    operation.drop("parcels", "day2.csv", HEADER + "Q1,XXX,2,\n")
    assert operation.drain().verified.quarantined == 1
    assert ("P3", "HAM", 1.0, None) in operation.table("gate_queue")
    keep(operation, DEPOT, XXX)
    assert [row_of(operation, 2).number, law(operation).open] == [2, 5]


def test_keeping_and_retiring_judge_everything_open_once_more_and_then_nothing_is_left_to_do(
    operation: Operation,
) -> None:
    def is_woken() -> bool:
        compiled = operation.compiled["parcels"]
        (state,) = states(operation.installation, [compiled], {"parcels": Look()})
        return state.reason is not None

    assert not is_woken()
    keep(operation, DEPOT, XXX)
    assert is_woken()
    operation.drain()
    assert not is_woken()
    retire(operation, 1)
    assert is_woken()
    operation.drain()
    assert not is_woken()
    with operation.installation.ledger.read() as connection:
        kinds = connection.execute(select(entry.c.kind)).scalars().all()
    assert "redeclared" not in kinds


def test_a_map_that_says_something_else_about_the_same_value_is_refused(
    operation: Operation,
) -> None:
    keep(operation, DEPOT, XXX)
    operation.drain()
    operation.drop("parcels", "day2.csv", HEADER + "Q1,ZZZ,2,\nQ2,XXX,-5,\n")
    operation.drain()
    with pytest.raises(DecisionRefused, match="amendment 1 says so already"):
        keep(operation, DEPOT, XXX)
    said = r"amendment 1 says that depot='XXX' becomes 'HAM'; retire it first: .* retire parcels 1"
    with pytest.raises(DecisionRefused, match=said):
        keep(operation, DEPOT, {"values": {"depot": {"XXX": "BER", "ZZZ": "BER"}}})
    assert keep(operation, DEPOT, {"values": {"depot": {"ZZZ": "BER"}}}) == (2,)


def test_a_value_is_changed_once_whatever_the_others_say(operation: Operation) -> None:
    keep(operation, DEPOT, {"values": {"depot": {"XXX": "HAM"}}})
    operation.drain()
    with operation.installation.ledger.write() as connection:
        amendments.keep(
            connection,
            "parcels",
            {"kind": "repair", "column": "depot", "values": {"HAM": "BER"}},
            actor="kim",
            reason="",
            case_id=DEPOT,
            decision_id="",
            now=datetime.now(UTC),
        )
    operation.drop("parcels", "day2.csv", HEADER + "Q1,XXX,2,\nQ2,HAM,3,\n")
    operation.drain()
    rows = verified(operation)
    assert (rows["Q1"]["depot"], rows["Q2"]["depot"]) == ("HAM", "BER")


def test_a_cell_that_a_decision_has_changed_is_not_changed_again(operation: Operation) -> None:
    keep(operation, DEPOT, {"values": {"depot": {"XXX": "HAM", "BER": "HAM"}}})
    decided = {"values": {"depot": {"YYY": "BER"}, "weight": {"-2": "2"}}}
    operation.drain()
    keep(operation, DEPOT, decided, keeps=False)
    operation.drain()
    assert verified(operation)["P8"]["depot"] == "BER"
    assert {one["by"] for one in verified(operation)["P8"]["_amended_by"]} == {"decision"}


def test_an_expression_is_decided_once_or_kept(operation: Operation) -> None:
    shown = preview(
        operation.installation,
        operation.compiled["parcels"],
        WEIGHT,
        KIND.REPAIR,
        arguments=HEAVY,
    )
    assert (shown.plan.routes, shown.amendments) == ({"freight": 1}, ())
    assert keep(operation, WEIGHT, HEAVY, keeps=False) == ()
    law(operation)
    operation.drop("parcels", "day2.csv", HEADER + "Q1,HAM,heavy,\n")
    assert operation.drain().verified.quarantined == 1
    assert keep(operation, WEIGHT, HEAVY) == (1,)
    operation.drain()
    assert {"P5", "Q1"} <= set(operation.files("out/freight")["parcel"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"column": "weight", "expression": "SUM(weight)"}, "beyond the record itself"),
        ({"column": "weight", "expression": "frob(weight)"}, "does not parse"),
        ({"column": "wait", "expression": "TRIM(wait)"}, "no column `wait`"),
        ({"column": "weight", "expression": "TRIM(wait)"}, "brings no column"),
        ({"column": "weight", "expression": "'1'"}, "gives every record the same value"),
        ({"column": "weight", "expression": "TRIM(weight)"}, "none of its 2 rows is changed"),
        ({"values": {"weight": {"7": "8"}}}, "none of its 2 rows has weight='7'"),
        ({"values": {"weight": {"-1": "-7"}}}, "all 2 rows still break weight.coerce"),
        ({"values": {"weight": {"-1": "-1"}}}, "`-1` stays `-1`"),
        ({}, "an edited export is about its own rows"),
    ],
)
def test_what_mends_nothing_is_not_kept(
    operation: Operation, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(DecisionRefused) as raised:
        keep(operation, WEIGHT, arguments)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (KIND.ACCEPT, "make the rule a warning in the contract"),
        (KIND.DISCARD, "send those that keep the contract to `nowhere`"),
        (KIND.REPLAY, "there is nothing to keep"),
    ],
)
def test_other_decisions_are_not_kept_and_say_what_to_do(
    operation: Operation, kind: DecisionKind, said: str
) -> None:
    with pytest.raises(DecisionRefused, match=said):
        keep(operation, WEIGHT, {}, kind)


def test_a_rename_frees_the_arrival_that_was_held_and_the_next_is_no_drift(tmp_path: Path) -> None:
    operation = Operation(tmp_path, (depots(), parcels(symptoms={"drift": "hold"})))
    operation.begin()
    operation.drop("parcels", "day2.csv", HEADER.replace("depot", "station") + "Q1,HAM,2,\n")
    (symptoms,) = operation.drain().arrivals.symptoms
    assert symptoms.held == ("arrival.drift",)
    numbers = keep(operation, NO_COLUMN, {"columns": {"station": "depot"}}, KIND.RENAME)
    assert numbers == (1,)
    law(operation)
    assert ("Q1", "HAM", 2.0, None) in operation.table("gate_queue")
    assert verified(operation)["Q1"]["_amended_by"][0]["source"] == "station"
    operation.drop("parcels", "day3.csv", HEADER.replace("depot", "station") + "R1,XXX,2,\n")
    report = operation.drain()
    (symptoms,) = report.arrivals.symptoms
    assert (symptoms.drifts, symptoms.held) == ((), ())
    assert (report.verified.quarantined, report.verified.held) == (1, {})
    assert case_of(operation, DEPOT).facts["values"]["XXX"] == 2
    operation.drop("parcels", "day4.csv", HEADER + "S1,HAM,2,\n")
    assert operation.drain().arrivals.symptoms[0].drifts == ()
    assert law(operation).open == 7
    assert row_of(operation, 1).fired == 1
    operation.close()


def test_rows_that_no_route_takes_are_sent_where_somebody_says(tmp_path: Path) -> None:
    changed = parcels(routes=[{"to": "freight", "when": "weight >= 30"}, *GATE_FROM_TWO])
    operation = Operation(tmp_path, (depots(), changed))
    operation.begin()
    operation.drop("parcels", "day2.csv", HEADER + "Q1,HAM,1,\nQ2,HAM,1.5,\n")
    operation.drain()
    with pytest.raises(DecisionRefused, match=r"no route to `gates`; write `gate`"):
        keep(operation, NO_ROUTE, {"to": "gates"}, KIND.ROUTE, keeps=False)
    with pytest.raises(DecisionRefused, match="none of its 2 rows can be sent"):
        keep(operation, WEIGHT, {"to": "gate"}, KIND.ROUTE, keeps=False)
    keep(operation, NO_ROUTE, {"to": "gate"}, KIND.ROUTE, keeps=False)
    law(operation)
    assert ("Q1", "HAM", 1.0, None) in operation.table("gate_queue")
    routed = read("parcels", "routed", settings=operation.installation.settings).collect()
    rules = dict(routed.select("parcel", "_route_rule").iter_rows())
    assert (rules["Q1"], rules["P1"]) == ("decision", "weight >= 2")
    operation.drop("parcels", "day3.csv", HEADER + "R1,HAM,1,\nR2,HAM,80,light\n")
    operation.drain()
    when = {"to": "gate", "when": "weight BETWEEN 1 AND 2 OR note = 'light'"}
    with pytest.raises(DecisionRefused, match="there has to be a condition"):
        keep(operation, NO_ROUTE, {"to": "gate"}, KIND.ROUTE)
    with pytest.raises(DecisionRefused, match="no row of it would go to `freight`"):
        keep(operation, NO_ROUTE, {"to": "freight", "when": "weight > 50"}, KIND.ROUTE)
    assert keep(operation, NO_ROUTE, when, KIND.ROUTE) == (1,)
    operation.drop("parcels", "day4.csv", HEADER + "S1,HAM,1,\nS2,HAM,90,light\n")
    report = operation.drain()
    assert report.routed.by_rule == {"amendment 1": 3}
    assert row_of(operation, 1).fired == 3
    assert law(operation).open == 6
    operation.close()


GATE_FROM_TWO = (
    {"to": "gate", "when": "weight >= 2"},
    {"to": "nowhere", "when": "weight = 0"},
)


def test_an_amendment_that_no_longer_fits_is_not_applied_and_the_drain_says_so(
    operation: Operation,
) -> None:
    keep(operation, DEPOT, XXX)
    with operation.installation.ledger.write() as connection:
        for content in (
            {"kind": "repair", "column": "size", "values": {"a": "b"}},
            {"kind": "route", "to": "care", "when": "weight > 3"},
            {"kind": "future", "what": "nobody knows"},
        ):
            amendments.keep(
                connection,
                "parcels",
                content,
                actor="kim",
                reason="",
                case_id=DEPOT,
                decision_id="",
                now=datetime.now(UTC),
            )
    report = operation.drain().verified
    assert report.unamended["amendment 2"] == "the contract has no column `size`"
    assert report.unamended["amendment 3"] == "the route to `care` has no receiver"
    assert set(report.unamended) == {"amendment 2", "amendment 3", "amendment 4"}
    assert report.verified == 1
    assert row_of(operation, 2).idle == "the contract has no column `size`"
    assert row_of(operation, 1).idle is None


def test_what_is_declared_as_well_is_applied_once_and_the_ledger_says_so(
    operation: Operation,
) -> None:
    keep(operation, DEPOT, XXX)
    operation.drain()
    said = [{"kind": "repair", "column": "depot", "values": {"XXX": "HAM"}}]
    operation.redeclare(depots(), parcels(amendments=said))
    operation.drop("parcels", "day2.csv", HEADER + "Q1,XXX,2,\n")
    assert operation.drain().verified.amended == {"declared amendment 1": 1}
    assert row_of(operation, 1).idle == "it is declared, too"
    retire(operation, 1)
    operation.drop("parcels", "day3.csv", HEADER + "R1,XXX,2,\n")
    assert operation.drain().verified.verified == 1


def test_a_drain_that_dies_between_leaves_decision_and_amendment_whole(
    operation: Operation,
) -> None:
    keep(operation, DEPOT, XXX)
    for point in ("decide.written", "decide.registered", "verify.written", "verify.registered"):

        def die(reached: str, point: str = point) -> None:
            if reached == point:
                raise Died

        crashpoints.on_reached = die
        try:
            with suppress(Died):
                operation.drain()
        finally:
            crashpoints.on_reached = None
    counted = law(operation)
    assert (counted.open, row_of(operation, 1).fired) == (5, 1)
    with operation.installation.ledger.read() as connection:
        assert connection.execute(select(decision.c.state)).scalars().all() == ["executed"]


def test_typed_sources_keep_their_types(tmp_path: Path) -> None:
    operation = Operation(tmp_path)
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    frame = pl.DataFrame(
        {"parcel": ["P1", "P2"], "depot": ["HAM", "HAM"], "weight": [-1, 5], "note": ["", "x"]}
    )
    path = operation.root / "inbox" / "parcels" / "day1.parquet"
    frame.write_parquet(path)
    operation.drain()
    with pytest.raises(DecisionRefused, match="rows"):
        keep(operation, WEIGHT, {"column": "weight", "expression": "REPLACE(weight, '-', '')"})
    assert keep(operation, WEIGHT, {"column": "weight", "expression": "ABS(weight) + 0.0"}) == (1,)
    law(operation)
    frame.with_columns(parcel=pl.lit("Q") + pl.col("parcel"), weight=pl.lit(-3.0)).write_parquet(
        path.with_name("day2.parquet")
    )
    operation.drop("parcels", "day3.csv", HEADER + "R1,HAM,-4,\n")
    report = operation.drain()
    assert report.verified.verified == 2
    assert report.verified.unamended == {"amendment 1": "it fails on rows (InvalidOperationError)"}
    assert sorted(row[2] for row in operation.table("gate_queue")) == [1.0, 3.0, 3.0, 5.0]
    operation.close()


def test_the_ledger_on_postgresql_keeps_and_counts_the_same(
    postgres_url: str, tmp_path: Path
) -> None:
    operation = Operation(tmp_path, ledger_url=postgres_url)
    operation.begin()
    assert keep(operation, DEPOT, XXX) == (1,)
    operation.drain()
    with pytest.raises(DecisionRefused, match="amendment 1 says so already"):
        keep(operation, DEPOT, XXX)
    assert row_of(operation, 1).fired == 1
    retire(operation, 1)
    assert keep(operation, WEIGHT, {"values": {"weight": {"-1": "1"}}}) == (2,)
    assert law(operation).open == 4
    operation.close()
