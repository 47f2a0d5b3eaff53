"""`opsintel classify`: of which class a failure is, by which rule, and what is done about it."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import typer
from rich.text import Text

from opsintel_dagster.cli.console import answers, write_json
from opsintel_dagster.cli.dagster_side import HOME_VARIABLE
from opsintel_dagster.cli.wording import age
from opsintel_dagster.errors import SettingsError, UnknownName
from opsintel_dagster.healing.classification import classify_links, decide
from opsintel_dagster.healing.failure import Link, reason_of
from opsintel_dagster.healing.traceback_text import links_of_text
from opsintel_dagster.orchestration.declarations import load_outcome
from opsintel_dagster.orchestration.run_failures import RunFailure, failures_of_run
from opsintel_dagster.outcome import FailureClass, FailureRule
from opsintel_dagster.settings import Settings

_NEVER: Final = "never tried again: a case at once"
TREATMENTS: Final = {
    FailureClass.TRANSIENT: "tried again in place within `retry_within`, then across runs",
    FailureClass.RATE_LIMITED: "waits as long as the other side asked, then is tried again",
    FailureClass.DEPENDENCY_DOWN: (
        "tried again across runs; while the breaker of the dependency is open, by one probe"
    ),
    FailureClass.PERMISSION: f"{_NEVER}; somebody has to let us in",
    FailureClass.UNREADABLE: (
        "an arrival is set aside and blocks nobody; a stored file is tried again across runs "
        "within `attempts_per_batch`, then a case"
    ),
    FailureClass.CONTRACT: f"{_NEVER}; declaration and data have to be brought together",
    FailureClass.DRIFT: "held whole until somebody decides",
    FailureClass.REFUSED: "the refused records are found and set aside, the rest is delivered",
    FailureClass.IN_DOUBT: f"{_NEVER}; somebody has to look whether it happened",
    FailureClass.BUG: f"{_NEVER}; the same input would do it again",
    FailureClass.UNKNOWN: (
        "tried again across runs within `attempts_per_batch`, then a case; a rule in "
        "`healing.failures` says better"
    ),
}
_STYLES: Final = {
    FailureClass.TRANSIENT: "yellow",
    FailureClass.RATE_LIMITED: "yellow",
    FailureClass.DEPENDENCY_DOWN: "yellow",
}


def classify(
    file: Path | None, *, run: str | None, outcome: str | None, module: str | None, as_json: bool
) -> None:
    """Explain a failure that a text tells of, or those of a run.

    Raises:
        UnknownName: there is no such run or outcome, or no failure in what was given.
        SettingsError: no instance of Dagster or no module is named.
        DeclarationError: a declaration of the module is wrong.
    """
    if run is not None and file is not None:
        raise typer.BadParameter("give a file or --run, not both")
    found = _of_run(run) if run is not None else _of_text(file)
    rules = _rules_of(outcome, module)
    if as_json:
        write_json({"failures": [_document(one, rules) for one in found]})
    else:
        for one in found:
            _show(one, rules)


def _of_run(run_id: str) -> list[RunFailure]:
    if not os.environ.get(HOME_VARIABLE):
        fix = "Set it to the folder of the instance that holds the run."
        raise SettingsError(HOME_VARIABLE, "not set, so no run can be looked up", fix)
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        if instance.get_run_by_id(run_id) is None:
            fix = f"write the whole id as the UI shows it, and look whether {HOME_VARIABLE} fits"
            raise UnknownName("run", run_id, fix)
        found = failures_of_run(instance, run_id)
    if not found:
        raise UnknownName("failure of run", run_id, "nothing of it failed so far")
    return found


def _of_text(file: Path | None) -> list[RunFailure]:
    is_stdin = file is None or str(file) == "-"
    if is_stdin and is_typed_by_hand():
        raise typer.BadParameter(
            "pipe a traceback in (`opsintel classify < run.log`), name a file, or write --run RUN"
        )
    text = sys.stdin.read() if is_stdin or file is None else file.read_text(errors="replace")
    links = links_of_text(text)
    if not links:
        fix = "paste the traceback with its last line, `path.of.Class: message`"
        raise UnknownName("exception in", "stdin" if is_stdin else str(file), fix)
    return [RunFailure(None, links)]


def is_typed_by_hand() -> bool:
    """Whether nothing is piped in: somebody would wait for an answer that waits for them."""
    return sys.stdin.isatty()


def _rules_of(outcome: str | None, module: str | None) -> Sequence[FailureRule]:
    if outcome is None:
        return ()
    compiled = load_outcome(Settings.from_env().root, outcome, module)
    return compiled.outcome.healing.failures


def _document(one: RunFailure, rules: Sequence[FailureRule]) -> dict[str, Any]:
    failure, place = classify_links(one.links, rules), decide(one.links, rules).place
    return {
        "stage": one.stage,
        "class": failure.failure_class.value,
        "reason": failure.reason,
        "rule": failure.rule,
        "retry_after_seconds": failure.retry_after,
        "treatment": TREATMENTS[failure.failure_class],
        "chain": [
            {
                "exception": link.paths[0] if link.paths else None,
                "reason": reason_of(link),
                "decides": at == place,
            }
            for at, link in enumerate(one.links)
        ],
    }


def _show(one: RunFailure, rules: Sequence[FailureRule]) -> None:
    failure, place = classify_links(one.links, rules), decide(one.links, rules).place
    console = answers()
    style = f"bold {_STYLES.get(failure.failure_class, 'red')}"
    if one.stage is not None:
        _line("stage", Text(one.stage))
    _line("class", Text(failure.failure_class.value, style=style))
    _line("reason", Text(failure.reason))
    _line("rule", Text(failure.rule))
    if failure.retry_after is not None:
        _line("wait", Text(f"{age(failure.retry_after.total_seconds())}, as it was asked to"))
    _line("then", Text(TREATMENTS[failure.failure_class]))
    for at, link in enumerate(one.links):
        mark = "→" if at == place else " "
        _line("" if at else "chain", Text(f"{mark} {_shown(link)}", "" if at == place else "dim"))
    console.print()


def _line(name: str, text: Text) -> None:
    answers().print(Text(f"{name:8}", style="dim") + text, soft_wrap=True)


def _shown(link: Link) -> str:
    """The link with its whole class path: that is what a rule is written for."""
    module = link.paths[0].rpartition(".")[0] if link.paths else ""
    return f"{module}.{reason_of(link)}" if module else reason_of(link)
