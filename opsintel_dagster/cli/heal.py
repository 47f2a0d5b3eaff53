"""`opsintel heal`: by hand what the sensors would do by themselves, with the plan first."""

from collections.abc import Sequence
from dataclasses import asdict

from opsintel_dagster.cli.console import answers, messages, plain_table, write_json
from opsintel_dagster.cli.dagster_side import dagster_side
from opsintel_dagster.cli.draining import failures_of, stage_lines
from opsintel_dagster.cli.release import user
from opsintel_dagster.cli.wording import counted
from opsintel_dagster.orchestration import trying_again
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.declarations import load_outcome
from opsintel_dagster.orchestration.drain import Drain, DrainReport
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.troubles import dependencies_of
from opsintel_dagster.orchestration.trying_again import Step
from opsintel_dagster.settings import Settings


def heal(outcome: str, *, is_dry_run: bool, module: str | None, as_json: bool) -> bool:
    """Try everything of the outcome that failed once more; true if nothing failed again.

    It counts as a decision: what was given up is given another round of attempts, the budget of the
    hour begins anew, and what is down is probed at once.

    Raises:
        UnknownName: the module declares no such outcome.
        DeclarationError: a declaration is wrong.
        SettingsError: there is no module to load, or the environment is garbled.
        LedgerError: the ledger cannot be reached.
    """
    settings = Settings.from_env()
    compiled = load_outcome(settings.root, outcome, module)
    with Installation.open(settings) as installation:
        steps = _plan(installation, compiled)
        if not as_json:
            _show_plan(outcome, steps)
        report = None
        if not is_dry_run:
            report = _heal(installation, compiled, settings)
    failures = failures_of(report) if report is not None else {}
    if as_json:
        document = {
            "outcome": outcome,
            "plan": [asdict(step) for step in steps],
            "drained": report is not None and report.skipped is None,
            "failures": failures,
        }
        write_json(document)
    elif report is not None:
        _show(outcome, report)
    return not failures and (report is None or report.skipped is None)


def _plan(installation: Installation, compiled: Compiled) -> Sequence[Step]:
    if not installation.ledger.exists():
        return ()
    with installation.ledger.read() as connection:
        names = dependencies_of(installation, compiled)
        return trying_again.planned(connection, compiled.name, names)


def _heal(installation: Installation, compiled: Compiled, settings: Settings) -> DrainReport:
    actor = f"opsintel heal ({user()})"
    is_run_finished, open_feed = dagster_side(settings)
    drain = Drain(
        compiled,
        installation,
        actor=actor,
        is_run_finished=is_run_finished,
        open_feed=open_feed,
    )
    drain.bind()
    names = dependencies_of(installation, compiled)
    with installation.ledger.write() as connection:
        trying_again.decided(connection, compiled.name, actor, names)
    messages().print(f"draining {compiled.name} …", style="dim")
    return drain.run()


def _show_plan(outcome: str, steps: Sequence[Step]) -> None:
    console = answers()
    if not steps:
        console.print(f"{outcome}: nothing failed, nothing waits; a drain claims what is new.")
        return
    table = plain_table("does", "to", "because")
    for step in steps:
        table.add_row(step.does, step.about, step.why)
    console.print(table)


def _show(outcome: str, report: DrainReport) -> None:
    console = answers()
    table = plain_table("stage", "what happened")
    for stage, text, _ in stage_lines(report):
        table.add_row(stage, text)
    console.print(table)
    failures = failures_of(report)
    if failures:
        console.print(f"{outcome}: {counted(len(failures), 'failure')} left", style="red")
        for subject, reason in failures.items():
            console.print(f"  {subject}: {reason}", soft_wrap=True)
