"""What is loaded: six assets an outcome; once a job, sensors, and a measure; nothing touched."""

import time
from datetime import timedelta

import dagster as dg
import pytest
from scenario import depots, parcels

from opsintel_dagster import build_defs
from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.orchestration.instance import carried
from opsintel_dagster.orchestration.keys import ASSETS, check_name

ASKED = {"depots", "parcels"}


def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    """Every spec by key."""
    graph = defs.resolve_all_asset_specs()
    return {spec.key.to_user_string(): spec for spec in graph}


@pytest.fixture(scope="module")
def loaded() -> dict[str, dg.AssetSpec]:
    return specs(build_defs([depots(), parcels()], location="tests"))


def test_an_outcome_is_six_assets_in_a_group_of_its_name(loaded):
    mine = {key: spec for key, spec in loaded.items() if key.startswith("parcels/")}
    assert set(mine) == {f"parcels/{name}" for name in ASSETS}
    for spec in mine.values():
        assert spec.group_name == "parcels"
        assert spec.owners == ["team:parcels"]
        assert spec.tags["opsintel/outcome"] == "parcels"
        assert 1 <= len(spec.kinds) <= 3
        assert spec.skippable
        assert "Every parcel reaches its desk, once." in (spec.description or "")
        assert spec.code_version


def test_lineage_is_a_chain_with_the_quarantine_beside_it_and_references_before_it(loaded):
    deps = {
        key: {dep.asset_key.to_user_string() for dep in spec.deps} for key, spec in loaded.items()
    }
    assert deps["parcels/arrivals"] == set()
    assert deps["parcels/verified"] == {"parcels/arrivals", "depots/delivered"}
    assert deps["parcels/quarantine"] == {"parcels/arrivals", "depots/delivered"}
    assert deps["parcels/routed"] == {"parcels/verified"}
    assert deps["parcels/delivered"] == {"parcels/routed"}
    assert deps["parcels/promise"] == {"parcels/delivered"}


def test_an_outcome_that_follows_another_asset_depends_on_it():
    follower = parcels(
        name="copies", source={"kind": "upstream", "asset": "depots/delivered"}, key=[]
    )
    loaded = specs(build_defs([depots(), follower], location="tests"))
    (dep,) = loaded["copies/arrivals"].deps
    assert dep.asset_key.to_user_string() == "depots/delivered"


def test_the_promise_is_judged_by_its_deadline_and_arrivals_by_what_is_expected():
    source = {"kind": "files", "path": "inbox/*.csv", "expect": "26h"}
    loaded = specs(build_defs([depots(), parcels(source=source)], location="tests"))
    assert loaded["parcels/promise"].freshness_policy == dg.FreshnessPolicy.time_window(
        fail_window=timedelta(minutes=15)
    )
    assert loaded["parcels/arrivals"].freshness_policy == dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=26)
    )
    assert loaded["depots/arrivals"].freshness_policy is None
    assert loaded["parcels/verified"].freshness_policy is None


def test_the_contract_is_shown_as_the_columns_of_the_table(loaded):
    schema = loaded["parcels/verified"].metadata["dagster/column_schema"]
    columns = {column.name: column for column in schema.columns}
    assert list(columns) == ["parcel", "depot", "weight", "note"]
    assert columns["weight"].type == "Float64"
    assert columns["weight"].constraints.other
    assert columns["note"].constraints.nullable
    assert not columns["parcel"].constraints.nullable


def test_the_code_version_changes_with_what_decides_and_with_nothing_else():
    def version(**changes: object) -> str | None:
        loaded = specs(build_defs([depots(), parcels(**changes)], location="tests"))
        return loaded["parcels/verified"].code_version

    assert version() == version(owner="team:others", cost_per_hour=7)
    assert version() != version(key=[])


def test_one_check_a_rule_and_one_blocking_check():
    repository = build_defs([depots(), parcels()], location="tests").get_repository_def()
    checks = {
        spec.key.name: spec
        for assets in repository.assets_defs_by_key.values()
        for spec in assets.check_specs
        if spec.asset_key.path[0] == "parcels"
    }
    assert [name for name, spec in checks.items() if spec.blocking] == ["conservation"]
    assert {"readable", "drift", "unresolved", "all_routed", "confirmed", "deadline"} < set(checks)
    assert checks["depot_known"].asset_key.path == ["parcels", "verified"]
    assert all(spec.description for spec in checks.values())


