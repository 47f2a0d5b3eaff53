"""Checks of a decision table: its conditions, and that every route has its receiver."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from opsintel_dagster.outcome.conditions import ConditionError, parse_condition
from opsintel_dagster.outcome.findings import Problem, did_you_mean
from opsintel_dagster.outcome.names import NOWHERE, UNROUTED
from opsintel_dagster.outcome.receivers import ReceiverSpec
from opsintel_dagster.outcome.routes import Route, effective_routes, receivers_of


def condition_problems(
    routes: Sequence[Route], columns: Mapping[str, pl.DataType]
) -> Iterator[Problem]:
    """Find conditions that cannot decide, and routes that no record can come to."""
    for index, route in enumerate(routes):
        if route.when is None:
            if index < len(routes) - 1:
                yield Problem(
                    ("routes", index),
                    f"the route to `{route.to}` takes every record, the routes after it get none",
                    "write `when`, or move it last",
                )
            continue
        try:
            parse_condition(route.when, columns)
        except ConditionError as error:
            what = f"the condition `{route.when}` cannot decide: {error.what}"
            yield Problem(("routes", index, "when"), what, error.fix)


def receiver_problems(
    routes: Sequence[Route], handoff: Mapping[str, ReceiverSpec], *, people_route: bool
) -> Iterator[Problem]:
    """Find routes without a receiver, receivers without a route, and records without either.

    Where `people_route` what the table does not know, they may know of receivers it does not.
    """
    if not routes and not (people_route and handoff) and len(handoff) != 1:
        what, fix = (
            ("there are several receivers and no route", "write `routes` to say who gets what")
            if handoff
            else (
                "no record leads anywhere",
                "name a receiver in `handoff`, or write `routes: [{to: nowhere}]`",
            )
        )
        yield Problem(("routes",), what, fix)
        return
    table = effective_routes(routes, handoff)
    for index, route in enumerate(table):
        if route.to != NOWHERE and route.to not in handoff:
            known = [*handoff, NOWHERE]
            yield Problem(
                ("routes", index, "to"),
                f"the route to `{route.to}` has no receiver",
                f"add `{route.to}` to `handoff`, or "
                + did_you_mean(route.to, known, plural="receivers"),
            )
    reached = handoff if people_route else receivers_of(table)
    for name in handoff:
        if name not in reached:
            what = f"no route leads to the receiver `{name}`"
            fix = (
                f"add a route to it, remove the receiver, or name `{UNROUTED}` in a failure mode, "
                "so that people send records there"
            )
            yield Problem(("handoff", name), what, fix)
