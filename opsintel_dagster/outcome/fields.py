"""Fields that an outcome and the defaults it extends have in common, with their rules."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Tag

from opsintel_dagster.outcome.failure_modes import FailureMode
from opsintel_dagster.outcome.findings import Problem, refusal, refusals
from opsintel_dagster.outcome.names import CONTROL_PREFIX, NOWHERE, Name
from opsintel_dagster.outcome.receivers import ReceiverSpec
from opsintel_dagster.outcome.routes import Route


def _checked_key(key: tuple[str, ...]) -> tuple[str, ...]:
    problems = [
        Problem((index,), f"column `{column}` is named twice", "remove one of them")
        for index, column in enumerate(key)
        if column in key[:index]
    ]
    problems += [
        Problem(
            (index,),
            f"`{column}` begins with `_`, as only the package's own columns do",
            "name a column of the contract",
        )
        for index, column in enumerate(key)
        if column.startswith(CONTROL_PREFIX)
    ]
    if problems:
        raise refusals(problems)
    return key


def _checked_failure_modes(modes: tuple[FailureMode, ...]) -> tuple[FailureMode, ...]:
    problems: list[Problem] = []
    names: dict[str, int] = {}
    rules: dict[str, str] = {}
    for index, mode in enumerate(modes):
        if mode.name in names:
            what = f"failure mode `{mode.name}` is declared twice"
            problems.append(Problem((index, "name"), what, "rename one of them, or join the two"))
        names.setdefault(mode.name, index)
        for place, rule in enumerate(mode.rules):
            first = rules.setdefault(rule, mode.name)
            if first != mode.name:
                what = f"rule `{rule}` already belongs to failure mode `{first}`"
                problems.append(Problem((index, "rules", place), what, "name it in one of the two"))
    if problems:
        raise refusals(problems)
    return modes


def _checked_routes(routes: tuple[Route, ...] | str) -> tuple[Route, ...] | str:
    if isinstance(routes, str):
        if routes.strip():
            return routes
        raise refusal("this is empty", "write the path of a CSV file, or a list of routes")
    names: set[str] = set()
    problems: list[Problem] = []
    for index, route in enumerate(routes):
        if route.name is not None and route.name in names:
            what = f"route name `{route.name}` is used twice"
            problems.append(Problem((index, "name"), what, "rename one of them"))
        names.add(route.name or "")
    if problems:
        raise refusals(problems)
    return routes


def _checked_handoff(handoff: dict[str, ReceiverSpec]) -> dict[str, ReceiverSpec]:
    if NOWHERE in handoff:
        raise refusals(
            [
                Problem(
                    (NOWHERE,),
                    "`nowhere` is the route that is delivered to nobody",
                    "give this receiver another name, or remove it",
                )
            ]
        )
    return handoff


def _list_or_file(value: Any) -> str:
    return "<file>" if isinstance(value, str) else "<list>"


Key: TypeAlias = Annotated[tuple[str, ...], AfterValidator(_checked_key)]
FailureModes: TypeAlias = Annotated[tuple[FailureMode, ...], AfterValidator(_checked_failure_modes)]
Routes: TypeAlias = Annotated[
    Annotated[tuple[Route, ...], Tag("<list>")] | Annotated[str, Tag("<file>")],
    Discriminator(_list_or_file),
    AfterValidator(_checked_routes),
]
"""A list of routes, or the path of a CSV file that holds the decision table."""

Handoff: TypeAlias = Annotated[dict[Name, ReceiverSpec], AfterValidator(_checked_handoff)]
Repeats: TypeAlias = Literal["deliver", "skip_equal", "hold"]


def list_of(value: Any) -> list[Any]:
    """Give a value that may be one thing or a list of things as a list."""
    if value is None:
        return []
    if isinstance(value, str | Mapping) or not isinstance(value, list | tuple):
        return [value]
    return list(value)
