"""What somebody answers to a case, as the options of `opsintel cases resolve` say it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import typer

from opsintel_dagster.ledger.decisions import DecisionKind
from opsintel_dagster.orchestration.keeping import NOT_KEPT


@dataclass(frozen=True)
class Answer:
    """What is to be done: exactly one kind of decision, once or from now on (`keeps`)."""

    kind: DecisionKind
    arguments: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    keeps: bool = False

    @classmethod
    def read(
        cls,
        *,
        discards: bool,
        accepts: bool,
        replays: bool,
        sets: Sequence[str],
        expression: str | None,
        file: Path | None,
        renames: Sequence[str],
        to: str | None,
        when: str | None,
        keeps: bool,
    ) -> Self:
        """One of the options, or the command is misused.

        Raises:
            typer.BadParameter: there is none, or more than one, or they do not go together.
        """
        asked: dict[str, tuple[DecisionKind, bool]] = {
            "--discard": (DecisionKind.DISCARD, discards),
            "--accept": (DecisionKind.ACCEPT, accepts),
            "--replay": (DecisionKind.REPLAY, replays),
            "--set": (DecisionKind.REPAIR, bool(sets)),
            "--expression": (DecisionKind.REPAIR, expression is not None),
            "--file": (DecisionKind.REPAIR, file is not None),
            "--rename": (DecisionKind.RENAME, bool(renames)),
            "--to": (DecisionKind.ROUTE, to is not None),
        }
        wanted = [option for option, (_, is_asked) in asked.items() if is_asked]
        if len(wanted) != 1:
            *first, last = asked
            raise typer.BadParameter(f"write exactly one of {', '.join(first)} and {last}")
        option, kind = wanted[0], asked[wanted[0]][0]
        if when is not None and option not in ("--expression", "--to"):
            raise typer.BadParameter("--when goes with --expression and with --to")
        if option == "--to" and (when is not None) != keeps:
            raise typer.BadParameter(
                "--when says which records go there from then on; write --keep, too"
                if when is not None
                else "to keep a route, say which records go there: --when SQL"
            )
        if keeps and option == "--file":
            message = "an edited export is about its own records; keep --set or --expression"
            raise typer.BadParameter(message)
        if keeps and kind in NOT_KEPT:
            raise typer.BadParameter(NOT_KEPT[kind])
        arguments: dict[str, Any] = {}
        if option == "--set":
            arguments = {"values": _value_map(sets)}
        elif expression is not None:
            arguments = _expression(expression)
        elif option == "--rename":
            arguments = {"columns": _renames(renames)}
        elif to is not None:
            arguments = {"to": to}
        if when is not None:
            arguments["when"] = when
        return cls(kind, arguments, file, keeps or kind is DecisionKind.RENAME)


def _value_map(sets: Iterable[str]) -> dict[str, dict[str, str]]:
    values: dict[str, dict[str, str]] = {}
    for text in sets:
        parts = text.split("=")
        if len(parts) != 3 or not parts[0]:
            message = (
                f"`{text}` is not COLUMN=OLD=NEW, such as `dest='PHL '=PHL`; values with = in them "
                "are repaired by an edited export (--file)"
            )
            raise typer.BadParameter(message)
        column, old, new = parts
        if old == new:
            raise typer.BadParameter(f"`{text}` changes nothing")
        values.setdefault(column, {})[old] = new
    return values


def _expression(text: str) -> dict[str, Any]:
    column, equals, expression = (part.strip() for part in text.partition("="))
    if not column or not equals or not expression:
        message = f"`{text}` is not COLUMN=SQL, such as `dest=TRIM(dest)`"
        raise typer.BadParameter(message)
    return {"column": column, "expression": expression}


def _renames(texts: Iterable[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for text in texts:
        new, equals, column = (part.strip() for part in text.partition("="))
        if not new or not equals or not column:
            message = f"`{text}` is not NEW=COLUMN, such as `destination=dest`"
            raise typer.BadParameter(message)
        columns[new] = column
    return columns
