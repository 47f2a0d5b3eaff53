"""How definitions are named, selected, copied and merged."""

import dagster as dg
import pytest

from opsintel_dagster.orchestration.instance import assets_downstream, carried, carry


def chain() -> dg.Definitions:
    """`register/delivered` → `o/verified` → `o/promise`, in two groups."""
    register = dg.AssetSpec(["register", "delivered"], group_name="register")
    verified = dg.AssetSpec(["o", "verified"], group_name="o", deps=[register.key])
    promise = dg.AssetSpec(["o", "promise"], group_name="o", deps=[verified.key])

    def asset(name: str, spec: dg.AssetSpec) -> dg.AssetsDefinition:
        def body() -> None: ...

        return dg.multi_asset(name=name, specs=[spec])(carry(body, name))

    return dg.Definitions(
        assets=[
            asset("register__delivered", register),
            asset("o__verified", verified),
            asset("o__promise", promise),
        ]
    )


def selected(text: str) -> set[str]:
    graph = chain().resolve_asset_graph()
    keys = dg.AssetSelection.from_string(text).resolve(graph)
    return {key.to_user_string() for key in keys}


# Dagster's own parser calls an API that Dagster calls beta, and takes the warning for an error.
@pytest.mark.filterwarnings("ignore:Parameter `include_sources`")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("group:o", {"o/verified", "o/promise"}),
        ("*o/promise", {"register/delivered", "o/verified", "o/promise"}),
        ("+o/promise", {"o/verified", "o/promise"}),
        ("o/promise", {"o/promise"}),
    ],
)
def test_selection_syntax(text, expected):
    assert selected(text) == expected


def test_a_payload_is_found_again_on_every_asset_of_the_location():
    repository = chain().get_repository_def()
    assert {key.to_user_string(): payload for key, payload in carried(repository)} == {
        "register/delivered": "register__delivered",
        "o/verified": "o__verified",
        "o/promise": "o__promise",
    }


def test_a_payload_survives_house_policies_and_merging():
    policed = dg.Definitions(
        assets=dg.map_asset_specs(
            lambda spec: spec.merge_attributes(tags={"house": "ours"}), chain().assets or []
        )
    )
    described = policed.with_definition_metadata_update(lambda metadata: {**metadata, "more": 1})
    merged = dg.Definitions.merge(described, dg.Definitions())
    assert len(list(carried(merged.get_repository_def()))) == 3


def test_assets_without_a_payload_and_external_assets_are_passed_over():
    @dg.asset
    def somebody_elses() -> None: ...

    defs = dg.Definitions(assets=[somebody_elses, dg.AssetSpec("external")])
    assert list(carried(defs.get_repository_def())) == []


def test_owners_tags_kinds_and_versions_stand_on_the_spec():
    spec = dg.AssetSpec(
        ["o", "verified"],
        owners=["team:network-control"],
        tags={"opsintel": "", "opsintel/outcome": "o"},
        kinds={"polars", "pandera"},
        code_version="abc",
        skippable=True,
    )
    assert spec.tags["opsintel/outcome"] == "o"
    assert spec.kinds == {"polars", "pandera"}
    assert spec.skippable


def test_a_group_name_refuses_hyphens():
    with pytest.raises(dg.DagsterInvalidDefinitionError):
        dg.AssetSpec(["o", "verified"], group_name="flight-disruptions")


def test_two_different_sensors_of_one_name_are_refused():
    def sensor() -> dg.SensorDefinition:
        @dg.sensor(name="opsintel_arrivals", asset_selection="*")
        def wake() -> None: ...

        return wake

    defs = dg.Definitions.merge(
        chain(), dg.Definitions(sensors=[sensor()]), dg.Definitions(sensors=[sensor()])
    )
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="opsintel_arrivals"):
        defs.get_repository_def()


def test_a_dependency_nobody_defines_becomes_an_external_asset():
    spec = dg.AssetSpec(["o", "verified"], deps=[dg.AssetKey(["elsewhere", "delivered"])])

    @dg.multi_asset(specs=[spec])
    def verified() -> None: ...

    graph = dg.Definitions(assets=[verified]).resolve_asset_graph()
    assert dg.AssetKey(["elsewhere", "delivered"]) in graph.get_all_asset_keys()


def test_an_asset_run_without_a_code_location_has_nothing_after_it():
    seen = []

    @dg.asset
    def first(context: dg.AssetExecutionContext) -> None:
        seen.append(assets_downstream(context, dg.AssetKey("first")))

    assert dg.materialize([first]).success
    assert seen == [[]]
