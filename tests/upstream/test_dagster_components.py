"""What a component can know of its location, and what Dagster does with its attributes."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.core.component_tree import ComponentTree

from opsintel_dagster.orchestration.instance import components_of, load_context, yaml_source

LIBRARY = """\
import dagster as dg
from pydantic import BaseModel, ConfigDict

SEEN = []


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


@dg.sensor(name="shared", asset_selection="*")
def shared():
    return dg.SkipReason("never")


class Outcome(dg.Component, dg.Model, dg.Resolvable):
    name: str
    sensor: bool = False

    @classmethod
    def model(cls):
        return Anything

    @classmethod
    def resolve_from_model(cls, context, model):
        SEEN.append((context, model.model_dump()))
        return cls(name=model.name, sensor=getattr(model, "sensor", False))

    def build_defs(self, context):
        SEEN.append(context)
        return dg.Definitions(
            assets=[dg.AssetSpec(self.name)], sensors=[shared] if self.sensor else []
        )


class Special(Outcome):
    pass
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., object]]:
    """Writes `defs.yaml` files and loads them; gives the library module the components are in."""
    package = tmp_path / "theirs"
    (package / "defs").mkdir(parents=True)
    for folder in (package, package / "defs"):
        (folder / "__init__.py").touch()
    (package / "library.py").write_text(LIBRARY)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "theirs"\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(**files: str) -> tuple[dg.Definitions, object]:
        for name, text in files.items():
            (package / "defs" / name).mkdir()
            (package / "defs" / name / "defs.yaml").write_text(text)
        defs = dg.load_from_defs_folder(path_within_project=package)
        return defs, sys.modules["theirs.library"]

    yield load
    for name in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
        del sys.modules[name]


def declare(name: str, *, kind: str = "Outcome", more: str = "") -> str:
    return f"type: theirs.library.{kind}\n\nattributes:\n  name: {name}\n{more}"


def test_a_component_finds_all_of_its_kind_in_the_order_of_their_folders(project):
    _, library = project(b=declare("two"), a=declare("one", kind="Special"))
    contexts = [seen for seen in library.SEEN if isinstance(seen, dg.ComponentLoadContext)]
    found = components_of(contexts[0], library.Outcome)
    assert [component.name for component in found] == ["one", "two"]
    assert components_of(contexts[1], library.Outcome) is found


def test_attributes_come_as_they_were_written_with_folder_file_and_line(project):
    _, library = project(a=declare("one", more='  null_values: ["0", "None"]\n'))
    context, attributes = library.SEEN[0]
    assert attributes == {"name": "one", "null_values": ["0", "None"]}
    assert load_context(context).path.name == "a"
    source = yaml_source(context)
    assert source is not None
    assert source[0].name == "defs.yaml"
    assert source[1] in {3, 4}


def test_dagsters_own_rendering_turns_texts_into_python_literals():
    context = ComponentTree.for_test().load_context.resolution_context
    assert context.resolve_value("0") == 0
    assert context.resolve_value("None") is None
    assert context.resolve_value("dep_delay >= 180") == "dep_delay >= 180"


def test_one_sensor_object_contributed_by_two_components_is_refused(project):
    """Each component's definitions are copied with a reference to its file: they differ then."""
    defs, _ = project(
        a=declare("one", more="  sensor: true\n"), b=declare("two", more="  sensor: true\n")
    )
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="shared"):
        defs.get_repository_def()


def test_one_sensor_contributed_by_one_component_is_accepted(project):
    defs, _ = project(a=declare("one", more="  sensor: true\n"), b=declare("two"))
    assert [sensor.name for sensor in defs.get_repository_def().sensor_defs] == ["shared"]
