"""Findings: what is wrong in a declaration, where it stands, and what to write instead."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_core import PydanticCustomError

FieldPath: TypeAlias = tuple[str | int, ...]
"""Where a value stands in a declaration: `("routes", 1, "when")`."""

Positions: TypeAlias = Mapping[FieldPath, str]
"""`file:line:col` of the paths of a declaration that was read from a text."""

REFUSED = "refused"
"""The error type with which validators of this package hand `what` and `fix` through pydantic."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong in a declaration.

    Attributes:
        where: The outcome and the path of the field, `flight_disruptions.routes[1].when`.
        what: What is wrong there, without a full stop.
        fix: What to write instead, without a full stop.
        position: `file:line:col` where the declaration came from a text.
    """

    where: str
    what: str
    fix: str
    position: str | None = None

    def __str__(self) -> str:
        prefix = f"{self.position}: " if self.position else ""
        return f"{prefix}{self.where}: {self.what}; {self.fix}"


@dataclass(frozen=True)
class Problem:
    """A finding before anybody knows which declaration it belongs to."""

    path: FieldPath
    what: str
    fix: str


def refusal(what: str, fix: str) -> PydanticCustomError:
    """Build the error a validator raises for one problem of the value it looks at."""
    return refusals([Problem((), what, fix)])


def refusals(problems: Iterable[Problem]) -> PydanticCustomError:
    """Build the error a validator raises for several problems at once.

    Pydantic takes one error from a validator; the problems travel in its context, with paths
    relative to the value, so that a field with two duplicates gives two findings.
    """
    found = tuple(problems)
    context: dict[str, Any] = {"problems": found}
    text = " / ".join(f"{problem.what}; {problem.fix}" for problem in found)
    # Braces would be read as placeholders of pydantic's message template.
    return PydanticCustomError(REFUSED, text.replace("{", "(").replace("}", ")"), context)


def field_path(root: str, path: FieldPath) -> str:
    """Write a path below `root` the way the findings show it: `root.routes[1].when`."""
    text = root
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text


def position_of(path: FieldPath, positions: Positions | None) -> str | None:
    """Find the position of a path, or of the nearest thing around it that was written down."""
    if not positions:
        return None
    for length in range(len(path), -1, -1):
        position = positions.get(path[:length])
        if position is not None:
            return position
    return None


def place(
    problems: Iterable[Problem], *, root: str, positions: Positions | None = None
) -> list[Finding]:
    """Turn problems into findings of the declaration called `root`."""
    return [
        Finding(
            where=field_path(root, problem.path),
            what=problem.what,
            fix=problem.fix,
            position=position_of(problem.path, positions),
        )
        for problem in problems
    ]


def did_you_mean(wrong: str, known: Iterable[str], *, plural: str) -> str:
    """Say what to write instead of an unknown name: the closest known one, or what there is.

    Args:
        wrong: The name that is not known.
        known: The names that are.
        plural: What such names are called, for the sentence that lists them.
    """
    names = sorted(set(known))
    lowered = {name.lower(): name for name in reversed(names)}
    close = difflib.get_close_matches(wrong.lower(), lowered, n=1, cutoff=0.6)
    if close:
        return f"write `{lowered[close[0]]}`"
    if not names:
        return f"remove it, there are no {plural} here"
    shown = ", ".join(f"`{name}`" for name in names[:12])
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"the {plural} are {shown}{more}"
