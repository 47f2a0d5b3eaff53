"""Dagster's own commands on outcomes, in a project that has only the installed package."""

from pathlib import Path

import dagster as dg
import pytest
from project import Project

from opsintel_dagster.orchestration.instance import last_checks

FILE = "id,amount,note\nL1,2,\nL2,0,nothing to do\nL3,-1,\nL4,3,\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.create(tmp_path_factory.mktemp("project"))


def keys(project: Project) -> list[str]:
    """Which records the desk has received."""
    return sorted(line.split(",")[0] for line in project.delivered("letters"))


def test_dg_lists_scaffolds_checks_and_shows_an_outcome(project):
    listed = project.run("dg", "list", "components")
    assert "opsintel_dagster.OutcomeComponent" in listed
    assert "opsintel_dagster.DefaultsComponent" in listed
    project.run("dg", "scaffold", "defs", "opsintel_dagster.OutcomeComponent", "letters")
    assert "All definitions loaded successfully" in project.run("dg", "check", "defs")
    shown = project.run("dg", "list", "defs")
    sensor, job, measure = "opsintel_arrivals", "opsintel_drain", "opsintel/autonomy"
    for name in ("letters/arrivals", "letters/promise", job, sensor, measure):
        assert name in shown


def test_materialize_drains_a_group_with_a_process_a_step(project):
    """The default executor of a code location, and the filesystem I/O manager of a home."""
    project.scaffold("letters")
    project.drop("letters", "day1.csv", FILE)
    select = ("--select", "group:letters")
    project.run("dagster", "asset", "materialize", *select, "-m", "ops.definitions")
    assert keys(project) == ["L1", "L4"]


def test_a_held_arrival_names_the_assets_that_come_after_it(project):
    project.scaffold("letters")
    project.drop("letters", "narrow.csv", "id,note\nL9,\n")
    select = ("--select", "group:letters")
    project.run("dagster", "asset", "materialize", *select, "-m", "ops.definitions")
    check = dg.AssetCheckKey(dg.AssetKey(["letters", "arrivals"]), "drift")
    with dg.DagsterInstance.from_config(project.environment["DAGSTER_HOME"]) as instance:
        said = last_checks(instance, [check])[check]
    assert said.description == "Columns that changed: 1; amount was removed."
    waiting = said.metadata["waiting_downstream"].value
    assert "letters/promise" in waiting
    assert "letters.desk: csv files in outbox/letters" in waiting


def test_launch_drains_some_stages_and_the_shared_job_the_rest(project):
    project.scaffold("letters")
    project.drop("letters", "day1.csv", FILE)
    project.drop("letters", "day2.csv", "id,amount,note\nL5,7,\n")
    project.run("dg", "launch", "--assets", "key:letters/arrivals or key:letters/verified")
    assert "L5" not in keys(project)
    project.run("dg", "launch", "--job", "opsintel_drain")
    assert keys(project) == ["L1", "L4", "L5"]


def test_a_broken_declaration_is_refused_before_anything_runs(tmp_path: Path):
    project = Project.create(tmp_path)
    declaration = project.scaffold("letters") / "defs.yaml"
    declaration.write_text(declaration.read_text().replace("[amount.ge]", "[amount.gee]"))
    said = project.run("dg", "check", "defs", check=False)
    place = "ops/defs/letters/defs.yaml:14:15: letters.failure_modes[0].rules[0]"
    assert place in said.replace("\n", "")
