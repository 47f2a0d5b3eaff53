"""What a drain tells Dagster: materializations, checks, and nothing where there is nothing."""

import dagster as dg
import pytest
from running import checks, materialized
from scenario import DAY_ONE, HEADER, MORE_DEPOTS, parcels

from opsintel_dagster.ledger import hold
from opsintel_dagster.orchestration.drain import Drain

STAGES = (["arrivals"], ["verified", "quarantine"], ["routed"], ["delivered"], ["promise"])
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def test_the_first_day_shows_how_many_records_came_and_where_they_are(running):
    told = materialized(running.begin())
    rows = {name: metadata.get("dagster/row_count") for name, metadata in told.items()}
    assert rows == {
        "arrivals": 9,
        "verified": 3,
        "quarantine": 6,
        "routed": 3,
        "delivered": 2,
        "promise": None,
    }
    assert told["promise"]["received"] == 9
    assert told["promise"]["open"] == 6
    assert told["delivered"]["no_action"] == 1
    assert told["routed"]["to_freight"] == told["routed"]["to_gate"] == 1


def test_numbers_are_numbers_so_that_the_ui_plots_them(running):
    for name, metadata in materialized(running.begin()).items():
        assert any(isinstance(value, int | float) for value in metadata.values()), name


def test_every_rule_has_a_check_that_says_what_is_open(running):
    said = checks(running.begin())
    assert {name for name, check in said.items() if not check.passed} == {
        "readable",
        "depot_known",
        "weight__ge",
        "weight__coerce",
        "parcel__not_null",
        "unresolved",
    }
    assert said["depot_known"].metadata["open"].value == 2
    assert said["depot_known"].severity is WARN
    assert said["unresolved"].severity is WARN
    assert said["conservation"].passed
    assert said["deadline"].passed
    assert said["confirmed"].passed


def test_the_quarantine_shows_reasons_and_raw_values(running):
    told = materialized(running.begin())["quarantine"]
    assert "| P5 | BER | heavy |" in told["sample"]
    assert "depot_known, weight.ge" in told["sample"]
    assert "unknown_depot" in told["cases"]
    assert told["open_cases"] == 4


def test_a_run_with_nothing_to_do_is_green_and_tells_only_that_the_promise_is_kept(running):
    running.begin()
    running.run()  # judges what waits for a reference once more
    before = running.instance.get_latest_materialization_event(dg.AssetKey(["parcels", "arrivals"]))
    result = running.run()
    assert result.success
    assert set(materialized(result)) == {"promise"}
    after = running.instance.get_latest_materialization_event(dg.AssetKey(["parcels", "arrivals"]))
    assert after == before
    assert not [event for event in result.all_events if event.is_step_skipped]


def test_checks_about_the_last_arrivals_stand_until_others_come(running):
    running.begin()
    said = checks(running.run())
    assert not said["readable"].passed
    assert said["readable"].metadata["open"].value == 1
    running.operation.drop("parcels", "day2.csv", HEADER + "P9,HAM,3,\n")
    assert checks(running.run())["readable"].passed


def test_a_source_that_is_back_is_no_longer_reported_as_away(running):
    running.begin()
    inbox = running.operation.root / "inbox" / "parcels"
    inbox.rename(inbox.with_name("away"))
    away = checks(running.run())["readable"]
    assert not away.passed
    assert away.severity is ERROR
    inbox.with_name("away").rename(inbox)
    left_alone = checks(running.run())["readable"]
    assert "it is left alone until" in str(left_alone.metadata["source_down"].value)
    running.decide()
    assert checks(running.run())["readable"].passed


def test_delivered_is_materialized_only_when_something_was_and_its_version_is_what_was_closed(
    running,
):
    running.begin()
    key = dg.AssetKey(["parcels", "delivered"])

    def version() -> str:
        event = running.instance.get_latest_materialization_event(key)
        assert event is not None
        assert event.asset_materialization is not None
        return (event.asset_materialization.tags or {})["dagster/data_version"]

    first = version()
    assert "delivered" not in materialized(running.run())
    assert version() == first
    running.operation.drop("parcels", "nothing.csv", HEADER + "P8,HAM,0,\nP9,HAM,-1,\n")
    quiet = materialized(running.run())
    assert "routed" in quiet
    assert "delivered" not in quiet
    running.operation.drop("parcels", "day2.csv", HEADER + "P9,HAM,3,\n")
    assert "delivered" in materialized(running.run())
    assert version() != first


