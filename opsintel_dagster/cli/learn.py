"""`opsintel learn`: what people have answered again and again; it keeps nothing by itself."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import Progress
from rich.text import Text

from opsintel_dagster.cli.console import answers, messages, write_json
from opsintel_dagster.cli.moments import moment_of
from opsintel_dagster.cli.opened import opened_ledger
from opsintel_dagster.cli.wording import counted, effort, place
from opsintel_dagster.orchestration.declarations import load_outcome
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.keeping import in_force
from opsintel_dagster.orchestration.learning import Proposal, learn
from opsintel_dagster.outcome import content_of
from opsintel_dagster.outcome.amendment_files import write_amendments
from opsintel_dagster.settings import Settings


def run(
    outcome: str,
    *,
    at_least: int,
    most: int,
    since: str | None,
    export: Path | None,
    module: str | None,
    as_json: bool,
) -> None:
    """Show what could be kept, what it would have saved, and how to keep it.

    Raises:
        UnknownName: the module declares no such outcome.
        LedgerError: there is no ledger yet.
    """
    settings = Settings.from_env()
    moment = moment_of(since)
    declared = load_outcome(settings.root, outcome, module)
    with opened_ledger(settings) as ledger:
        ledger.migrate()
    with (
        Installation.open(settings) as installation,
        Progress(console=messages(), transient=True, disable=as_json) as shown,
    ):
        with installation.ledger.read() as connection:
            now = in_force(connection, declared)
        task = shown.add_task("Trying proposals on history", total=None)
        proposals = learn(
            installation,
            now,
            at_least=at_least,
            since=moment,
            most=most,
            progress=lambda done, all_: shown.update(task, completed=done, total=all_),
        )
    if export is not None:
        export.write_text(
            write_amendments((content_of(one.amendment), _support(one)) for one in proposals),
            "utf-8",
        )
    if as_json:
        write_json({"outcome": outcome, "proposals": [_document(one) for one in proposals]})
        return
    _show(outcome, proposals, at_least, export)


def _show(outcome: str, proposals: list[Proposal], at_least: int, export: Path | None) -> None:
    console = answers()
    if not proposals:
        console.print(
            f"No answer about {outcome} was given {at_least} times, with none against it.",
            soft_wrap=True,
        )
        return
    for number, one in enumerate(proposals, start=1):
        about = Text.assemble((f"{number}. {_said(content_of(one.amendment))}", "bold"))
        console.print(about, soft_wrap=True)
        console.print(f"   {_support(one)}", style="dim", soft_wrap=True)
        console.print(f"   {_saved(one)}", soft_wrap=True)
    file = place(export) if export is not None else "FILE.yaml"
    written = "" if export is not None else f"opsintel learn {outcome} --export {file}, and then "
    console.print(
        f"\nNothing is kept yet. What you leave in the file is kept by: {written}"
        f"opsintel amendments add {outcome} {file} --reason TEXT",
        style="dim",
        soft_wrap=True,
    )


def _said(content: Mapping[str, Any]) -> str:
    if content["kind"] == "route":
        return f"to {content['to']} when {content['when']}"
    [(old, new)] = content["values"].items()
    return f"{content['column']}: {old!r} becomes {new!r}"


def _support(one: Proposal) -> str:
    support = one.support
    return (
        f"{one.cause.failure_mode}: answered so in {counted(len(support.decisions), 'decision')} "
        f"by {', '.join(sorted(support.actors))}, for {counted(support.records, 'record')}; "
        "none against"
    )


def _saved(one: Proposal) -> str:
    if one.simulation is None:
        return "not tried on history"
    said = f"on history: {counted(one.records_saved, 'record')} would not have waited"
    others = one.simulation.changed - one.records_saved
    if others:
        said += f", {others:,} would have gone elsewhere"
    if one.minutes_saved is not None:
        said += f"; {effort(one.minutes_saved)} of a person's work"
    return said


def _document(one: Proposal) -> dict[str, Any]:
    return {
        "amendment": content_of(one.amendment),
        "cause": asdict(one.cause),
        "decisions": len(one.support.decisions),
        "actors": sorted(one.support.actors),
        "records": one.support.records,
        "records_saved": one.records_saved,
        "minutes_saved": one.minutes_saved,
        "changed": None if one.simulation is None else one.simulation.changed,
    }
