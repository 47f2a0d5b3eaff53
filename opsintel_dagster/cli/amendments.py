"""`opsintel amendments`: decisions that were kept, what they did, and their way into the code."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text
from sqlalchemy import Connection, Row

from opsintel_dagster.cli.console import answers, messages, plain_table, write_json
from opsintel_dagster.cli.opened import bound_outcomes, opened_ledger
from opsintel_dagster.cli.release import user
from opsintel_dagster.cli.wording import MASK, age, counted, moment
from opsintel_dagster.errors import UnknownName
from opsintel_dagster.ledger import amendments, bindings, cases
from opsintel_dagster.ledger.connection import Ledger
from opsintel_dagster.settings import Settings

MOST_PAIRS: Final = 3


def list_amendments(outcomes: Sequence[str], *, with_retired: bool, as_json: bool) -> None:
    """Show what applies now; with the retired ones on request.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: the ledger knows no such outcome.
    """
    with _current_ledger() as ledger, ledger.read() as connection:
        names = [row.name for row in bound_outcomes(connection, outcomes)] if outcomes else ()
        rows = amendments.listing(connection, names, with_retired=with_retired)
        pii = {row.name: row.facts.get("pii", ()) for row in bindings.all_bound(connection)}
    if as_json:
        found = [_document(row, pii.get(row.outcome, ())) for row in rows]
        write_json({"amendments": found})
        return
    if not rows:
        answers().print("No amendment: nothing was kept, or all of it was retired.")
        return
    now = datetime.now(UTC)
    table = plain_table("outcome", ">no.", ">since", ">fired", "what it does, and who kept it")
    for row in rows:
        what = Text(said(row.content, pii.get(row.outcome, ())))
        what.append(f"\n{row.actor}{f': {row.reason}' if row.reason else ''}", style="dim")
        state, style = _state(row)
        if state:
            what.append(f"\n{state}", style=style)
        since = age((now - row.kept_at).total_seconds())
        table.add_row(Text(row.outcome, "bold"), str(row.number), since, f"{row.fired:,}", what)
    answers().print(table)
    answers().print("\nOne of them: opsintel amendments show OUTCOME NUMBER", style="dim")


def show_amendment(outcome: str, number: int, *, as_json: bool) -> None:
    """Show one: what it does, who kept it and why, how often it has fired.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: there is no such amendment.
    """
    with _current_ledger() as ledger, ledger.read() as connection:
        row = _find(connection, outcome, number)
        pii = bindings.declared(connection, outcome).facts.get("pii", ())
        case = cases.find(connection, row.case_id) if row.case_id else None
    if as_json:
        write_json(_document(row, pii))
        return
    console = answers()
    console.print(Text.assemble((outcome, "bold"), f", amendment {number}"), soft_wrap=True)
    about = "—" if case is None else cases.name_of(outcome, case.failure_mode, case.cause)
    state, _ = _state(row)
    for label, text in (
        ("does", said(row.content, pii, most=len(row.content.get("values", ())))),
        ("kept", f"{moment(row.kept_at)} by {row.actor}"),
        ("why", row.reason or "—"),
        ("case", about),
        ("fired", _fired(row)),
        ("state", state or "applies"),
    ):
        console.print(Text.assemble((f"  {label:<6}", "dim"), text), soft_wrap=True)


def retire_amendment(
    outcome: str, number: int, *, reason: str, actor: str | None, as_json: bool
) -> bool:
    """Apply it no longer; false if it was retired before.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: there is no such amendment.
    """
    who, now = actor or user(), datetime.now(UTC)
    with _current_ledger() as ledger, ledger.write() as connection:
        _find(connection, outcome, number)
        is_first = amendments.retire(connection, outcome, number, actor=who, reason=reason, now=now)
        row = _find(connection, outcome, number)
    if as_json:
        write_json({**_document(row, ()), "content": None, "retired_now": is_first})
    elif is_first:
        answers().print(
            f"{outcome}: amendment {number} is retired. The next drain judges by the rest; to have "
            f"it now: opsintel drain {outcome}",
            soft_wrap=True,
        )
    else:
        answers().print(f"{outcome}: amendment {number} {_state(row)[0]}", soft_wrap=True)
    return is_first


def export_amendments(outcome: str, *, as_json: bool) -> None:
    """Write what applies as YAML for `defs.yaml`, and say how to retire it afterwards.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: the ledger knows no such outcome.
    """
    with _current_ledger() as ledger, ledger.read() as connection:
        bindings.declared(connection, outcome)
        rows = amendments.listing(connection, [outcome])
    if as_json:
        write_json({"amendments": [row.content for row in rows]})
        return
    if not rows:
        messages().print(f"{outcome} has no amendment.")
        return
    sys.stdout.write(as_yaml(rows))
    messages().print(
        f"\nPaste it into the attributes of {outcome} in defs.yaml and deploy. From then on it is "
        "applied from there; retire it here:",
        soft_wrap=True,
    )
    for row in rows:
        messages().print(
            f"  opsintel amendments retire {outcome} {row.number} --reason 'it is in defs.yaml'",
            soft_wrap=True,
        )


def as_yaml(rows: Sequence[Row[Any]]) -> str:
    """The attribute `amendments` of a `defs.yaml`, each entry with who kept it and why."""
    # Only who exports pays for the models of a declaration.
    from opsintel_dagster.outcome.amendment_files import write_amendments

    return write_amendments(
        (
            row.content,
            f"amendment {row.number}, kept by {row.actor} {row.kept_at:%Y-%m-%d}"
            + (f": {row.reason}" if row.reason else ""),
        )
        for row in rows
    )


def said(content: Mapping[str, Any], pii: Sequence[str] = (), most: int = MOST_PAIRS) -> str:
    """What an amendment does, in a line."""
    when = f" where {content['when']}" if content.get("when") else ""
    if content["kind"] == "rename":
        pairs = (f"{new} is {column}" for new, column in content["columns"].items())
        return f"column {', '.join(pairs)}"
    if content["kind"] == "route":
        return f"route to {content['to']}{when}"
    if content["kind"] != "repair":
        return f"{content['kind']}, which this version does not know"
    column = content["column"]
    if content.get("expression"):
        return f"{column} becomes {content['expression']}{when}"
    values = content["values"]
    if column in pii:
        return f"{column}: {counted(len(values), 'value')} ({MASK}){when}"
    shown = [f"{old!r} becomes {new!r}" for old, new in list(values.items())[:most]]
    more = f" … and {len(values) - most} more" if len(values) > most else ""
    return f"{column}: {', '.join(shown)}{more}{when}"


def _state(row: Row[Any]) -> tuple[str, str]:
    """What keeps it from applying, and how that is shown; empty where nothing does."""
    if row.retired_at is not None:
        why = f": {row.retired_reason}" if row.retired_reason else ""
        return f"was retired {moment(row.retired_at)} by {row.retired_by}{why}", "dim"
    return (f"is not applied: {row.idle}", "yellow") if row.idle else ("", "")


def _fired(row: Row[Any]) -> str:
    last = f", last {moment(row.last_fired_at)}" if row.last_fired_at else ""
    return f"{counted(row.fired, 'record')}{last}"


def _find(connection: Connection, outcome: str, number: int) -> Row[Any]:
    row = amendments.find(connection, outcome, number)
    if row is None:
        bindings.declared(connection, outcome)
        known = amendments.listing(connection, [outcome], with_retired=True)
        there = ", ".join(str(one.number) for one in known)
        fix = f"there are {there}" if there else "nothing was kept"
        raise UnknownName(f"amendment of {outcome}", str(number), fix)
    return row


def _document(row: Row[Any], pii: Sequence[str]) -> dict[str, Any]:
    document = dict(row._mapping)
    if row.content.get("values") and row.content["column"] in pii:
        document["content"] = {**row.content, "values": MASK}
    del document["content_id"]
    return {"amendment": document.pop("number"), **document, "does": said(row.content, pii)}


@contextmanager
def _current_ledger() -> Iterator[Ledger]:
    with opened_ledger(Settings.from_env()) as ledger:
        ledger.migrate()  # a ledger of before has no such table
        yield ledger
