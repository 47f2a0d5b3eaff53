"""What is wrong in the outcomes of a code location is said at once, whatever kind it is of."""

import pandera.pandas
import pytest
from scenario import depots, parcels

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.orchestration.compiled import compile_outcomes
from opsintel_dagster.outcome import Outcome


def findings_of(*outcomes: Outcome) -> list[str]:
    with pytest.raises(DeclarationError) as caught:
        compile_outcomes(outcomes, location="tests")
    return [finding.where for finding in caught.value.findings]


def test_findings_of_all_outcomes_come_together() -> None:
    where = findings_of(depots(key=["cod"]), parcels(routes=[{"to": "gate", "when": "weigth > 1"}]))
    assert "depots.contract" in where
    assert "parcels.routes[0].when" in where
    assert "parcels.handoff.freight" in where


def test_a_contract_that_cannot_be_compiled_does_not_hide_the_rest() -> None:
    schema = pandera.pandas.DataFrameSchema({"parcel": pandera.pandas.Column(str)})
    where = findings_of(depots(), parcels(contract=schema, routes=[{"to": "gate"}]))
    assert "parcels.contract" in where
    assert "parcels.handoff.freight" in where


def test_two_outcomes_of_one_name_are_refused() -> None:
    assert "depots.name" in findings_of(depots(), depots())


def test_a_reference_nobody_produces_is_refused_and_one_produced_elsewhere_is_not() -> None:
    assert findings_of(parcels())
    (compiled,) = compile_outcomes([parcels()], location="tests", produced_elsewhere=["depots"])
    assert compiled.name == "parcels"


def test_the_fingerprint_is_about_verdicts_and_routes_and_not_about_prose() -> None:
    def fingerprint(**changes: object) -> str:
        outcomes = [depots(), parcels(**changes)]
        return compile_outcomes(outcomes, location="tests")[1].fingerprint

    assert fingerprint() == fingerprint()
    assert fingerprint(promise="Another sentence.", owner="team:other") == fingerprint()
    assert fingerprint(tolerance=0.3) != fingerprint()
    assert fingerprint(repeats="hold") != fingerprint()
