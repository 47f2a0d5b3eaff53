"""What was answered again and again, proposed, seen on history, kept by a person."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scenario import HEADER, Operation
from typer.testing import Result

Run = Callable[..., Result]
Answer = Callable[..., Any]
WEIGHT = "parcels.bad_weight"


@pytest.fixture
def repeated(drained: Operation, opsintel: Run) -> Operation:
    """Three days on which somebody wrote 3 where the file said `three`; once it was something else.

    What is repeated is proposed where nobody said otherwise.
    """
    answers = (("ann", "3", "1"), ("bob", "3", "1"), ("ann", "3", "2"))
    for day, (who, three, one) in enumerate(answers, start=2):
        rows = f"A{day},HAM,three,\nB{day},HAM,one,\n"
        drained.drop("parcels", f"day{day}.csv", HEADER + rows)
        drained.drain()
        for told in (f"weight=three={three}", f"weight=one={one}"):
            done = opsintel("cases", "resolve", WEIGHT, "--set", told, "--yes", "--as", who)
            assert done.exit_code == 0, done.output
            drained.drain()
    return drained


@pytest.mark.usefixtures("repeated")
def test_only_what_nobody_contradicted_is_proposed(opsintel: Run, answer: Answer) -> None:
    said = opsintel("learn", "parcels").stdout
    assert "1. weight: 'three' becomes '3'" in said
    assert "in 3 decisions by ann, bob, for 3 records; none against" in said
    assert "on history: 3 records would not have waited" in said
    assert "'one'" not in said
    assert "Nothing is kept yet." in said
    [one] = answer("learn", "parcels")["proposals"]
    assert one["amendment"] == {"kind": "repair", "column": "weight", "values": {"three": "3"}}
    assert (one["decisions"], one["records"], one["records_saved"]) == (3, 3, 3)
    assert answer("amendments", "list", "parcels")["amendments"] == []


@pytest.mark.usefixtures("repeated")
def test_more_support_can_be_asked_for(opsintel: Run) -> None:
    said = opsintel("learn", "parcels", "--at-least", "4").stdout
    assert "No answer about parcels was given 4 times" in said


def test_a_proposal_that_a_person_keeps_lets_the_next_day_pass(
    repeated: Operation, root: Path, opsintel: Run, answer: Answer
) -> None:
    learned = opsintel("learn", "parcels", "--export", "learned.yaml")
    assert "opsintel amendments add parcels learned.yaml" in learned.stdout
    predicted = answer("simulate", "parcels", "--amendment", "learned.yaml")
    assert predicted["changed"] == 3
    shown = opsintel("amendments", "add", "parcels", "learned.yaml", "--reason", "x", "--dry-run")
    assert "3 of 15 records of the last 30 days: quarantine bad_weight → route gate" in shown.stdout
    assert answer("amendments", "list", "parcels")["amendments"] == []
    kept = opsintel("amendments", "add", "parcels", "learned.yaml", "--reason", "always", "--yes")
    assert "Kept as amendment 1" in kept.stdout
    assert answer("learn", "parcels")["proposals"] == []
    repeated.drop("parcels", "day9.csv", f"{HEADER}A9,HAM,three,\n")
    report = repeated.drain()
    assert (report.verified.verified, report.verified.quarantined) == (1, 0)
    again = opsintel("amendments", "add", "parcels", "learned.yaml", "--reason", "x", "--yes")
    assert again.exit_code == 1
    assert "amendment 1 says so already" in again.stderr
    assert (root / "learned.yaml").read_text().splitlines()[:3] == [
        "amendments:",
        "  # bad_weight: answered so in 3 decisions by ann, bob, for 3 records; none against",
        "  - kind: repair",
    ]


def test_what_is_exported_can_be_added_again_as_it_was(
    drained: Operation, root: Path, opsintel: Run, answer: Answer
) -> None:
    (root / "first.yaml").write_text(
        "amendments:\n"
        "  - {kind: repair, column: note, values: {fragile: '{{ glass }}', '{{x}}': y}}\n"
        "  - {kind: route, to: gate, when: \"note = '{%'\"}\n"
    )
    kept = opsintel("amendments", "add", "parcels", "first.yaml", "--reason", "x", "--yes")
    assert kept.exit_code == 0, kept.stderr
    exported = opsintel("amendments", "export", "parcels").stdout
    before = [one["content"] for one in answer("amendments", "list", "parcels")["amendments"]]
    (root / "exported.yaml").write_text(exported)
    for number in ("1", "2"):
        assert opsintel("amendments", "retire", "parcels", number, "--reason", "x").exit_code == 0
    added = opsintel("amendments", "add", "parcels", "exported.yaml", "--reason", "back", "--yes")
    assert added.exit_code == 0, added.stderr
    after = [one["content"] for one in answer("amendments", "list", "parcels")["amendments"]]
    assert after == before
    assert drained.drain().failures == {}


@pytest.mark.usefixtures("drained")
def test_a_file_that_holds_no_amendments_is_refused_with_the_place(
    root: Path, opsintel: Run
) -> None:
    (root / "wrong.yaml").write_text("amendments:\n  - kind: repair\n    colum: weight\n")
    for arguments in (
        ("amendments", "add", "parcels", "wrong.yaml", "--reason", "x", "--yes"),
        ("simulate", "parcels", "--amendment", "wrong.yaml"),
    ):
        result = opsintel(*arguments)
        assert result.exit_code == 1
        assert "wrong.yaml:3:5" in result.stderr


@pytest.mark.usefixtures("drained")
def test_who_keeps_an_answer_sees_first_what_it_would_have_changed(
    opsintel: Run, answer: Answer
) -> None:
    asked = ("cases", "resolve", WEIGHT, "--set", "weight=heavy=40", "--keep", "--dry-run")
    said = opsintel(*asked).stdout
    assert "from now on" in said
    assert "1 of 9 records of the last 30 days: quarantine bad_weight → route freight" in said
    document = answer(*asked)
    assert document["simulation"]["changed"] == 1
