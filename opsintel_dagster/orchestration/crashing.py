"""Rows over which verification breaks down: found by halving, set aside, the rest is judged.

A check that raises on one value would else keep every row of its batch from being judged, for ever.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import polars as pl

from opsintel_dagster.errors import OpsintelError
from opsintel_dagster.outcome.masking import mask

MOST_TRIES: Final = 64
"""Verdicts that may be spent on finding the rows of one batch."""


Verdict = TypeVar("Verdict")


@dataclass
class Isolated:
    """The rows that can be judged, and those that cannot: why, by `_arrival` and `_row`."""

    sound: pl.DataFrame
    crashing: pl.DataFrame


def isolate(
    rows: pl.DataFrame, judge: Callable[[pl.DataFrame], object], error: Exception
) -> Isolated:
    """Find the rows that make `judge` raise what it raised about all of them.

    Raises:
        Exception: `error` again: too many rows do it, or all of them. Then it is not about rows.
    """
    found: list[tuple[int, str]] = []
    tries = 0
    waiting = [(0, rows.height, error)]
    while waiting:
        start, length, raised = waiting.pop(0)
        if length == 1:
            found.append((start, f"{type(raised).__name__}: {mask(str(raised))}"[:500]))
            continue
        half = (length + 1) // 2
        for at, count in ((start, half), (start + half, length - half)):
            tries += 1
            if tries > MOST_TRIES:
                raise error
            if (again := _raised(judge, rows.slice(at, count))) is not None:
                waiting.append((at, count, again))
    if len(found) == rows.height:
        raise error
    crashing = rows[[at for at, _ in found]].with_columns(
        pl.Series("_problem", [why for _, why in found], dtype=pl.String)
    )
    sound = rows.join(
        crashing, on=["_arrival", "_row"], how="anti", maintain_order="left", nulls_equal=True
    )
    return Isolated(sound, crashing)


def verdict_of(
    rows: pl.DataFrame, judge: Callable[[pl.DataFrame], Verdict]
) -> tuple[Verdict, pl.DataFrame]:
    """The verdict over the rows that can be judged, and those over which it breaks down, if any.

    Raises:
        OpsintelError: it is about no single rows, and says itself what is wrong.
        Exception: what `judge` raised, where the rows cannot be told from the others.
    """
    try:
        return judge(rows), rows.clear()
    except OpsintelError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever breaks down
        isolated = isolate(rows, judge, error)
    return judge(isolated.sound), isolated.crashing


def _raised(judge: Callable[[pl.DataFrame], object], rows: pl.DataFrame) -> Exception | None:
    try:
        judge(rows)
    except OpsintelError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever a team's check raises
        return error
    return None
