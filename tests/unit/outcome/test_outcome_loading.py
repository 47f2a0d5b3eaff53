from typing import Any

import pytest
import yaml

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome import check, draft_outcome, load_outcome, read_positions

TEXT = """\
attributes:
  name: flight_disruptions
  promise: Every disrupted departure reaches the right desk, once.
  within: 30s
  owner: team:network-control
  source: {kind: files, path: "inbox/*.csv"}
  contract: .contract.Departure
  key: [carier, flight]
  failure_modes:
    - name: unknown_destination
      rules: [dest_knwn]
  routes:
    - {to: rebooking, when: "dep_dely >= 180"}
    - {to: care, when: "dep_delay >="}
  handoff:
    rebooking: {kind: table, url: {env: DESK_URL}, table: queue}
    gate: {kind: files, path: out}
  tolerence: 0.2
"""


def test_shape_and_meaning_are_complained_about_in_one_go_each_at_its_position(facts: Any) -> None:
    positions = read_positions(TEXT, source="defs.yaml", under=("attributes",))
    data = yaml.safe_load(TEXT)["attributes"]
    draft = draft_outcome(data, source="defs.yaml", positions=positions)
    found = [
        *draft.findings,
        *check(draft.outcome, facts, set(), positions=positions, unsound=draft.unsound),
    ]
    assert sorted(finding.position or "" for finding in found) == [
        "defs.yaml:11:15",  # unknown rule
        "defs.yaml:13:23",  # unknown column in a route
        "defs.yaml:14:18",  # expression that does not parse
        "defs.yaml:14:8",  # route without a receiver
        "defs.yaml:17:5",  # receiver without a route
        "defs.yaml:18:3",  # unknown field
        "defs.yaml:4:3",  # within under a minute
        "defs.yaml:7:3",  # a reference nobody produces
        "defs.yaml:8:9",  # unknown column in the key
    ]
    with pytest.raises(DeclarationError) as raised:
        load_outcome(data, source="defs.yaml", positions=positions)
    assert raised.value.findings == draft.findings


def test_what_follows_from_another_finding_is_not_said(declare: Any, facts: Any) -> None:
    draft = draft_outcome(
        declare(name="Bad", handoff={"Desk": 1}, repeats="hold", key="x"), source="defs.yaml"
    )
    assert draft.unsound == {"name", "handoff", "key"}
    assert check(draft.outcome, facts, {"airport_register"}, unsound=draft.unsound) == []


def test_a_valid_mapping_is_a_draft_without_findings(declare: Any) -> None:
    draft = draft_outcome(declare(), source="defs.yaml")
    assert (draft.findings, draft.unsound) == ((), frozenset())
    assert draft.outcome == load_outcome(declare(), source="defs.yaml")


@pytest.mark.parametrize("data", [None, [], "x", {}])
def test_what_is_no_outcome_at_all_is_refused_under_the_files_name(data: Any) -> None:
    with pytest.raises(DeclarationError, match=r"- defs.yaml") as raised:
        load_outcome(data, source="defs.yaml")
    assert all(finding.where.startswith("defs.yaml") for finding in raised.value.findings)