def test_rule_ids_become_check_names():
    assert check_name("dest.not_null") == "dest__not_null"
    assert check_name("a+b.unique") == "a_b__unique"


def test_a_location_has_one_job_and_three_sensors_however_often_outcomes_are_built():
    several = dg.Definitions.merge(
        build_defs([depots()], location="tests"),
        build_defs([parcels()], location="tests", produced_elsewhere=["depots"]),
    )
    repository = several.get_repository_def()
    assert [sensor.name for sensor in repository.sensor_defs] == [
        "opsintel_arrivals",
        "opsintel_healer",
        "opsintel_watch",
    ]
    assert "opsintel_drain" in repository.job_names
    keys = repository.get_job("opsintel_drain").asset_layer.executable_asset_keys
    assert {key.path[0] for key in keys} == {"depots", "parcels"}
    statuses = {sensor.default_status for sensor in repository.sensor_defs}
    assert statuses == {dg.DefaultSensorStatus.RUNNING}


def test_the_measure_of_autonomy_is_one_asset_that_neither_job_nor_sensors_take():
    several = dg.Definitions.merge(
        build_defs([depots()], location="tests"),
        build_defs([parcels()], location="tests", produced_elsewhere=["depots"]),
    )
    repository = several.get_repository_def()
    others = [key for key in repository.assets_defs_by_key if key.path[0] not in ASKED]
    assert others == [dg.AssetKey(["opsintel", "autonomy"])]
    (spec,) = repository.assets_defs_by_key[others[0]].specs
    assert (spec.group_name, spec.owners, spec.kinds) == ("opsintel", [], {"opsintel"})
    assert "opsintel status --autonomy" in (spec.description or "")
    keys = repository.get_job("opsintel_drain").asset_layer.executable_asset_keys
    assert others[0] not in keys
    assert others[0] not in {key for key, _ in carried(repository)}


def test_job_and_sensor_may_come_from_elsewhere():
    alone = build_defs([depots()], location="tests", with_job_and_sensor=False)
    assert not alone.sensors
    assert len(list(alone.resolve_all_asset_specs())) == len(ASSETS)
    assert not alone.jobs


def test_loading_touches_no_ledger_store_or_variable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPSINTEL_ROOT", str(tmp_path / "nowhere"))
    monkeypatch.setenv("OPSINTEL_LEDGER_URL", "garbled")
    handoff = {"gate": {"kind": "table", "url": {"env": "NOT_SET"}, "table": "gate_queue"}}
    defs = build_defs([depots(), parcels(handoff=handoff, routes=())], location="tests")
    defs.get_repository_def()
    assert list(tmp_path.iterdir()) == []


def test_all_findings_of_all_outcomes_come_at_once():
    with pytest.raises(DeclarationError) as caught:
        build_defs(
            [
                depots(handoff={}),
                parcels(routes=[{"to": "gate", "when": "weigth > 0"}, {"to": "nobody"}]),
            ],
            location="tests",
        )
    text = str(caught.value)
    assert "depots.handoff" in text or "depots.routes" in text
    assert "parcels.routes[0].when" in text
    assert "nobody" in text


def test_a_reference_nobody_produces_is_refused_where_definitions_load():
    with pytest.raises(DeclarationError, match="depots"):
        build_defs([parcels()], location="tests")


def test_the_location_is_the_package_that_calls():
    defs = build_defs([depots()])
    repository = defs.get_repository_def()
    assert {compiled.location for _, compiled in carried(repository)} == {"test_definitions"}


def test_two_hundred_outcomes_load_in_seconds():
    outcomes = [depots(), *(parcels(name=f"parcels_{n}") for n in range(200))]
    began = time.process_time()
    build_defs(outcomes, location="tests").get_repository_def()
    assert time.process_time() - began < 20
