"""`opsintel drain`: what the assets do, without Dagster running it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import typer
from rich.text import Text

from opsintel_dagster.cli.console import answers, complain, messages, plain_table, write_json
from opsintel_dagster.cli.dagster_side import dagster_side
from opsintel_dagster.cli.draining import failures_of, stage_lines
from opsintel_dagster.cli.release import user
from opsintel_dagster.cli.wording import short
from opsintel_dagster.errors import OpsintelError
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.declarations import chosen, load_outcomes, module_name
from opsintel_dagster.orchestration.drain import Drain, DrainReport
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.manual_runs import count_drain
from opsintel_dagster.orchestration.work import FeedOpener
from opsintel_dagster.settings import Settings


@dataclass(frozen=True)
class Drained:
    """What came of one outcome: a report, or the reason why there is none."""

    outcome: str
    report: DrainReport | None = None
    error: str | None = None

    @property
    def is_fine(self) -> bool:
        """Whether nothing failed and the law holds; a drain that found the lease held is fine."""
        if self.report is None:
            return False
        law = self.report.promise.conservation
        return not failures_of(self.report) and (law is None or law.holds)


def drain(names: Sequence[str], *, drains_all: bool, module: str | None, as_json: bool) -> bool:
    """Drain outcomes, references first; true if nothing failed and the law holds.

    Raises:
        UnknownName: the module declares no such outcome.
        DeclarationError: a declaration is wrong.
        SettingsError: there is no module to load, or the environment is garbled.
    """
    if drains_all == bool(names):
        raise typer.BadParameter("name the outcomes to drain, or write --all")
    settings = Settings.from_env()
    module = module_name(settings.root, module)
    declared = load_outcomes(settings.root, module)
    outcomes = declared if drains_all else chosen(declared, names, module)
    done = []
    with Installation.open(settings) as installation:
        is_run_finished, open_feed = dagster_side(settings)
        for compiled in outcomes:
            messages().print(f"draining {compiled.name} …", style="dim")
            one = _drain(compiled, installation, is_run_finished, open_feed)
            done.append(one)
            if one.error is not None:
                complain(f"{one.outcome}: {one.error}")
    if as_json:
        write_json({"outcomes": [_document(one) for one in done]})
    else:
        _show(done)
    return all(one.is_fine for one in done)


def _drain(
    compiled: Compiled,
    installation: Installation,
    is_run_finished: Callable[[str], bool],
    open_feed: FeedOpener | None,
) -> Drained:
    actor = f"opsintel drain ({user()})"
    drain = Drain(
        compiled,
        installation,
        actor=actor,
        is_run_finished=is_run_finished,
        open_feed=open_feed,
    )
    try:
        drain.bind()
        count_drain(installation.ledger, compiled.name, actor)
        report = drain.run()
    except OpsintelError as error:  # the others are drained all the same
        return Drained(compiled.name, error=str(error))
    return Drained(compiled.name, report)


def _show(done: Sequence[Drained]) -> None:
    console = answers()
    table = plain_table("outcome", "stage", "what happened")
    for one in done:
        report = one.report
        if report is None:
            table.add_row(Text(one.outcome, style="bold"), "", Text("failed", style="red"))
            continue
        name = one.outcome
        for stage, text, style in stage_lines(report):
            table.add_row(Text(name, style="bold"), stage, Text(text, style=style))
            name = ""
    console.print(table)
    for one in done:
        if one.report is not None:
            for subject, reason in failures_of(one.report).items():
                # A batch is called by its id, which is long; a file by its name.
                complain(
                    f"{one.outcome}: {short(subject) if _is_id(subject) else subject}: {reason}"
                )


def _is_id(subject: str) -> bool:
    return len(subject) == 32 and all(digit in "0123456789abcdef" for digit in subject)


def _document(one: Drained) -> dict[str, Any]:
    document: dict[str, Any] = {"outcome": one.outcome, "ok": one.is_fine, "error": one.error}
    if one.report is not None:
        stages = ("arrivals", "verified", "routed", "delivered", "promise")
        for stage in stages:
            fields = asdict(getattr(one.report, stage))
            fields.pop("sample", None)  # rows, perhaps personal, that `cases show` shows masked
            document[stage] = fields
        law = one.report.promise.conservation
        document["conservation_holds"] = law.holds if law is not None else None
        document["skipped"] = one.report.skipped
    return document
