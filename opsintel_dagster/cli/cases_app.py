"""The commands of `opsintel cases`: looking at questions, and answering them."""

from pathlib import Path
from typing import Annotated

import typer

from opsintel_dagster.cli.arguments import EPILOG, Actor, Case, Json, Module, Reason, exit_with

cases = typer.Typer(
    help="Show what somebody or something still has to answer, and answer it.", epilog=EPILOG
)


@cases.command("list")
def cases_list(
    outcomes: Annotated[
        list[str] | None, typer.Argument(metavar="OUTCOME", help="Of these outcomes only.")
    ] = None,
    with_closed: Annotated[bool, typer.Option("--all", help="Closed cases, too.")] = False,
    as_json: Json = False,
) -> None:
    """Show open cases, those with most records first."""
    from opsintel_dagster.cli.cases import list_cases

    list_cases(outcomes or [], with_closed=with_closed, as_json=as_json)


@cases.command("show")
def cases_show(
    case: Case,
    rows: Annotated[int, typer.Option(min=0, help="How many of its records to show.")] = 5,
    as_json: Json = False,
) -> None:
    """Show one case: values, rules, owner, human step, some records, and what closes it."""
    from opsintel_dagster.cli.cases import show_case

    show_case(case, rows=rows, as_json=as_json)


@cases.command("resolve")
def cases_resolve(
    case: Case,
    discards: Annotated[
        bool, typer.Option("--discard", help="Leave its records out, for good.")
    ] = False,
    accepts: Annotated[
        bool, typer.Option("--accept", help="Deliver them in spite of what they break.")
    ] = False,
    replays: Annotated[bool, typer.Option("--replay", help="Try them again as they are.")] = False,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="COL=OLD=NEW", help="Repair a value; may come again."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Repair them as an edited export says."),
    ] = None,
    expression: Annotated[
        str | None,
        typer.Option(
            metavar="COL=SQL", help="Repair by an expression over the source's own columns."
        ),
    ] = None,
    renames: Annotated[
        list[str] | None,
        typer.Option(
            "--rename",
            metavar="NEW=COL",
            help="The source calls a column NEW; always kept. May come again.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="ROUTE", help="Send those there that no route takes; or `nowhere`."),
    ] = None,
    when: Annotated[
        str | None,
        typer.Option(metavar="SQL", help="With --expression, or --to and --keep: which records."),
    ] = None,
    keeps: Annotated[
        bool,
        typer.Option("--keep", help="From then on, as an amendment; see `opsintel amendments`."),
    ] = False,
    reason: Reason = "",
    actor: Actor = None,
    revision: Annotated[
        int | None,
        typer.Option(min=1, help="Only the records the case had at this revision (see --json)."),
    ] = None,
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    is_dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and decide nothing.")
    ] = False,
    module: Module = None,
    as_json: Json = False,
) -> None:
    """Decide what becomes of the records of a case, and perhaps of all that come like them.

    Shows first what that would do; the next drain does it. Of two people who decide at the same
    moment the second learns who was faster. To discard and to accept there has to be a reason.
    """
    from opsintel_dagster.cli.answers import Answer
    from opsintel_dagster.cli.resolving import resolve

    answer = Answer.read(
        discards=discards,
        accepts=accepts,
        replays=replays,
        sets=sets or [],
        expression=expression,
        file=file,
        renames=renames or [],
        to=to,
        when=when,
        keeps=keeps,
    )
    is_decided = resolve(
        case,
        answer,
        reason=reason,
        actor=actor,
        revision=revision,
        is_sure=is_sure,
        is_dry_run=is_dry_run,
        module=module,
        as_json=as_json,
    )
    exit_with(is_fine=is_decided)


@cases.command("assign")
def cases_assign(
    case: Case,
    owner: Annotated[
        str, typer.Argument(metavar="OWNER", help="`team:<name>` or an e-mail address.")
    ],
    reason: Reason = "",
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Ask somebody else, until the case closes."""
    from opsintel_dagster.cli.resolving import assign

    assign(case, owner, reason=reason, actor=actor, as_json=as_json)


@cases.command("snooze")
def cases_snooze(
    case: Case,
    duration: Annotated[
        str, typer.Argument(metavar="DURATION", help="From now: `2h`, `1d`, `30m`.")
    ],
    reason: Reason = "",
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Let the clock of a case run out later."""
    from opsintel_dagster.cli.resolving import snooze

    snooze(case, duration, reason=reason, actor=actor, as_json=as_json)


@cases.command("export")
def cases_export(
    case: Case,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file that is not there yet.")],
    shows_personal_data: Annotated[
        bool,
        typer.Option("--show-personal-data", help="Do not mask what the contract marks as pii."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write all records of a case to a CSV file, to be edited and given to `resolve --file`."""
    from opsintel_dagster.cli.exporting import export

    export(case, file, shows_personal_data=shows_personal_data, as_json=as_json)
