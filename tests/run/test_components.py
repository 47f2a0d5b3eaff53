"""Outcomes declared in YAML: what is found wrong, what is inherited, what is contributed once."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from project import Project

from opsintel_dagster.cli.amendments import as_yaml
from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.orchestration.instance import carried
from opsintel_dagster.outcome import content_of


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    created = Project.create(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield created
    for name in [name for name in sys.modules if name == "ops" or name.startswith("ops.")]:
        del sys.modules[name]


def load(project: Project) -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=project.root / "ops")


def findings(project: Project) -> list[str]:
    """What loading says is wrong, one line a finding."""
    with pytest.raises(Exception, match="Error while") as caught:
        load(project)
    error: BaseException | None = caught.value
    while error is not None and not isinstance(error, DeclarationError):
        error = error.__cause__
    assert error is not None
    return [str(finding) for finding in error.findings]


def replace(folder: Path, old: str, new: str) -> None:
    file = folder / "defs.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_scaffolded_outcome_loads_as_it_stands(project):
    project.scaffold("late-Parcels")
    repository = load(project).get_repository_def()
    keys = {key.to_user_string() for key in repository.assets_defs_by_key}
    assert len(keys) == 7
    assert {"late_parcels/promise", "opsintel/autonomy"} < keys


def test_several_outcomes_share_one_job_and_three_sensors(project):
    for name in ("returns", "parcels", "letters"):
        project.scaffold(name)
    repository = load(project).get_repository_def()
    assert [sensor.name for sensor in repository.sensor_defs] == [
        "opsintel_arrivals",
        "opsintel_healer",
        "opsintel_watch",
    ]
    keys = repository.get_job("opsintel_drain").asset_layer.executable_asset_keys
    assert {key.path[0] for key in keys} == {"returns", "parcels", "letters"}


def test_everything_wrong_in_all_files_is_said_at_once_with_its_position(project):
    first, second = project.scaffold("letters"), project.scaffold("parcels")
    replace(first, "within: 15m ", "within: 15 ")
    replace(first, "rules: [amount.ge]", "rules: [amount.gee]")
    replace(second, ".contract.Parcels", ".contract.Parcel")
    replace(second, "to: desk, when", "to: dsk, when")
    said = findings(project)
    assert len(said) == 5
    assert said[0] == (
        "ops/defs/letters/defs.yaml:6:3: letters.within: `15` has no unit; "
        "write `15m` for minutes or `15s` for seconds"
    )
    assert said[1].startswith("ops/defs/letters/defs.yaml:14:15: letters.failure_modes[0].rules[0]")
    assert said[2].startswith("ops/defs/parcels/defs.yaml:10:3: parcels.contract: ")
    assert "`dsk`" in said[3]


def test_an_unknown_field_is_refused_with_the_one_that_was_meant(project):
    replace(project.scaffold("letters"), "owner:", "ownr:")
    said = findings(project)
    assert any("there is no field `ownr`; write `owner`" in finding for finding in said)


def test_what_is_written_twice_is_refused(project):
    folder = project.scaffold("letters")
    with (folder / "defs.yaml").open("a") as file:
        file.write("  within: 2h\n")
    assert any("is written twice" in finding for finding in findings(project))


def test_outcomes_extend_defaults_declared_beside_them(project):
    house = project.root / "ops" / "defs" / "house"
    house.mkdir()
    (house / "defs.yaml").write_text(
        "type: opsintel_dagster.DefaultsComponent\n"
        "attributes: {name: house, owner: 'team:night', tags: {domain: post}}\n"
    )
    replace(project.scaffold("letters"), "  owner: team:operations ", "  extends: house #")
    (spec, *_) = (
        one for one in load(project).resolve_all_asset_specs() if one.group_name != "opsintel"
    )
    assert spec.owners == ["team:night"]
    assert spec.tags["domain"] == "post"


def test_a_decision_table_may_be_a_file_beside_the_declaration(project):
    folder = project.scaffold("letters")
    text = (folder / "defs.yaml").read_text()
    head, _, tail = text.partition("  routes:")
    rest = tail[tail.index("  handoff:") :]
    (folder / "defs.yaml").write_text(f"{head}  routes: routes.csv\n{rest}")
    (folder / "routes.csv").write_text("to,when\ndesk,amount > 0\nnowhere,\n")
    assert {key.path[0] for key in load(project).get_repository_def().assets_defs_by_key} == {
        "letters",
        "opsintel",
    }


def test_templates_are_filled_in_and_other_texts_stay_texts(project, monkeypatch):
    monkeypatch.setenv("DESK_OWNER", "team:day")
    folder = project.scaffold("letters")
    replace(folder, "owner: team:operations ", 'owner: "{{ env.DESK_OWNER }}" ')
    replace(folder, 'path: "inbox', 'null_values: ["0", "None"], path: "inbox')
    repository = load(project).get_repository_def()
    (compiled, *_) = (compiled for _, compiled in carried(repository))
    assert compiled.outcome.owner == "team:day"
    assert compiled.outcome.source.null_values == ("0", "None")


def test_exported_amendments_are_pasted_as_they_are(project):
    kept = [
        {"kind": "repair", "column": "note", "values": {"0": "", "{{x}}": "{{ y }}", "no": "NO"}},
        {"kind": "route", "to": "desk", "when": "amount > 3"},
    ]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        SimpleNamespace(number=number, content=one, actor="kim", reason="a\n# b", kept_at=at)
        for number, one in enumerate(kept, start=1)
    ]
    folder = project.scaffold("letters")
    indented = "".join(f"  {line}\n" for line in as_yaml(rows).splitlines())
    replace(folder, "attributes:\n", f"attributes:\n{indented}")
    (compiled, *_) = (one for _, one in carried(load(project).get_repository_def()))
    assert [content_of(one) for one in compiled.outcome.amendments] == kept
    assert compiled.table.rules[0].name == "declared amendment 2"


def test_a_subclass_changes_how_assets_look_and_what_surrounds_a_stage(project, monkeypatch):
    (project.root / "ops" / "ours.py").write_text(
        "import opsintel_dagster\n\n\n"
        "class OurOutcome(opsintel_dagster.OutcomeComponent):\n"
        "    def get_asset_spec(self, spec):\n"
        "        return spec.merge_attributes(tags={'ours': 'yes'})\n\n"
        "    def execute(self, context, compiled, stage):\n"
        "        context.log.info('before')\n"
        "        return super().execute(context, compiled, stage)\n"
    )
    replace(project.scaffold("letters"), "opsintel_dagster.OutcomeComponent", "ops.ours.OurOutcome")
    monkeypatch.setenv("OPSINTEL_ROOT", str(project.root))
    defs = load(project)
    mine = [spec for spec in defs.resolve_all_asset_specs() if spec.group_name == "letters"]
    assert [spec.tags["ours"] for spec in mine] == ["yes"] * 6
    project.drop("letters", "day1.csv", "id,amount,note\nL1,2,\n")
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs.resolve_job_def("opsintel_drain")
        assert job.execute_in_process(instance=instance).success
    assert project.delivered("letters")


def test_components_made_by_python_code_join_those_in_yaml(project):
    project.scaffold("letters")
    for name in ("returns", "samples"):
        folder = project.root / "ops" / "defs" / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "component.py").write_text(
            "import dagster as dg\n"
            "import pandera.polars as pa\n\n"
            "from opsintel_dagster import Outcome, OutcomeComponent\n\n\n"
            "@dg.component_instance\n"
            "def load(context: dg.ComponentLoadContext) -> OutcomeComponent:\n"
            "    schema = pa.DataFrameSchema({'id': pa.Column(str)})\n"
            "    source = {'kind': 'files', 'path': 'in/*.csv'}\n"
            "    desk = {'desk': {'kind': 'files', 'path': 'out'}}\n"
            f"    outcome = Outcome(name='{name}', promise='It arrives.', within='1h',\n"
            "        owner='team:x', source=source, contract=schema, handoff=desk)\n"
            "    return OutcomeComponent(outcome=outcome)\n"
        )
    repository = load(project).get_repository_def()
    assert len(repository.sensor_defs) == 3
    keys = repository.get_job("opsintel_drain").asset_layer.executable_asset_keys
    assert {key.path[0] for key in keys} == {"letters", "returns", "samples"}
