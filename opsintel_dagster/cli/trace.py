"""`opsintel trace`: one record's whole way, from the line of a file to the receiver's answer."""

import bisect
import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from rich.text import Text

from opsintel_dagster.cli.console import answers, complain, messages, write_json
from opsintel_dagster.cli.keys import RECORD, read_key
from opsintel_dagster.cli.opened import opened_ledger
from opsintel_dagster.cli.searching import Search
from opsintel_dagster.cli.tracing import Handover, Passage, Tracer, Way
from opsintel_dagster.cli.wording import (
    MASK,
    counted,
    lines_of,
    moment,
    short,
    shown_values,
    source_values,
)
from opsintel_dagster.ledger import bindings
from opsintel_dagster.ledger.decisions import DECISION
from opsintel_dagster.settings import Settings
from opsintel_dagster.store import Store

MOST_RECORDS: Final = 20
_STYLES: Final = {"delivered": "green", "no_action": "green", "open": "yellow"}
_PLACES: Final = {
    "delivered": "delivered",
    "no_action": "no action, on purpose",
    "unchanged": "unchanged, was delivered before",
    "superseded": "superseded by a correction",
    "discarded": "discarded",
    "open": "open in quarantine",
    "in_flight": "on its way",
}


def trace(outcome: str, words: list[str], *, shows_personal_data: bool, as_json: bool) -> bool:
    """Show the way of every record with this key; false if there is none.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: the ledger knows no such outcome, or its contract no such column.
        StoreError: a file the ledger names is missing.
    """
    settings = Settings.from_env()
    store = Store(settings.store_url)
    with opened_ledger(settings) as ledger, ledger.read() as connection:
        facts = bindings.declared(connection, outcome).facts
        key = read_key(outcome, facts, words)
        search = Search(store, connection, outcome)
        found = search.find(key)
        tracer = Tracer(store, connection, outcome)
        ways = [tracer.follow(one) for one in found[:MOST_RECORDS]]
        near = _near(search, key, facts["pii"], shown=shows_personal_data) if not found else []
    pii = () if shows_personal_data else facts["pii"]
    if as_json:
        write_json(
            {
                "outcome": outcome,
                "key": _masked(key, pii),
                "found": len(found),
                "records": [_document(way, pii, facts["columns"]) for way in ways],
                "near": near,
            }
        )
    elif found:
        _show(outcome, _masked(key, pii), ways, len(found), pii, facts["columns"])
    if not found:
        _say_nothing_found(outcome, _masked(key, pii), near)
    return bool(found)


def _near(
    search: Search, key: Mapping[str, str], pii: Collection[str], *, shown: bool
) -> list[dict[str, Any]]:
    """Keys that differ in one value, or values that look alike."""
    hidden = () if shown else pii
    near = [_masked(values, hidden) for values in search.near(key)]
    if near or RECORD in key:
        return near
    alike = []
    for column, text in key.items():
        if column not in hidden:
            alike += [{column: value} for value in _alike(text, search.values(column))]
    return alike


def _alike(text: str, values: list[str], most: int = 3) -> list[str]:
    """Values that look like the text, or else its neighbours in the alphabet."""
    close = difflib.get_close_matches(text, values, n=most)
    if close:
        return [value for value in close if value != text]
    ordered = sorted(values)
    at = bisect.bisect_left(ordered, text)
    return ordered[max(0, at - most + 1) : at + 1][:most]


def _masked(values: Mapping[str, Any], pii: Collection[str]) -> dict[str, Any]:
    return {name: MASK if name in pii else value for name, value in values.items()}


def _document(way: Way, pii: Collection[str], columns: Collection[str]) -> dict[str, Any]:
    document = asdict(way)
    del document["raw"]
    for passage in document["passages"]:
        passage["amended"] = _amended(passage["amended"], pii)
    return {**document, "values": source_values(way.raw, pii, columns=columns)}


def _say_nothing_found(outcome: str, key: Mapping[str, Any], near: list[dict[str, Any]]) -> None:
    complain(f"No record of {outcome} has {shown_values(key)}.")
    if near:
        messages().print("Near it:")
        for values in near:
            messages().print(f"  {shown_values(values)}", soft_wrap=True)


