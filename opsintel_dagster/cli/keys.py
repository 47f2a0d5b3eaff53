"""Which record a person means: a key in key-column order, or `column=value` pairs."""

import csv
from collections.abc import Mapping, Sequence
from typing import Any, Final

import typer

from opsintel_dagster.cli.wording import counted
from opsintel_dagster.errors import UnknownName
from opsintel_dagster.outcome.findings import did_you_mean

RECORD: Final = "_record"
"""What receivers call a record: `<arrival>:<row>`; traceable like a key."""


def read_key(outcome: str, facts: Mapping[str, Any], words: Sequence[str]) -> dict[str, str]:
    """The columns to look for and their values, as texts.

    Args:
        outcome: The outcome's name.
        facts: What the ledger keeps of its declaration: `key` and `columns`.
        words: The arguments: `2013-01-05,UA,1545,EWR`, the same as several words, or
            `carrier=UA flight=1545`.

    Raises:
        typer.BadParameter: there are more or fewer values than key columns.
        UnknownName: the contract has no such column.
    """
    key, columns = list(facts["key"]), [*facts["columns"], RECORD]
    if words and all("=" in word for word in words):
        pairs = dict(word.split("=", 1) for word in words)
        for column in pairs:
            if column not in columns:
                fix = did_you_mean(column, columns, plural="columns")
                raise UnknownName(f"column of {outcome}", column, fix)
        return {column: value.strip() for column, value in pairs.items()}
    values = [value.strip() for word in words for value in _cells(word)]
    if len(values) == len(key):
        return dict(zip(key, values, strict=True))
    example = f"{columns[0]}=..."
    if not key:
        message = f"{outcome} declares no key; write column=value pairs, such as {example}"
    else:
        message = (
            f"{outcome} is keyed by {', '.join(key)}: {counted(len(key), 'value')}, not "
            f"{len(values)}; write all of them, or column=value pairs for a part, such as {example}"
        )
    raise typer.BadParameter(message)


def _cells(word: str) -> list[str]:
    """The values of one argument, which is written like a line of CSV."""
    try:
        return next(csv.reader([word]), [""])
    except csv.Error:  # a line end outside of quotes: it is one value
        return [word]
