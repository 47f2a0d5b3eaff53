"""The commands of `opsintel amendments`: looking at decisions that were kept, and ending them."""

from pathlib import Path
from typing import Annotated

import typer

from opsintel_dagster.cli.arguments import EPILOG, Actor, Json, Module, exit_with

amendments = typer.Typer(
    help="Show decisions that were kept and are applied since, retire them, export them as code.",
    epilog=EPILOG,
)

Outcome = Annotated[str, typer.Argument(metavar="OUTCOME", help="Its name.")]
Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As `list` shows it.")]


@amendments.command("list")
def amendments_list(
    outcomes: Annotated[
        list[str] | None, typer.Argument(metavar="OUTCOME", help="Of these outcomes only.")
    ] = None,
    with_retired: Annotated[bool, typer.Option("--all", help="Retired ones, too.")] = False,
    as_json: Json = False,
) -> None:
    """Show what was kept: who, why, since when, and how many records it has changed."""
    from opsintel_dagster.cli.amendments import list_amendments

    list_amendments(outcomes or [], with_retired=with_retired, as_json=as_json)


@amendments.command("show")
def amendments_show(outcome: Outcome, number: Number, as_json: Json = False) -> None:
    """Show one amendment, whether it applies or not."""
    from opsintel_dagster.cli.amendments import show_amendment

    show_amendment(outcome, number, as_json=as_json)


@amendments.command("add")
def amendments_add(
    outcome: Outcome,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="YAML, as `export` and `learn` write."
        ),
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")],
    actor: Actor = None,
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    is_dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and keep nothing.")
    ] = False,
    module: Module = None,
    as_json: Json = False,
) -> None:
    """Keep amendments from a file, all of them or none.

    Shows first what they would have changed on the history of the last 30 days.
    """
    from opsintel_dagster.cli.adding import add_amendments

    is_kept = add_amendments(
        outcome,
        file,
        reason=reason,
        actor=actor,
        is_sure=is_sure,
        is_dry_run=is_dry_run,
        module=module,
        as_json=as_json,
    )
    exit_with(is_fine=is_kept or is_dry_run)


@amendments.command("retire")
def amendments_retire(
    outcome: Outcome,
    number: Number,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")],
    actor: Actor = None,
    as_json: Json = False,
) -> None:
    """Apply it no longer; the next drain judges what is open by the rest.

    What it let pass stays where it is. Exits with 1 if it was retired before.
    """
    from opsintel_dagster.cli.amendments import retire_amendment

    exit_with(
        is_fine=retire_amendment(outcome, number, reason=reason, actor=actor, as_json=as_json)
    )


@amendments.command("export")
def amendments_export(outcome: Outcome, as_json: Json = False) -> None:
    """Write them as YAML for `defs.yaml`, for a team that wants them in its repository."""
    from opsintel_dagster.cli.amendments import export_amendments

    export_amendments(outcome, as_json=as_json)