def _show(
    outcome: str,
    key: Mapping[str, Any],
    ways: list[Way],
    total: int,
    pii: Collection[str],
    columns: Collection[str],
) -> None:
    console = answers()
    head = f"  {shown_values(key)}: {counted(total, 'record')}"
    console.print(Text.assemble((outcome, "bold"), head), soft_wrap=True)
    for way in ways:
        title = lines_of(way.file, way.line, way.line_end)
        now = Text(_PLACES[way.place], style=_STYLES.get(way.place, ""))
        console.print()
        console.print(Text.assemble((title, "bold"), "  → ", now), soft_wrap=True)
        if not way.is_certain:
            why = way.raw.get("_problem") or "unreadable"
            console.print(f"  the line could not be read ({why}); the values stand somewhere in it")
        for label, text in _lines(way, pii, columns):
            console.print(Text.assemble((f"  {label:<11}", "dim"), text), soft_wrap=True)
    if total > len(ways):
        console.print(f"\n… and {total - len(ways):,} more; name more columns to see them.")


def _lines(way: Way, pii: Collection[str], columns: Collection[str]) -> Iterator[tuple[str, str]]:
    yield "values", shown_values(source_values(way.raw, pii, columns=columns))
    late = ", after the deadline" if way.is_late else ""
    yield "arrived", f"{moment(way.available_at)}{late}"
    yield "claimed", f"{moment(way.claimed_at)}, arrival {short(way.arrival)}{_run(way.run_id)}"
    for passage in way.passages:
        yield from _passage_lines(passage, pii)
    if way.superseded_by:
        yield "corrected", f"by {way.superseded_by}"


def _amended(
    amended: Mapping[str, tuple[Any, Any]], pii: Collection[str]
) -> dict[str, tuple[Any, Any]]:
    """Values before and after, personal data masked."""
    return {
        name: (MASK, MASK) if name in pii else (before, after)
        for name, (before, after) in amended.items()
    }


def _passage_lines(passage: Passage, pii: Collection[str]) -> Iterator[tuple[str, str]]:
    if passage.kind in ("replay", "discard"):
        label = "replayed" if passage.kind == "replay" else "discarded"
        yield label, f"{moment(passage.claimed_at)}, batch {short(passage.batch)}"
        if passage.replayed:
            yield "", passage.replayed
        yield from _amended_lines(passage, pii)
        if passage.accepted:
            yield "accepted", f"in spite of {', '.join(passage.accepted)}"
        if passage.kind == "discard":
            return
    else:
        yield "batch", f"{short(passage.batch)}, {passage.state}"
        yield from _amended_lines(passage, pii)
    yield "verified", _verdict_line(passage)
    if passage.route:
        rule = f", by rule {passage.route_rule}" if passage.route_rule else ""
        at = f"{moment(passage.routed_at)}: " if passage.routed_at else ""
        yield "routed", f"{at}to {passage.route}{rule}"
    if passage.delivery:
        yield from _delivery_lines(passage.delivery)
    if passage.obstacle:
        yield "waits", passage.obstacle


def _amended_lines(passage: Passage, pii: Collection[str]) -> Iterator[tuple[str, str]]:
    for name, (before, after) in _amended(passage.amended, pii).items():
        who = passage.amended_by.get(name, DECISION)
        by = "" if who == DECISION else f", by {who}"
        yield "amended", f"{shown_values({name: before})} → {shown_values({name: after})}{by}"


def _verdict_line(passage: Passage) -> str:
    if passage.verdict is None:
        return "not yet"
    at = f"{moment(passage.verified_at)}: " if passage.verified_at else ""
    said = {
        "kept": "keeps the contract",
        "unchanged": "keeps the contract, equal to what was delivered before",
        "quarantined": f"breaks {', '.join(passage.rules)}; failure mode {passage.failure_mode}",
        "refused": f"keeps the contract; failure mode {passage.failure_mode}",
        "unrouted": f"keeps the contract, no route takes it; failure mode {passage.failure_mode}",
    }
    return at + said[passage.verdict]


def _delivery_lines(delivery: Handover) -> Iterator[tuple[str, str]]:
    tries = f", {delivery.attempts} attempts" if delivery.attempts > 1 else ""
    what = f"{short(delivery.id)} to {delivery.route}, {delivery.guarantee}{tries}"
    yield "delivery", f"{moment(delivery.intent_at)}: {what}{_run(delivery.run_id)}"
    if delivery.receipt_at:
        yield "receipt", f"{moment(delivery.receipt_at)}: for {counted(delivery.records, 'record')}"
    if delivery.confirmed_at:
        yield "confirmed", f"{moment(delivery.confirmed_at)}: {delivery.reason}"
    elif delivery.reason:
        yield "", delivery.reason


def _run(run_id: str | None) -> str:
    return f", run {run_id}" if run_id else ""
