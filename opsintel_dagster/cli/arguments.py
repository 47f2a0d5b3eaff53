"""What the commands share: options that mean the same everywhere, and what they exit with."""

from typing import Annotated, Final

import typer

EXIT_WRONG: Final = 1
EPILOG: Final = (
    "Exit codes: 0 fine, 1 something is wrong (a broken promise, a failure, an error), 2 misused."
)

Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, and nothing else there.")
]
Module = Annotated[
    str | None,
    typer.Option(
        "--module",
        "-m",
        envvar="OPSINTEL_MODULE",
        help="The module with the definitions; else that of [tool.dagster], else `definitions`.",
    ),
]
Actor = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who decides; else you.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")]
Case = Annotated[
    str,
    typer.Argument(
        metavar="CASE", help="`outcome.failure_mode`, with `:cause` if it has one, or an id."
    ),
]


def exit_with(*, is_fine: bool) -> None:
    """Exit with 1 if something is wrong."""
    if not is_fine:
        raise typer.Exit(EXIT_WRONG)
