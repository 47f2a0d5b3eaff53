import pytest

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome import read_positions

TEXT = """\
type: opsintel_dagster.OutcomeComponent
attributes:
  name: a
  key: [carrier, flight]
  routes:
    - {to: desk, when: "x > 1"}
    - to: nowhere
"""


def test_entries_stand_at_their_key_and_items_where_they_begin() -> None:
    positions = read_positions(TEXT, source="defs.yaml", under=("attributes",))
    assert positions[()] == "defs.yaml:2:1"
    assert positions["name",] == "defs.yaml:3:3"
    assert positions["key", 1] == "defs.yaml:4:18"
    assert positions["routes", 0, "when"] == "defs.yaml:6:18"
    assert positions["routes", 1] == "defs.yaml:7:7"


def test_a_key_written_twice_is_refused_because_yaml_keeps_the_last() -> None:
    text = "handoff:\n  desk: {kind: files}\n  desk: {kind: table}\n"
    with pytest.raises(DeclarationError) as raised:
        read_positions(text, source="defs.yaml")
    (finding,) = raised.value.findings
    assert str(finding) == (
        "defs.yaml:3:3: defs.yaml.handoff.desk: is written twice; remove one of them"
    )


def test_a_text_that_is_no_yaml_is_refused_with_its_position() -> None:
    with pytest.raises(DeclarationError, match=r"defs.yaml:2:\d+: defs.yaml: this is not YAML"):
        read_positions("a: [1,\nb: 2", source="defs.yaml")


def test_merged_entries_stand_where_they_were_written_first() -> None:
    text = "x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n"
    positions = read_positions(text, source="f", under=("y",))
    assert positions["a",] == "f:1:8"
    assert positions["b",] == "f:4:3"


def test_an_alias_of_itself_ends() -> None:
    assert read_positions("a: &a [*a, 1]", source="f")["a", 1] == "f:1:12"


def test_documents_are_told_apart_and_an_empty_text_has_no_positions() -> None:
    assert read_positions("a: 1\n---\nb: 2\n", source="f", document=1)["b",] == "f:3:1"
    assert read_positions("", source="f") == {}
