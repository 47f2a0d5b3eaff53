"""`opsintel amendments add`: amendments from a file, seen on history before they are kept."""

from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.text import Text

from opsintel_dagster.cli.console import answers, write_json
from opsintel_dagster.cli.opened import opened_ledger
from opsintel_dagster.cli.release import user
from opsintel_dagster.cli.simulated import brief, document, tried
from opsintel_dagster.cli.wording import counted
from opsintel_dagster.errors import DecisionRefused
from opsintel_dagster.orchestration.declarations import load_outcome
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.keeping import add, named, refusal
from opsintel_dagster.outcome.amendment_files import read_amendments
from opsintel_dagster.settings import Settings


def add_amendments(
    outcome: str,
    file: Path,
    *,
    reason: str,
    actor: str | None,
    is_sure: bool,
    is_dry_run: bool,
    module: str | None,
    as_json: bool,
) -> bool:
    """Show what they would have changed, ask, and keep them; false if the person rather would not.

    Raises:
        DeclarationError: the file holds no amendments.
        DecisionRefused: one of them cannot be kept; none is.
        UnknownName: the module declares no such outcome.
        LedgerError: there is no ledger yet.
    """
    if as_json and not (is_sure or is_dry_run):
        raise typer.BadParameter("--json asks nothing; write --yes or --dry-run")
    news = read_amendments(file.read_text("utf-8"), source=file.name)
    settings = Settings.from_env()
    declared = load_outcome(settings.root, outcome, module)
    with opened_ledger(settings) as ledger:
        ledger.migrate()
    numbers: list[int] = []
    with Installation.open(settings) as installation:
        with installation.ledger.read() as connection:
            why = refusal(connection, declared, news)
        if why is not None:
            raise DecisionRefused(f"{outcome}, {file.name}", why)
        found = tried(installation, declared, news, is_quiet=as_json)
        if not as_json:
            about = f": {counted(len(news), 'amendment')}"
            answers().print(Text.assemble((outcome, "bold"), about), soft_wrap=True)
            for label, text in brief(found):
                answers().print(Text.assemble((f"  {label:<12}", "dim"), text), soft_wrap=True)
        if not is_dry_run and (is_sure or typer.confirm("Keep them?", err=True)):
            numbers = add(
                installation.ledger,
                declared,
                news,
                actor=actor or user(),
                reason=reason,
                now=datetime.now(UTC),
            )
    if as_json:
        write_json(
            {"outcome": outcome, "amendments": numbers, "simulation": document(found, declared)}
        )
    elif numbers:
        said = f"Kept as {named(numbers)}; the next drain judges by them: opsintel drain {outcome}"
        answers().print(said, soft_wrap=True)
    elif not is_dry_run:
        answers().print("Nothing was kept.")
    return bool(numbers)
