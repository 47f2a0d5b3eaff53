"""`opsintel simulate`: what another declaration would have made of history."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.progress import Progress
from rich.text import Text

from opsintel_dagster.cli.console import answers, messages, plain_table, write_json
from opsintel_dagster.cli.moments import moment_of
from opsintel_dagster.cli.opened import opened_ledger
from opsintel_dagster.cli.wording import (
    counted,
    effort,
    lines_of,
    short,
    shown_values,
    source_values,
)
from opsintel_dagster.errors import SettingsError
from opsintel_dagster.orchestration.compiled import Compiled, compile_outcomes
from opsintel_dagster.orchestration.declarations import chosen, load_outcomes, module_name
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.keeping import in_force, with_new
from opsintel_dagster.orchestration.simulation import Moved, Simulation, simulate
from opsintel_dagster.outcome import Amendment
from opsintel_dagster.outcome.amendment_files import read_amendments
from opsintel_dagster.settings import Settings

MOST_LEFT_OUT: Final = 5


def run(
    outcome: str,
    *,
    contract: str | None,
    routes: Path | None,
    amendment: Path | None,
    since: str | None,
    examples: int,
    module: str | None,
    as_json: bool,
) -> None:
    """Judge history by the changed declaration, and show what that would change.

    Raises:
        UnknownName: the module declares no such outcome.
        DeclarationError: the changed declaration is wrong.
        SettingsError: there is no such module, or no such contract.
        LedgerError: there is no ledger yet.
    """
    settings = Settings.from_env()
    module = module_name(settings.root, module)
    outcomes = load_outcomes(settings.root, module)
    (declared,) = chosen(outcomes, [outcome], module)
    others = {name for one in outcomes for name in (one.name, *_references(one))}
    moment = moment_of(since)
    changed = _changed(declared, others, contract=contract, routes=routes, root=settings.root)
    news = () if amendment is None else _amendments(amendment)
    with opened_ledger(settings) as ledger:
        ledger.migrate()
    with (
        Installation.open(settings) as installation,
        Progress(console=messages(), transient=True, disable=as_json) as shown,
    ):
        with installation.ledger.read() as connection:
            now = in_force(connection, declared)
            after, _ = with_new(connection, changed or declared, news)
        task = shown.add_task(f"Judging {outcome} again", total=None)
        found = simulate(
            installation,
            after,
            before=now if changed is not None or news else None,
            since=moment,
            progress=lambda done, all_: shown.update(task, completed=done, total=all_),
        )
    if as_json:
        write_json(document(found, declared))
    else:
        show(found, declared, examples=examples)


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
    minutes = _minutes(compiled)
    for one in found.cases:
        saved = (one.before - one.after) * minutes.get(one.failure_mode, 0)
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
    minutes = _minutes(compiled)
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
                "minutes_less": (one.before - one.after) * minutes[one.failure_mode]
                if one.failure_mode in minutes
                else None,
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


def _minutes(compiled: Compiled) -> dict[str, float]:
    modes = compiled.outcome.failure_modes
    return {mode.name: mode.human_step.minutes for mode in modes if mode.human_step is not None}


def _references(compiled: Compiled) -> list[str]:
    return [use.outcome for use in compiled.contract.references]


def _changed(
    declared: Compiled, known: set[str], *, contract: str | None, routes: Path | None, root: Path
) -> Compiled | None:
    """The declaration in question; None: the one that is declared."""
    if contract is None and routes is None:
        return None
    changes: dict[str, Any] = {"routes": declared.routes if routes is None else str(routes)}
    if contract is not None:
        changes["contract"] = _imported(contract, root)
    outcome = declared.outcome.model_copy(update=changes)
    [changed] = compile_outcomes(
        [outcome], location=declared.location, produced_elsewhere=known - {outcome.name}
    )
    return changed


def _amendments(file: Path) -> tuple[Amendment, ...]:
    """What stands in the file.

    Raises:
        DeclarationError: it holds no amendments.
    """
    return read_amendments(file.read_text("utf-8"), source=file.name)


def _imported(path: str, root: Path) -> Any:
    """A contract by `module:Name` or `module.Name`, seen from the project's folder."""
    module, _, name = path.replace(":", ".").rpartition(".")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever importing somebody's module raises
        what = f"it cannot be imported ({type(error).__name__}: {error})"
        fix = "Write the dotted path of a pandera model or schema, such as `ops.contract.Parcel`."
        raise SettingsError(f"contract {path}", what, fix) from error
