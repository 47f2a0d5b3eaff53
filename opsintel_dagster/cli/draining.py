"""What a drain did, stage by stage, in words."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from opsintel_dagster.cli.wording import age, counted, short
from opsintel_dagster.orchestration.drain import DrainReport
from opsintel_dagster.orchestration.reports import (
    ArrivalsReport,
    Conservation,
    DeliveredReport,
    PromiseReport,
    RoutedReport,
    VerifiedReport,
)

Line = tuple[str, str, str]
"""Stage, text and style."""

MOST_NAMED: Final = 5


def failures_of(report: DrainReport) -> dict[str, str]:
    """What went wrong, by batch, file or place; empty if nothing did."""
    failures = dict(report.failures)
    if report.arrivals.source_down:
        failures["source"] = report.arrivals.source_down
    law = report.promise.conservation
    if law is not None and not law.holds:
        failures["conservation"] = law.told()
    return failures


def stage_lines(report: DrainReport) -> Iterator[Line]:
    """One or more lines for each stage that has something to say."""
    if report.skipped:
        yield "", f"skipped: {report.skipped}", "yellow"
        return
    yield "arrivals", _arrivals(report.arrivals), _style(report.arrivals.source_down)
    for file, reason in islice(report.arrivals.unreadable.items(), MOST_NAMED):
        yield "", f"unreadable: {file}: {reason}", "red"
    yield from _verified(report.verified)
    yield "routed", _routed(report.routed), ""
    yield "delivered", _delivered(report.delivered), _style(report.delivered.failures)
    yield from _promise(report.promise)


def _style(trouble: object) -> str:
    return "red" if trouble else ""


def _arrivals(report: ArrivalsReport) -> str:
    if report.source_down:
        return "the source is down"
    parts = [f"{counted(report.claimed, 'arrival')}, {counted(report.records, 'record')}"]
    parts += [counted(report.corrections, "correction")] if report.corrections else []
    parts += [counted(report.duplicates, "duplicate")] if report.duplicates else []
    parts += [f"{len(report.unreadable):,} unreadable"] if report.unreadable else []
    parts += [f"{report.unsettled:,} still being written"] if report.unsettled else []
    return ", ".join(parts) if report.seen or report.unsettled else "nothing new"


def _verified(report: VerifiedReport) -> Iterator[Line]:
    if not report.batches and not report.waiting:
        yield "verified", "nothing new", ""
    if report.batches:
        parts = [f"{report.verified:,} kept the contract"]
        parts += [f"{report.quarantined:,} quarantined"] if report.quarantined else []
        parts += [f"{report.unchanged:,} unchanged"] if report.unchanged else []
        parts += [f"{report.superseded:,} superseded"] if report.superseded else []
        parts += [f"{report.replayed:,} replayed"] if report.replayed else []
        yield "verified", ", ".join(parts), ""
    for arrival, rules in islice(report.held.items(), MOST_NAMED):
        name = report.held_names.get(arrival) or f"arrival {short(arrival)}"
        yield "", f"held whole: {name} ({', '.join(rules)})", "red"
    if len(report.held) > MOST_NAMED:
        yield "", f"held whole: {len(report.held) - MOST_NAMED:,} more", "red"
    for reason in dict.fromkeys(report.waiting.values()):
        yield "", f"waits: {reason}", "yellow"
    if report.broken:
        yield "", f"broken: {_counts(report.broken)}", "yellow"
    if report.warned:
        yield "", f"warned: {_counts(report.warned)}", ""
    if report.amended:
        yield "", f"amended: {_counts(report.amended)}", ""
    for label, why in islice(report.unamended.items(), MOST_NAMED):
        yield "", f"{label} is not applied: {why}", "yellow"
    if report.cases:
        records = sum(one.rows for one in report.cases)
        text = f"{counted(len(report.cases), 'case')} open, {counted(records, 'record')}"
        yield "", text, "yellow"


def _counts(counts: Mapping[str, int], most: int = 6) -> str:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = f" … {len(ranked) - most} more" if len(ranked) > most else ""
    return ", ".join(f"{name} {count:,}" for name, count in ranked[:most]) + more


def _routed(report: RoutedReport) -> str:
    if not report.batches:
        return "nothing new"
    parts = [_counts(report.by_route)] if report.by_route else []
    parts += [f"{report.unrouted:,} taken by no rule"] if report.unrouted else []
    return ", ".join(parts) or "no records"


def _delivered(report: DeliveredReport) -> str:
    if not report.closed and not report.failures:
        return "nothing new"
    text = f"{report.delivered:,} confirmed, {report.no_action:,} no action"
    waiting = "1 batch waits" if report.unconfirmed == 1 else f"{report.unconfirmed:,} batches wait"
    return text + (f"; {waiting}" if report.unconfirmed else "")


def _promise(report: PromiseReport) -> Iterator[Line]:
    law = report.conservation
    if law is not None and not law.holds:
        yield "promise", "BROKEN: not every record is where it should be", "bold red"
    elif report.oldest_seconds is None:
        yield "promise", "kept, nothing is outstanding", "green"
    else:
        of = f"{age(report.oldest_seconds)} of {age(report.within_seconds)}"
        word, style = ("BROKEN", "bold red") if report.is_late else ("kept", "green")
        outstanding = counted(report.outstanding_batches, "batch")
        yield "promise", f"{word}: {outstanding} outstanding, the oldest since {of}", style
    if report.late_arrivals:
        yield "", f"{counted(report.late_arrivals, 'arrival')} came out late, ever", "yellow"
    if law is not None:
        yield "law", _law(law), "green" if law.holds else "bold red"


def _law(law: Conservation) -> str:
    terms = {
        "delivered": law.delivered,
        "no action": law.no_action,
        "discarded": law.discarded,
        "unchanged": law.unchanged,
        "superseded": law.superseded,
        "open": law.open,
        "in flight": law.in_flight,
    }
    places = " + ".join(f"{count:,} {name}" for name, count in terms.items() if count) or "0"
    sign = "=" if law.received == law.accounted else "≠"
    return f"{law.received:,} received {sign} {places}"
