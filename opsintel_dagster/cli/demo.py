"""`opsintel demo`: a month of real departures through the definitions the UI shows."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from opsintel_dagster.cli.demo_figures import Figures
    from opsintel_dagster.cli.demo_plan import Step
    from opsintel_dagster.cli.demo_runs import Operation

DEFAULT_DAYS: Final = 31
MOST_DAYS: Final = 365


def demo(
    days: Annotated[
        int, typer.Option(min=1, max=MOST_DAYS, help="How many days of 2013, from 1 January on.")
    ] = DEFAULT_DAYS,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what earlier runs of the demo did.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as JSON, and nothing else.")
    ] = False,
) -> None:
    """Drain a month of real departures, and show what became of every record.

    Run again, it goes on where it stopped: what was delivered stays delivered, once.
    """
    # Everything heavy is imported here, so that other commands start without it.
    from opsintel_dagster.cli.console import answers, messages, write_json
    from opsintel_dagster.cli.demo_figures import figures_of
    from opsintel_dagster.cli.demo_fresh import forget
    from opsintel_dagster.cli.demo_next import show_next_steps
    from opsintel_dagster.cli.demo_plan import FLIGHTS, OUTCOMES, plan
    from opsintel_dagster.cli.demo_runs import operation, prepare_environment
    from opsintel_dagster.cli.demo_source import DemoSource
    from opsintel_dagster.cli.demo_table import show_figures
    from opsintel_dagster.orchestration.installation import Installation

    root = Path.cwd()
    prepare_environment(root)
    began = time.monotonic()
    with Installation.open() as installation, operation(root) as running:
        settings = installation.settings
        source = DemoSource.found(settings.root / ".opsintel" / "demo")
        steps = plan(source, settings.root, days)
        if fresh:
            forget(installation, running)
        known = drive(steps, running, messages())
        found = {name: figures_of(installation, running.compiled[name]) for name in OUTCOMES}
        corrected = source.corrected_airports()
        seconds = time.monotonic() - began
        if as_json:
            outcomes = [{**asdict(one), "minutes": one.minutes} for one in found.values()]
            write_json({"days": days, "seconds": round(seconds, 1), "outcomes": outcomes})
        else:
            console = answers()
            registers = [one for name, one in found.items() if name != FLIGHTS]
            show_figures(console, registers, found[FLIGHTS])
            _sum_up(console, found[FLIGHTS], seconds, known)
            show_next_steps(console, settings, found[FLIGHTS], corrected)
    if not all(one.conservation.holds for one in found.values()):
        raise typer.Exit(1)


def drive(steps: Sequence["Step"], running: "Operation", console: "Console") -> int:
    """Perform the steps with a progress bar; returns how many files were there already.

    Raises:
        RunFailed: a run did not succeed; what came before it stays done.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    known = 0
    columns = (
        TextColumn("{task.description:<44}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        files = sum(len(step.drops) for step in steps)
        task = progress.add_task("", total=files)
        seen = set()
        for step in steps:
            progress.update(task, description=f"{step.outcome}: {step.label}")
            new = sum(drop.perform() for drop in step.drops)
            known += len(step.drops) - new
            if new or step.outcome not in seen:
                running.drain(step.outcome)  # once also without news: nothing may happen then
                seen.add(step.outcome)
            progress.advance(task, len(step.drops))
    return known


def _sum_up(console: "Console", main: "Figures", seconds: float, known: int) -> None:
    text = f"{seconds:.0f} s, in the process of this command."
    if known:
        text += (
            f" {known:,} files had come in an earlier run of the demo, and nothing of them was "
            "delivered again; `opsintel demo --fresh` starts over."
        )
    console.print(text, soft_wrap=True)
    for name in main.late_arrivals:
        console.print(f"{name} was passed on late, on purpose.", style="dim", soft_wrap=True)
