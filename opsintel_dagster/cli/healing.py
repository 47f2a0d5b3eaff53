"""`opsintel status --healing`: what went wrong, and whether it healed without a person."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.text import Text
from sqlalchemy import Row

from opsintel_dagster.cli.console import answers, plain_table, with_signs, write_json
from opsintel_dagster.cli.opened import bound_outcomes, opened_ledger
from opsintel_dagster.cli.wording import age, counted
from opsintel_dagster.healing.measures import Measures, Trouble, measure
from opsintel_dagster.ledger import attempts
from opsintel_dagster.settings import Settings

OPEN_SHOWN: Final = 10


def healing(names: list[str], *, days: int, as_json: bool) -> None:
    """Show for each outcome how many troubles healed, how fast, and which are still open.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: the ledger knows no such outcome.
    """
    now = datetime.now(UTC)
    with opened_ledger(Settings.from_env()) as ledger, ledger.read() as connection:
        bound = bound_outcomes(connection, names)
        within = {row.name: timedelta(seconds=row.facts["within_seconds"]) for row in bound}
        rows = attempts.troubles_since(connection, list(within), now - timedelta(days=days))
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.outcome].append(row)
    measured = {
        name: measure([_trouble(row, within[name]) for row in found[name]]) for name in within
    }
    waiting = [row for row in rows if row.settled_at is None]
    if as_json:
        write_json(
            {
                "at": now,
                "days": days,
                "outcomes": {name: asdict(one) for name, one in measured.items()},
                "open": [_document(row) for row in waiting],
            }
        )
        return
    _show(measured, waiting, days, now)


def _trouble(row: Row[Any], within: timedelta) -> Trouble:
    return Trouble(
        outcome=row.outcome,
        cause=(row.stage, row.failure_class, row.dependency or ""),
        began_at=row.began_at,
        settled_at=row.settled_at,
        settled_by=row.settled_by,
        attempts=row.attempts,
        due_at=row.available_at + within if row.available_at is not None else None,
    )


def _document(row: Row[Any]) -> dict[str, Any]:
    names = ("outcome", "batch_id", "stage", "failure_class", "dependency", "began_at", "attempts")
    return {**{name: getattr(row, name) for name in names}, "reason": row.reason}


def _show(
    measured: Mapping[str, Measures], waiting: Sequence[Row[Any]], days: int, now: datetime
) -> None:
    console = answers()
    if not any(one.troubles for one in measured.values()):
        console.print(f"Nothing failed within {counted(days, 'day')}.")
        return
    table = plain_table("outcome", ">failed", ">healed", ">open", ">regret", ">early", ">to heal")
    for name, one in measured.items():
        if not one.troubles:
            continue
        share = f"{one.healed:,}\n{one.healed / one.troubles:.0%}"
        median = one.median_seconds_to_heal
        longest = one.longest_seconds_to_heal
        took = f"{age(median)}\nat most {age(longest)}" if median is not None and longest else "—"
        early = f"{one.early:,} of {one.dated:,}" if one.dated else "—"
        table.add_row(
            Text(name, style="bold"),
            f"{one.troubles:,}",
            share,
            Text(f"{one.open:,}", style="yellow" if one.open else ""),
            f"{one.regret:,}",
            early,
            took,
        )
    console.print(table)
    for row in waiting[:OPEN_SHOWN]:
        since = age((now - row.began_at).total_seconds())
        about = f": {row.stage}, {row.failure_class}, for {since}: {row.reason}"
        console.print(Text.assemble("  ", (row.outcome, "bold"), with_signs(about)))
    if len(waiting) > OPEN_SHOWN:
        console.print(f"  … and {len(waiting) - OPEN_SHOWN:,} more that are open")
    legend = (
        "healed: over without a person · regret: back for the same cause within a day · early: "
        "noted before the promise was broken"
    )
    console.print(f"\n{legend}", style="dim")
