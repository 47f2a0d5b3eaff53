"""Routes: the decision table of an outcome as declared; `routing` runs it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from opsintel_dagster.outcome.declared import Declared
from opsintel_dagster.outcome.names import NOWHERE, Name


class Route(Declared):
    """One row of the decision table; the first whose condition holds takes the record.

    Attributes:
        to: The receiver in `handoff`, or `nowhere`: no action, on purpose.
        when: A SQL condition over the contract's columns; None: always, allowed only last.
        name: What the row is called in `_route_rule` and traces; None: its place in the table.
    """

    to: Name
    when: str | None = Field(default=None, min_length=1)
    name: str | None = Field(default=None, min_length=1)


def effective_routes(routes: Sequence[Route], handoff: Mapping[str, Any]) -> tuple[Route, ...]:
    """Give the routes that are meant: none and a single receiver means that it gets everything."""
    if not routes and len(handoff) == 1:
        return (Route(to=next(iter(handoff))),)
    return tuple(routes)


def receivers_of(routes: Sequence[Route]) -> tuple[str, ...]:
    """Name the receivers the routes lead to, in the order of the table, `nowhere` left out."""
    return tuple(dict.fromkeys(route.to for route in routes if route.to != NOWHERE))