def test_stages_run_one_by_one_in_runs_of_their_own(running):
    running.operation.drop("depots", "depots.csv", MORE_DEPOTS)
    running.run("depots")
    running.operation.drop("parcels", "day1.csv", DAY_ONE)
    for stage in STAGES:
        result = running.run(assets=stage)
        assert result.success
        assert set(materialized(result)) == set(stage)
    assert len(running.operation.table("gate_queue")) == 2


@pytest.mark.parametrize(
    "assets", [["verified"], ["quarantine"], ["promise"], ["arrivals", "routed"]]
)
def test_any_subset_of_assets_is_green_before_and_after_anything_came(running, assets):
    assert running.run(assets=assets).success
    running.operation.drop("parcels", "day1.csv", DAY_ONE)
    assert running.run(assets=assets).success
    assert running.run(assets=assets).success


def test_stages_against_their_order_end_where_their_order_ends(running):
    running.operation.drop("depots", "depots.csv", MORE_DEPOTS)
    running.operation.drop("parcels", "day1.csv", DAY_ONE)
    running.run("depots")
    for _ in STAGES:
        for stage in reversed(STAGES):
            assert running.run(assets=stage).success
    assert len(running.operation.table("gate_queue")) == 2


def test_both_outcomes_in_one_run_follow_their_lineage(running):
    running.operation.drop("depots", "depots.csv", MORE_DEPOTS)
    running.operation.drop("parcels", "day1.csv", DAY_ONE)
    job = running.repository.get_job("opsintel_drain")
    result = job.execute_in_process(instance=running.instance)
    assert result.success
    assert len(running.operation.table("gate_queue")) == 2
    again = job.execute_in_process(instance=running.instance)
    assert not [event for event in again.all_events if event.is_step_skipped]


def test_a_drain_that_finds_a_live_lease_ends_green_and_says_who_holds_it(running):
    running.begin()
    running.operation.drop("parcels", "day2.csv", HEADER + "P9,HAM,3,\n")
    with hold(running.operation.installation.ledger, "parcels"):
        result = running.run(assets=["verified", "quarantine"])
    assert result.success
    assert materialized(result) == {}
    assert not checks(result)["unresolved"].passed


def test_a_broken_law_fails_the_run_and_the_promise_is_not_reported_as_kept(running):
    running.begin()
    desk = running.operation.root / "desk.db"
    desk.unlink()
    result = running.run(raise_on_error=False)
    assert not result.success
    assert "promise" not in materialized(result)
    assert not checks(result)["conservation"].passed


def test_a_failed_stage_leaves_its_work_outstanding_for_the_next_run(running, monkeypatch):
    def away(_self: Drain) -> None:
        raise OSError("the desk is away")

    with monkeypatch.context() as broken:
        broken.setattr(Drain, "delivered", away)
        running.operation.drop("parcels", "day1.csv", DAY_ONE)
        running.operation.drop("depots", "depots.csv", MORE_DEPOTS)
        assert not running.run("depots", raise_on_error=False).success
        assert running.operation.table("depots") == []
    assert running.run("depots").success
    assert len(running.operation.table("depots")) == 4


def test_personal_data_stays_out_of_metadata(running):
    schema = running.operation.compiled["parcels"].outcome.contract.to_schema()
    schema = schema.update_column("depot", metadata={"pii": True})
    running.operation.redeclare(
        running.operation.outcomes[0], parcels(contract=schema, failure_modes=())
    )
    running.deploy()
    told = running.begin()
    text = str(materialized(told)) + str(checks(told))
    assert "XXX" not in text
    assert "BER" not in text
