"""The public names, spelled out by hand: whoever changes them changes this file."""

import opsintel_dagster
from opsintel_dagster import outcome, testing, verification


def test_the_root_exports_these_names_and_no_others() -> None:
    assert sorted(opsintel_dagster.__all__) == [
        "DefaultsComponent",
        "FailureMode",
        "HumanStep",
        "OpsintelError",
        "Outcome",
        "OutcomeComponent",
        "Settings",
        "build_defs",
        "in_reference",
        "read",
    ]
    for name in opsintel_dagster.__all__:
        assert getattr(opsintel_dagster, name) is not None


def test_verification_is_usable_alone() -> None:
    assert sorted(verification.__all__) == [
        "Contract",
        "FilesVerdict",
        "RESERVED_RULES",
        "ReferenceUse",
        "Rule",
        "Severity",
        "Tier",
        "Verdict",
        "in_reference",
        "mask_pii",
        "references",
    ]


def test_a_team_tests_its_outcome_with_these() -> None:
    assert sorted(testing.__all__) == ["Content", "Drained", "declared", "drain"]


def test_the_declaration_has_these_fields() -> None:
    assert sorted(outcome.Outcome.model_fields) == [
        "amendments",
        "batch",
        "contract",
        "cost_per_hour",
        "description",
        "extends",
        "failure_modes",
        "handoff",
        "healing",
        "key",
        "name",
        "notices",
        "owner",
        "promise",
        "references",
        "repeats",
        "routes",
        "source",
        "symptoms",
        "tags",
        "tolerance",
        "within",
    ]
