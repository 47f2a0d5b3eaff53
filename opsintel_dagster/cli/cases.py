"""`opsintel cases`: what somebody or something still has to answer."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text

from opsintel_dagster.cli.casebook import CaseView, HeldArrival, find_case, listed_cases
from opsintel_dagster.cli.console import answers, plain_table, with_signs, write_json
from opsintel_dagster.cli.opened import bound_outcomes, opened_ledger
from opsintel_dagster.cli.wording import (
    age,
    counted,
    effort,
    lines_of,
    moment,
    short,
    shown_values,
    source_values,
)
from opsintel_dagster.ledger import arrivals
from opsintel_dagster.ledger.cases import CaseState
from opsintel_dagster.orchestration.downstream import downstream_of
from opsintel_dagster.settings import Settings

VALUES_LISTED: Final = 3
VALUES_SHOWN: Final = 20


def list_cases(outcomes: list[str], *, with_closed: bool, as_json: bool) -> None:
    """Show open cases, those with most records first.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: the ledger knows no such outcome.
    """
    with opened_ledger(Settings.from_env()) as ledger, ledger.read() as connection:
        named = [row.name for row in bound_outcomes(connection, outcomes)] if outcomes else None
        found = listed_cases(connection, named, with_closed=with_closed)
    if as_json:
        left_out = {"more_open": found.more_open, "more_closed": found.more_closed}
        write_json({"cases": [_document(one) for one in found.cases], **left_out})
        return
    if not found.cases:
        answers().print("No case." if with_closed else "No open case.")
        return
    now = datetime.now(UTC)
    table = plain_table("case", ">records", ">open for", "due", "who is asked, about what")
    for one in found.cases:
        age_ = age((now - one.opened_at).total_seconds()) if one.closed_at is None else "closed"
        due = _due(one, now) if one.closed_at is None else ""
        name = Text.assemble((one.outcome, "dim"), "\n", (one.failure_mode, "bold"))
        about = Text.assemble((one.owner, "dim"), "\n")
        if one.cause:
            name.append(f"\n{short(one.case)}", "dim")
            about.append(with_signs(" ".join(filter(None, (one.cause, one.more_causes)))), "bold")
        if one.values or one.unreadable or one.stopped or not one.cause:
            about.append(("\n" if one.cause else "") + _values(one, VALUES_LISTED))
        table.add_row(name, f"{one.records:,}", age_, due, about)
    answers().print(table)
    for more, what in ((found.more_open, "open case"), (found.more_closed, "closed case")):
        if more:
            answers().print(f"… and {more:,} more {what}{'s' if more != 1 else ''}", style="dim")
    answers().print("\nLook at one: opsintel cases show OUTCOME.FAILURE_MODE or ID", style="dim")


def show_case(name: str, *, rows: int, as_json: bool) -> None:
    """Show one case with some of its records, personal data masked.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: there is no such case.
        StoreError: a file the ledger names is missing.
    """
    settings = Settings.from_env()
    waiting: dict[str, str] = {}
    with opened_ledger(settings) as ledger, ledger.read() as connection:
        found = find_case(connection, name)
        if found.state == CaseState.OPEN:
            waiting = downstream_of(connection, found.outcome).described()
        unreadable = {
            row.name: row.reason for row in arrivals.unreadable(connection, found.outcome)
        }
    sample = _sample(settings, found, rows) if found.records and rows else []
    if as_json:
        write_json({**_document(found), "waiting_downstream": waiting, "sample": sample})
    else:
        _show(found, sample, unreadable, waiting)


def _document(one: CaseView) -> dict[str, Any]:
    document = asdict(one)
    del document["pii"], document["columns"]
    return {**document, "name": one.name, "minutes": one.minutes}


def _values(one: CaseView, most: int) -> str:
    parts = [f"{value} ({count:,})" for value, count in list(one.values.items())[:most]]
    parts += [f"{file} (unreadable)" for file in one.unreadable[:most]]
    parts += list(one.stopped.values())[:most]
    more = len(one.values) + len(one.unreadable) + len(one.stopped) - len(parts)
    return with_signs(", ".join(parts) + (f" … {more} more" if more > 0 else "") or "—")


def _sample(settings: Settings, found: CaseView, rows: int) -> list[dict[str, Any]]:
    """Some of the records that lie in quarantine for this case, with file and line."""
    # Only who looks at rows pays for what reads them.
    from opsintel_dagster.cli.sampling import open_records

    return [
        {
            "file": row["_file"],
            "line": row["_line"],
            "line_end": row.get("_line_end"),
            "record": f"{row['_arrival']}:{row['_row']}",
            "rules": row["_rules"],
            "problem": row.get("_problem"),
            "values": source_values(row, found.pii, columns=found.columns),
        }
        for row in open_records(settings, found.case, rows)
    ]


def _show(
    one: CaseView,
    sample: list[dict[str, Any]],
    unreadable: Mapping[str, str | None],
    waiting: Mapping[str, str],
) -> None:
    console = answers()
    state = Text(one.state, style="yellow" if one.state == "open" else "green")
    about = f": {counted(one.records, 'record')}, episode {one.episode}"
    console.print(Text.assemble((one.name, "bold"), "  ", state, about), soft_wrap=True)
    for label, text in _lines(one, unreadable, waiting):
        console.print(Text.assemble((f"  {label:<12}", "dim"), text), soft_wrap=True)
    if one.options:
        console.print("\nWhat can be decided", style="bold")
        for does, command in one.options:
            console.print(Text.assemble((f"  {does:<22}", "dim"), command), soft_wrap=True)
    if one.values:
        console.print("\nValues", style="bold")
        table = plain_table("value", ">records")
        for value, count in list(one.values.items())[:VALUES_SHOWN]:
            table.add_row(value, f"{count:,}")
        console.print(table)
        if len(one.values) > VALUES_SHOWN:
            console.print(f"… and {len(one.values) - VALUES_SHOWN} more values")
    if sample:
        console.print(f"\n{len(sample)} of {one.records:,} records", style="bold")
        for row in sample:
            _show_row(row)


def _lines(
    one: CaseView, unreadable: Mapping[str, str | None], waiting: Mapping[str, str]
) -> list[tuple[str, str]]:
    rules = ", ".join(f"{rule} ({count:,})" for rule, count in one.rules.items())
    step = one.human_step or "not declared"
    if one.minutes_each is not None:
        step += f"; {one.minutes_each:g} min a record"
        step += f", {effort(one.minutes or 0)} for all of them" if one.records else ""
    lines = [
        ("cause", " ".join(filter(None, (one.cause, one.more_causes)))),
        ("owner", one.owner),
        ("rules", rules or "—"),
        *(
            ("unreadable", f"{file}: {unreadable.get(file) or 'cannot be read'}")
            for file in one.unreadable
        ),
        *(("stopped", f"{_what(one, name)}: {why}") for name, why in one.stopped.items()),
        *(("held", _held(arrival)) for arrival in one.held),
        *_renames(one),
        *(("waiting", f"{what}: {text}") for what, text in waiting.items()),
        ("first seen", moment(one.opened_at)),
        ("last seen", moment(one.last_seen_at)),
        ("human step", step),
    ]
    lines += [("costs", _cost(one))]
    if one.closed_at is not None:
        lines += [("closed", f"{moment(one.closed_at)}: {one.closed_by}")]
    else:
        due = _due(one, datetime.now(UTC))
        default = f"; then by default: {one.default}" if one.default else ""
        lines += [("due", f"{moment(one.due_at)}, {due}{default}")] if due else []
        lines += [("decided", text) for text in one.decided]
        lines += [("closes when", one.closes_when)]
    return [(label, text) for label, text in [*lines, ("id", short(one.case))] if text]


def _cost(one: CaseView) -> str:
    """What it has cost by now that the case is open; empty: nobody said what an hour costs."""
    if not one.cost_per_hour or one.closed_at is not None:
        return ""
    hours = (datetime.now(UTC) - one.opened_at).total_seconds() / 3_600
    return f"{one.cost_per_hour:,.0f} an hour, {one.cost_per_hour * hours:,.0f} so far"


def _due(one: CaseView, now: datetime) -> str:
    """How long there still is to answer; empty: there is no clock."""
    if one.due_at is None:
        return ""
    left = (one.due_at - now).total_seconds()
    return f"in {age(left)}" if left > 0 else f"{age(-left)} ago"


def _what(one: CaseView, stopped: str) -> str:
    return "all of it" if stopped == one.outcome else f"batch {short(stopped)}"


def _held(arrival: HeldArrival) -> str:
    return ": ".join([arrival.file, *(["; ".join(arrival.says)] if arrival.says else [])])


def _renames(one: CaseView) -> list[tuple[str, str]]:
    """Each proposed rename once, with what to change if it is one."""
    said = {
        f"`{rename['column']}` is `{rename['now']}` now ({rename['confidence']:.0%} sure): if so, "
        "let the source write the old name, or rename it in the contract"
        for arrival in one.held
        for rename in arrival.renames
    }
    return [("renamed?", text) for text in sorted(said)]


def _show_row(row: Mapping[str, Any]) -> None:
    where = lines_of(row["file"], row["line"], row["line_end"])
    rules = ", ".join(row["rules"]) + (f" ({row['problem']})" if row["problem"] else "")
    answers().print(Text.assemble("  ", (where, "bold"), f"  {rules}"), soft_wrap=True)
    answers().print(f"    {shown_values(row['values'])}", soft_wrap=True)
