"""How commands write times, ages, counts, ids and paths."""

import os
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opsintel_dagster.ledger.cases import SHORT_ID

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
LONGEST_VALUE = 200
MASK = "***"
"""As verification writes it; what only asks the ledger does not pay for importing that."""


def age(seconds: float) -> str:
    """`3 min`, `2.5 h`, `4 d`: as exact as anybody needs to know it."""
    for size, unit in _UNITS:
        if seconds >= size:
            amount = seconds / size
            return (
                f"{amount:.1f} {unit}" if amount < 10 and unit != "min" else f"{amount:.0f} {unit}"
            )
    return f"{seconds:.0f} s"


def effort(minutes: float) -> str:
    """Working time: in hours, since a day means something else to each reader."""
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:,.1f} h" if minutes < 600 else f"{minutes / 60:,.0f} h"


def moment(at: datetime | None) -> str:
    """A time in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at is not None else "—"


def counted(number: int, thing: str) -> str:
    """`1 record`, `1,203 records`; batch and pass take their own plural."""
    ending = "es" if thing.endswith(("s", "ch")) else "s"
    return f"{number:,} {thing}{'' if number == 1 else ending}"


def short(identity: str) -> str:
    """Enough of an id to find it by; `--json` has the whole of it."""
    return identity[:SHORT_ID]


def place(path: str | os.PathLike[str]) -> str:
    """A path as seen from here, where it lies below here."""
    text = os.fspath(path)
    try:
        return str(Path(text).relative_to(Path.cwd()))
    except ValueError:
        return text


def lines_of(file: str, line: int | None, line_end: int | None) -> str:
    """`day.csv line 12`, or `day.csv lines 12-14` of a record that spans several."""
    if line is None:
        return file
    if line_end is None or line_end <= line:
        return f"{file} line {line}"
    return f"{file} lines {line}-{line_end}"


def source_values(
    row: Mapping[str, Any],
    pii: Collection[str],
    *,
    columns: Collection[str] = (),
    is_shown: bool = False,
) -> dict[str, Any]:
    """What the source wrote into a row, without our columns; personal data masked.

    Rows of many files have the columns of all of them. With `columns`, those of the contract, an
    empty column that is none of them is left out: most likely it is another file's.

    The raw text of a line that could not be read may hold anything, so it is masked as soon as
    the contract knows of any personal data.
    """
    hidden = frozenset() if is_shown else frozenset(pii)
    values: dict[str, Any] = {
        name: MASK if name in hidden and value is not None else value
        for name, value in row.items()
        if not name.startswith("_") and (value is not None or not columns or name in columns)
    }
    text = row.get("_text")
    if text is not None:
        values = {name: value for name, value in values.items() if value is not None}
        values["_text"] = MASK if hidden else text
    return values


def shown_values(values: Mapping[str, Any], most: int = 30) -> str:
    """`carrier=UA flight=1545`, the first `most` columns, long values cut."""
    pairs = [f"{name}={_cut(value)}" for name, value in values.items()]
    more = f" … and {len(pairs) - most} more" if len(pairs) > most else ""
    return " ".join(pairs[:most]) + more


def _cut(value: object) -> str:
    text = "" if value is None else str(value)
    if len(text) <= LONGEST_VALUE:
        return text
    return f"{text[:LONGEST_VALUE]}… ({len(text):,} characters)"
