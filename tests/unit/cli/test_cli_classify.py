"""A failure explained: its class, its reason, the rule, the chain, and what is done about it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from scenario import Operation
from typer.testing import CliRunner, Result

from opsintel_dagster.cli.app import app
from opsintel_dagster.cli.classify import TREATMENTS
from opsintel_dagster.outcome import FailureClass

Run = Callable[..., Result]
TEXT = """Traceback (most recent call last):
  File "/x.py", line 1, in f
PermissionError: [Errno 13] no

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/x.py", line 2, in g
opsintel_dagster.errors.ReceiverDown: receiver sftp://me:secret@host: said no
"""
DEFINITIONS = """
from scenario import depots, parcels
from opsintel_dagster import build_defs

failures = [{"exception": "shop.Odd", "failure_class": "transient"}]
defs = build_defs([parcels(healing={"failures": failures}), depots()], location="tests")
"""


def piped(text: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["classify", *arguments], input=text)


def test_a_piped_traceback_is_explained_with_the_link_that_decides() -> None:
    result = piped(TEXT)
    assert result.exit_code == 0, result.stderr
    assert "permission" in result.stdout
    assert "shipped: PermissionError" in result.stdout
    assert "never tried again" in result.stdout
    assert "→ PermissionError: [Errno 13] no" in result.stdout
    assert "opsintel_dagster.errors.ReceiverDown" in result.stdout
    assert "secret" not in result.stdout


def test_a_file_is_explained_as_json(tmp_path: Path) -> None:
    file = tmp_path / "run.log"
    file.write_text(TEXT)
    [failure] = json.loads(piped("", str(file), "--json").stdout)["failures"]
    assert failure["class"] == "permission"
    assert failure["reason"] == "PermissionError: [Errno 13] no"
    assert [link["decides"] for link in failure["chain"]] == [False, True]
    assert failure["retry_after_seconds"] is None


def test_the_wait_that_was_asked_for_is_shown() -> None:
    said = "requests.exceptions.HTTPError: 429 Client Error: Too Many Requests; Retry-After: 120"
    assert "2 min, as it was asked to" in piped(said).stdout
    document = json.loads(piped(said, "--json").stdout)
    assert document["failures"][0]["retry_after_seconds"] == 120


def test_a_text_without_an_exception_exits_with_1() -> None:
    result = piped("all is well\n")
    assert result.exit_code == 1
    assert "paste the traceback" in result.stderr


def test_a_terminal_is_told_how_to_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsintel_dagster.cli.classify.is_typed_by_hand", lambda: True)
    result = piped("")
    assert result.exit_code == 2
    assert "pipe a traceback in" in " ".join(result.stderr.split())


def test_a_file_and_a_run_are_not_explained_at_once(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(TEXT)
    assert piped("", str(tmp_path / "log"), "--run", "x").exit_code == 2


@pytest.mark.usefixtures("operation")
def test_the_rules_of_an_outcome_come_first(root: Path) -> None:
    (root / "definitions.py").write_text(DEFINITIONS)
    own = json.loads(piped("shop.Odd: x", "--outcome", "parcels", "--json").stdout)["failures"][0]
    assert (own["class"], own["rule"]) == ("transient", "healing.failures[0]")
    other = json.loads(piped("shop.Odd: x", "--outcome", "depots", "--json").stdout)["failures"][0]
    assert (other["class"], other["rule"]) == ("unknown", "no rule fits")


@pytest.fixture
def home(operation: Operation, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGSTER_HOME."""
    home = operation.root / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return home


@pytest.mark.usefixtures("home")
def test_a_run_is_explained_step_by_step(opsintel: Run, answer: Callable[..., Any]) -> None:
    @dg.asset
    def broken() -> None:
        raise TimeoutError("no answer")

    with dg.DagsterInstance.get() as instance:
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        run = dg.materialize([broken], instance=instance, raise_on_error=False, run_config=quiet)
    [failure] = answer("classify", "--run", run.run_id)["failures"]
    assert (failure["stage"], failure["class"]) == ("broken", "transient")
    result = opsintel("classify", "--run", "no-such-run")
    assert result.exit_code == 1
    assert "there is no run `no-such-run` here" in result.stderr


@pytest.mark.usefixtures("operation")
def test_a_run_needs_an_instance(opsintel: Run) -> None:
    result = opsintel("classify", "--run", "x")
    assert result.exit_code == 1
    assert "DAGSTER_HOME: not set" in result.stderr


def test_every_class_has_a_treatment() -> None:
    assert set(TREATMENTS) == set(FailureClass)
