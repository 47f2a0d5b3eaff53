"""`opsintel status`: is every promise kept right now, and what is in the way of the others."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text

from opsintel_dagster.cli.console import answers, plain_table, write_json
from opsintel_dagster.cli.opened import bound_outcomes, opened_ledger
from opsintel_dagster.cli.standing import Standing, standings
from opsintel_dagster.cli.wording import age, counted
from opsintel_dagster.settings import Settings

COLUMNS: Final = {
    "outcome": "",
    "promise": "",
    ">waiting": "waiting: batches not closed",
    ">open": "open: cases, and the records in them",
    ">late": "late: arrivals that came out after the deadline, ever",
    ">closed": "",
    ">untouched": "untouched: records that never were in quarantine",
}
"""What they are called, and what those mean that do not say it; the most urgent first."""
WIDTH_FOR_ALL: Final = 75
COLUMNS_WHERE_NARROW: Final = 4


def status(names: list[str], *, as_json: bool) -> bool:
    """Show how outcomes stand; true if every promise is kept.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: the ledger knows no such outcome.
    """
    now = datetime.now(UTC)
    settings = Settings.from_env()
    with opened_ledger(settings) as ledger, ledger.read() as connection:
        found = standings(connection, bound_outcomes(connection, names), now)
    if as_json:
        outcomes = [_document(one) for one in found]
        write_json({"at": now, "root": str(settings.root), "outcomes": outcomes})
    else:
        _show(found, now)
    return not any(one.is_broken for one in found)


def _document(one: Standing) -> dict[str, Any]:
    worked_out = {"is_broken": one.is_broken, "costs_per_hour": one.costs_per_hour}
    return {**asdict(one), **worked_out}


def _show(found: list[Standing], now: datetime) -> None:
    if not found:
        answers().print("No outcome was drained here yet.")
        return
    console = answers()
    shown = len(COLUMNS) if console.width >= WIDTH_FOR_ALL else COLUMNS_WHERE_NARROW
    table = plain_table(*list(COLUMNS)[:shown])
    for one in found:
        name = Text.assemble((one.outcome, "bold"), "\n", (one.owner, "dim"))
        closed = one.last_closed_at
        cells = (
            name,
            _promise(one),
            f"{one.outstanding_batches:,}",
            _open(one),
            f"{one.late_arrivals:,}",
            age((now - closed).total_seconds()) + "\nago" if closed is not None else "—",
            f"{one.autonomy:.1%}" if one.autonomy is not None else "—",
        )
        table.add_row(*cells[:shown])
    console.print(table)
    for one in found:
        if one.unaccounted is not None:
            line = Text.assemble("  ", (one.outcome, "bold"), f": {one.unaccounted}")
            console.print(line, style="red")
        for trouble in one.troubles:
            console.print(Text.assemble("  ", (one.outcome, "bold"), f": {trouble}"))
    legend = [text for text in list(COLUMNS.values())[:shown] if text]
    console.print("\n" + " · ".join(legend), style="dim")


def _promise(one: Standing) -> Text:
    cost = f"\n{one.cost_per_hour:,.0f} an hour" if one.cost_per_hour else ""
    if one.unaccounted is not None:
        return Text(f"BROKEN\nrecords missing{cost}", style="bold red")
    if not one.has_arrivals:
        return Text("no arrival yet", style="dim")
    if one.oldest_seconds is None:
        return Text("kept", style="green")
    of = f"{age(one.oldest_seconds)} of {age(one.within_seconds)}"
    if not one.is_late:
        return Text(f"kept\n{of}", style="green")
    return Text(f"BROKEN\n{of}{cost}", style="bold red")


def _open(one: Standing) -> Text:
    if not one.open_cases:
        return Text("—")
    return Text(
        f"{counted(one.open_cases, 'case')}\n{counted(one.open_records, 'record')}", style="yellow"
    )
