"""`opsintel simulate`, as people and programs read it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scenario import Operation
from typer.testing import Result

Run = Callable[..., Result]
Answer = Callable[..., Any]

PRIVATE = """
import pandera.polars as pa
from scenario import Parcel, depots, parcels
from opsintel_dagster import build_defs


class PrivateParcel(Parcel):
    note: str = pa.Field(nullable=True, metadata={"pii": True})


defs = build_defs([parcels(contract=PrivateParcel), depots()], location="tests")
"""
OTHERS = """
import pandera.polars as pa
from scenario import Parcel


class Lighter(Parcel):
    weight: float = pa.Field(ge=-1)


class Unfit(Parcel):
    weight: float
"""


@pytest.fixture
def changed(drained: Operation) -> Operation:
    """Other contracts and another decision table lie beside the definitions."""
    (drained.root / "other_contracts.py").write_text(OTHERS)
    (drained.root / "routes.csv").write_text("to,when\nfreight,weight >= 2\ngate,\n")
    return drained


@pytest.mark.usefixtures("drained")
def test_what_is_declared_would_have_changed_nothing(opsintel: Run, answer: Answer) -> None:
    said = opsintel("simulate", "parcels").stdout
    assert "9 records of 1 arrival judged again; nothing is delivered" in said
    assert "None of them would have gone elsewhere." in said
    document = answer("simulate", "parcels")
    assert (document["records"], document["moved"], document["next_drain"]) == (9, [], {})


@pytest.mark.usefixtures("changed")
def test_another_contract_says_what_would_have_gone_elsewhere(
    opsintel: Run, answer: Answer
) -> None:
    said = opsintel("simulate", "parcels", "--contract", "other_contracts.Lighter").stdout
    assert "quarantine bad_weight" in said
    assert "bad_weight  2 → 1 record" in said
    assert "day1.csv line 5" in said
    document = answer("simulate", "parcels", "--contract", "other_contracts:Lighter")
    [moved] = document["moved"]
    assert moved["from"] == {"kind": "quarantine", "name": "bad_weight"}
    assert moved["examples"][0]["values"]["parcel"] == "P4"
    assert document["next_drain"]["bad_weight"]["leave"] == 1


@pytest.mark.usefixtures("changed")
def test_another_decision_table_moves_records_from_desk_to_desk(answer: Answer) -> None:
    document = answer("simulate", "parcels", "--routes", "routes.csv")
    assert [(one["from"]["name"], one["to"]["name"]) for one in document["moved"]] == [
        ("gate", "freight"),
        ("nowhere", "gate"),
    ]


@pytest.mark.usefixtures("changed")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--contract", "other_contracts.Nobody"], "cannot be imported"),
        (["--contract", "other_contracts.Unfit"], "weight.ge"),
        (["--since", "yesterday"], "--since takes a date"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_the_reason(
    opsintel: Run, arguments: list[str], said: str
) -> None:
    result = opsintel("simulate", "parcels", *arguments)
    assert result.exit_code != 0
    assert said in result.stderr


@pytest.mark.usefixtures("drained")
def test_history_can_begin_later(answer: Answer) -> None:
    assert answer("simulate", "parcels", "--since", "1d")["records"] == 9
    assert answer("simulate", "parcels", "--since", "2100-01-01")["records"] == 0


@pytest.mark.usefixtures("private")
def test_personal_data_is_masked(root: Path, opsintel: Run) -> None:
    (root / "definitions.py").write_text(PRIVATE)
    (root / "routes.csv").write_text("to,when\nfreight,weight > 1\ngate,\n")
    for arguments in ([], ["--json"]):
        said = opsintel("simulate", "parcels", "--routes", "routes.csv", *arguments).stdout
        assert "fragile" not in said
        assert "***" in said
