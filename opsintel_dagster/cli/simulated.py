"""What a simulation found, as people and programs read it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.progress import Progress
from rich.text import Text

from opsintel_dagster.cli.console import answers, messages, plain_table
from opsintel_dagster.cli.wording import (
    counted,
    effort,
    lines_of,
    short,
    shown_values,
    source_values,
)
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.keeping import in_force, with_new
from opsintel_dagster.orchestration.simulation import CaseChange, Moved, Simulation, simulate
from opsintel_dagster.outcome import Amendment

MOST_LEFT_OUT: Final = 5
LOOKED_BACK: Final = timedelta(days=30)
"""How much of history is judged again before something is kept."""


def on_history(
    installation: Installation,
    after: Compiled,
    *,
    before: Compiled | None,
    since: datetime | None,
    is_quiet: bool,
) -> Simulation:
    """Judge history again, with a progress bar unless it shall be quiet."""
    with Progress(console=messages(), transient=True, disable=is_quiet) as shown:
        task = shown.add_task(f"Judging {after.name} again", total=None)
        return simulate(
            installation,
            after,
            before=before,
            since=since,
            progress=lambda done, all_: shown.update(task, completed=done, total=all_),
        )


def tried(
    installation: Installation, declared: Compiled, news: Sequence[Amendment], *, is_quiet: bool
) -> Simulation:
    """What amendments would have changed lately, if they had been in force then."""
    with installation.ledger.read() as connection:
        now = in_force(connection, declared)
        after, _ = with_new(connection, declared, news)
    since = datetime.now(UTC) - LOOKED_BACK
    return on_history(installation, after, before=now, since=since, is_quiet=is_quiet)


def brief(found: Simulation) -> Iterator[tuple[str, str]]:
    """The same in a few labelled lines."""
    days = LOOKED_BACK.days
    about = f"{counted(found.records, 'record')} of the last {days} days"
    if not found.moved:
        yield "on history", f"none of {about} would have gone elsewhere"
    for at, one in enumerate(found.moved):
        label = "on history" if not at else ""
        yield label, f"{one.records:,} of {about}: {one.before} → {one.after}"
        about = "them"


def show(found: Simulation, compiled: Compiled, *, examples: int) -> None:
    """Write it for people."""
    console = answers()
    about = (
        f": {counted(found.records, 'record')} of {counted(found.arrivals, 'arrival')} judged "
        "again; nothing is delivered"
    )
    console.print(Text.assemble((found.outcome, "bold"), about), soft_wrap=True)
    if not found.moved:
        console.print("None of them would have gone elsewhere.")
    else:
        table = plain_table("from", "to", ">records")
        for one in found.moved:
            table.add_row(str(one.before), str(one.after), f"{one.records:,}")
        console.print(table)
    for line in (*_case_lines(found, compiled), *_drain_lines(found)):
        console.print(line, soft_wrap=True)
    for warning in _left_out(found):
        console.print(warning, style="yellow", soft_wrap=True)
    for one in found.moved:
        for example in one.examples[:examples]:
            _show_example(one, example, compiled)


def _show_example(one: Moved, example: Mapping[str, Any], compiled: Compiled) -> None:
    where = lines_of(example["_file"], example["_line"], example.get("_line_end"))
    way = f"  {one.before} → {one.after}"
    answers().print(Text.assemble((where, "bold"), way), soft_wrap=True)
    answers().print(f"    {shown_values(_values(example, compiled))}", soft_wrap=True)


def _values(example: Mapping[str, Any], compiled: Compiled) -> dict[str, Any]:
    return source_values(example, compiled.contract.pii, columns=compiled.contract.columns)


def _case_lines(found: Simulation, compiled: Compiled) -> Iterator[Text]:
    for one in found.cases:
        saved = _minutes_less(one, compiled)
        said = "; no case would have been opened" if not one.after else ""
        if not one.before:
            said = "; a case that was not there"
        if saved:
            said += f"; {effort(abs(saved))} of a person's work {'less' if saved > 0 else 'more'}"
        counts = f"  {one.before:,} → {counted(one.after, 'record')}{said}"
        yield Text.assemble((one.failure_mode, "bold"), counts)


def _drain_lines(found: Simulation) -> Iterator[Text]:
    for mode, plan in found.next_drain.items():
        routes = ", ".join(f"{name} ({count:,})" for name, count in (plan.routes or {}).items())
        others = ", ".join(f"{name} ({count:,})" for name, count in (plan.others or {}).items())
        said = f" next drain: {plan.told()}"
        said += f"; they pass to {routes}" if routes else ""
        said += f"; they then break {others}" if others else ""
        yield Text.assemble((mode, "bold"), said)
    for mode, why in found.waiting.items():
        yield Text.assemble((mode, "bold"), f" next drain: it waits, {why}")


def _left_out(found: Simulation) -> Iterator[str]:
    if found.on_their_way:
        yield f"{counted(found.on_their_way, 'batch')} on the way: there is nothing to compare with"
    for batch, why in list(found.left_out.items())[:MOST_LEFT_OUT]:
        yield f"batch {short(batch)} is left out: {why}"
    if len(found.left_out) > MOST_LEFT_OUT:
        yield f"… and {counted(len(found.left_out) - MOST_LEFT_OUT, 'batch')} more"


def document(found: Simulation, compiled: Compiled) -> dict[str, Any]:
    """The same for programs; personal data masked."""
    return {
        "outcome": found.outcome,
        "batches": found.batches,
        "arrivals": found.arrivals,
        "records": found.records,
        "changed": found.changed,
        "moved": [
            {
                "from": asdict(one.before),
                "to": asdict(one.after),
                "records": one.records,
                "examples": [
                    {
                        "file": example["_file"],
                        "line": example["_line"],
                        "record": example["_record"],
                        "values": _values(example, compiled),
                    }
                    for example in one.examples
                ],
            }
            for one in found.moved
        ],
        "cases": [
            {
                **asdict(one),
                "minutes_less": _minutes_less(one, compiled),
            }
            for one in found.cases
        ],
        "next_drain": {
            mode: {
                "records": plan.rows,
                "leave": plan.leave,
                "routes": plan.routes or {},
                "other_cases": plan.others or {},
                "stay": plan.staying or {},
            }
            for mode, plan in found.next_drain.items()
        },
        "waiting": dict(found.waiting),
        "left_out": dict(found.left_out),
        "on_their_way": found.on_their_way,
    }


def _minutes_less(one: CaseChange, compiled: Compiled) -> float | None:
    minutes = compiled.minutes_of(one.failure_mode)
    return None if minutes is None else (one.before - one.after) * minutes
