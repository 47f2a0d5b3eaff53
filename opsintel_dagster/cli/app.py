"""The commands, their arguments and what they exit with; each imports its work when it runs."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from opsintel_dagster.cli.amendments_app import amendments
from opsintel_dagster.cli.arguments import EPILOG, EXIT_WRONG, Json, Module, exit_with
from opsintel_dagster.cli.cases_app import cases
from opsintel_dagster.cli.console import answers, complain
from opsintel_dagster.errors import OpsintelError


class Commands(TyperGroup):
    """Shows our own errors as the one message they are made to be, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error of ours exits with 1."""
        try:
            return super().invoke(ctx)
        except OpsintelError as error:
            complain(str(error))
            raise typer.Exit(EXIT_WRONG) from error


app = typer.Typer(
    cls=Commands,
    help="Is every promised outcome kept, and what is in its way.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        answers().print(f"opsintel {version('opsintel-dagster')}")
        raise typer.Exit


@app.callback()
def opsintel(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Is every promised outcome kept, and what is in its way."""


@app.command()
def status(
    outcomes: Annotated[
        list[str] | None, typer.Argument(metavar="OUTCOME", help="These outcomes only.")
    ] = None,
    shows_healing: Annotated[
        bool, typer.Option("--healing", help="What went wrong, and whether it healed by itself.")
    ] = False,
    shows_autonomy: Annotated[
        bool, typer.Option("--autonomy", help="What ran untouched, and what people had to do.")
    ] = False,
    days: Annotated[
        int | None,
        typer.Option(min=1, max=3650, help="How far --healing (30) and --autonomy (28) look back."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show whether every promise is kept now.

    The costliest broken one comes first, and makes it exit with 1. Read from the ledger alone:
    what nobody has claimed yet is not seen here.
    """
    if shows_healing and shows_autonomy:
        raise typer.BadParameter("write --healing or --autonomy, one at a time")
    if shows_healing:
        from opsintel_dagster.cli.healing import healing

        healing(outcomes or [], days=days or 30, as_json=as_json)
        return
    if shows_autonomy:
        from opsintel_dagster.cli.autonomy import autonomy

        autonomy(outcomes or [], days=days or 28, as_json=as_json)
        return
    from opsintel_dagster.cli.status import status as show

    exit_with(is_fine=show(outcomes or [], as_json=as_json))


@app.command()
def trace(
    outcome: Annotated[str, typer.Argument(metavar="OUTCOME", help="Its name.")],
    key: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY",
            help="Its key, values in order: `2013-01-05,UA,1545,EWR`; or any `column=value` pairs.",
        ),
    ],
    shows_personal_data: Annotated[
        bool,
        typer.Option("--show-personal-data", help="Do not mask what the contract marks as pii."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the whole way of one record.

    File and line, verdict, route, delivery, receipt, confirmation, runs. Exits with 1 if there is
    no such record, and names keys near it.
    """
    from opsintel_dagster.cli.trace import trace as show

    is_found = show(outcome, key, shows_personal_data=shows_personal_data, as_json=as_json)
    exit_with(is_fine=is_found)


app.add_typer(cases, name="cases", no_args_is_help=True)
app.add_typer(amendments, name="amendments", no_args_is_help=True)

notices = typer.Typer(
    help="Show what was told to whom, and say that you know of it.", epilog=EPILOG
)
app.add_typer(notices, name="notices", no_args_is_help=True)


@notices.command("list")
def notices_list(
    outcomes: Annotated[
        list[str] | None, typer.Argument(metavar="OUTCOME", help="Of these outcomes only.")
    ] = None,
    with_past: Annotated[bool, typer.Option("--all", help="What is over, too.")] = False,
    as_json: Json = False,
) -> None:
    """Show notices of what still stands, and those that could not be sent; the newest first."""
    from opsintel_dagster.cli.notices import list_notices

    list_notices(outcomes or [], with_past=with_past, as_json=as_json)


@notices.command("ack")
def notices_ack(
    notice: Annotated[
        str, typer.Argument(metavar="NOTICE", help="Its id, or the beginning of it.")
    ],
    actor: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who knows of it; else you.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say that somebody knows of it, so that nobody else is told.

    Exits with 1 if somebody already did, and says who.
    """
    from opsintel_dagster.cli.notices import acknowledge

    exit_with(is_fine=acknowledge(notice, actor, as_json=as_json))


@notices.command("test")
def notices_test(
    outcome: Annotated[str, typer.Argument(metavar="OUTCOME", help="Its name.")],
    module: Module = None,
    as_json: Json = False,
) -> None:
    """Send a test message to every channel of an outcome; exits with 1 if one does not take it."""
    from opsintel_dagster.cli.notices import try_channels

    exit_with(is_fine=try_channels(outcome, module=module, as_json=as_json))


@app.command()
def drain(
    outcomes: Annotated[
        list[str] | None, typer.Argument(metavar="OUTCOME", help="Which ones.")
    ] = None,
    drains_all: Annotated[bool, typer.Option("--all", help="Every outcome of the module.")] = False,
    module: Module = None,
    as_json: Json = False,
) -> None:
    """Do what the assets do, without Dagster.

    Claims, verifies, routes, delivers, and judges the promise of each outcome, references before
    the outcomes that refer to them. Exits with 1 if something failed or a record is unaccounted
    for; an outcome that somebody else is draining is skipped.
    """
    from opsintel_dagster.cli.drain import drain as run

    is_fine = run(outcomes or [], drains_all=drains_all, module=module, as_json=as_json)
    exit_with(is_fine=is_fine)


@app.command()
def heal(
    outcome: Annotated[str, typer.Argument(metavar="OUTCOME", help="Its name.")],
    is_dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")
    ] = False,
    module: Module = None,
    as_json: Json = False,
) -> None:
    """Try everything that failed once more, now.

    Shows the plan first: what was given up is given another round of attempts, what is down is
    probed, and the outcome is drained. Counts as a decision of yours. Exits with 1 if something
    failed again.
    """
    from opsintel_dagster.cli.heal import heal as run

    exit_with(is_fine=run(outcome, is_dry_run=is_dry_run, module=module, as_json=as_json))


@app.command()
def simulate(
    outcome: Annotated[str, typer.Argument(metavar="OUTCOME", help="Its name.")],
    contract: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Another contract: `ops.contract.Parcel`."),
    ] = None,
    routes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Another decision table, as CSV."
        ),
    ] = None,
    amendment: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Amendments besides, as YAML."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only what was claimed since: `2026-11-01`, `30d`."),
    ] = None,
    examples: Annotated[
        int, typer.Option(min=0, max=3, help="How many records to show of each change.")
    ] = 2,
    module: Module = None,
    as_json: Json = False,
) -> None:
    """Judge history again by a changed declaration, and show what that would change.

    Arrivals are judged as they came in, by the references of then; nothing is delivered, nothing is
    written. Without an option it is the declaration as it stands now, compared with what happened.
    Says also what the next drain would take out of quarantine.
    """
    from opsintel_dagster.cli.simulate import run

    run(
        outcome,
        contract=contract,
        routes=routes,
        amendment=amendment,
        since=since,
        examples=examples,
        module=module,
        as_json=as_json,
    )


@app.command()
def learn(
    outcome: Annotated[str, typer.Argument(metavar="OUTCOME", help="Its name.")],
    at_least: Annotated[
        int, typer.Option(min=2, help="How many decisions must have given the same answer.")
    ] = 3,
    most: Annotated[int, typer.Option(min=1, help="How many proposals to show.")] = 10,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only decisions since: `2026-11-01`, `30d`."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Write them as YAML, to be kept."),
    ] = None,
    module: Module = None,
    as_json: Json = False,
) -> None:
    """Propose amendments from answers that people have repeated, with none against.

    Each with its support, and what it would have changed on history. Nothing keeps itself.
    """
    from opsintel_dagster.cli.learn import run

    run(
        outcome,
        at_least=at_least,
        most=most,
        since=since,
        export=export,
        module=module,
        as_json=as_json,
    )


@app.command()
def doctor(module: Module = None, as_json: Json = False) -> None:
    """Look whether everything is there that a drain needs.

    Says for each thing that is not what to do about it, and exits with 1. What is marked with `!`
    is advice: a drain does without it.
    """
    from opsintel_dagster.cli.doctor import doctor as examine

    exit_with(is_fine=examine(module=module, as_json=as_json))


@app.command()
def classify(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, allow_dash=True, help="Else stdin."
        ),
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="The failures of this run of Dagster.")
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(metavar="OUTCOME", help="Its `healing.failures` come before our rules."),
    ] = None,
    module: Module = None,
    as_json: Json = False,
) -> None:
    """Say of which class a failure is, why, and what is done about it.

    Reads a traceback, or the log of a run. Exits with 1 if there is no failure in it.
    """
    from opsintel_dagster.cli.classify import classify as explain

    explain(file, run=run, outcome=outcome, module=module, as_json=as_json)


@app.command()
def release(
    outcome: Annotated[str, typer.Argument(metavar="OUTCOME", help="Its name.")],
    as_json: Json = False,
) -> None:
    """Free an outcome's name for another code location.

    What happened under the name stays in the ledger.
    """
    from opsintel_dagster.cli.release import release as free

    free(outcome, as_json=as_json)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def demo(context: typer.Context) -> None:
    """Run the three outcomes on real departures."""
    from opsintel_dagster.cli.demo import demo as run

    # A command of its own, made now: its options are written where its work is.
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command()(run)
    alone(args=context.args, prog_name="opsintel demo")
