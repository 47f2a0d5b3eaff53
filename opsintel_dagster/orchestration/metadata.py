"""Reports as Dagster metadata: numbers as numbers, so that the UI plots them; the rest as tables.

Metadata is kept whole in Dagster's event log, so tables and samples are capped, and what the
contract marks as personal data is masked before it gets there.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import dagster as dg
import polars as pl

from opsintel_dagster.ledger.cases import typed_name
from opsintel_dagster.orchestration.downstream import Downstream
from opsintel_dagster.orchestration.reports import (
    ArrivalsReport,
    Conservation,
    DeliveredReport,
    OpenCase,
    PromiseReport,
    RoutedReport,
    VerifiedReport,
)
from opsintel_dagster.orchestration.troubles import FailingBatch
from opsintel_dagster.verification import mask_pii
from opsintel_dagster.verification.masking import MASK

MetadataDict: TypeAlias = dict[str, dg.MetadataValue | int | float | str]

SAMPLE_ROWS: Final = 20
SAMPLE_BYTES: Final = 32_768
_CELL_CHARACTERS: Final = 120
_REASONS: Final = ("_rules", "_cause", "_group")
_BOOKKEEPING: Final = ("_arrival", "_row", "_line_end", "_problem", "_tail", *_REASONS)


def arrivals_metadata(report: ArrivalsReport) -> MetadataDict:
    """What was claimed from the source."""
    return {
        "dagster/row_count": report.records,
        "arrivals": report.claimed,
        "corrections": report.corrections,
        "duplicates": report.duplicates,
        "unreadable": len(report.unreadable),
        "unsettled": report.unsettled,
        "batches": report.batches,
        **count_table("problems", "problem", report.problems),
    }


def verified_metadata(report: VerifiedReport) -> MetadataDict:
    """Verdicts of this drain."""
    share = report.quarantined / report.received if report.received else 0.0
    return {
        "dagster/row_count": report.verified,
        "received": report.received,
        "quarantined": report.quarantined,
        "share_quarantined": round(share, 6),
        "unchanged": report.unchanged,
        "superseded": report.superseded,
        "batches": report.batches,
        **count_table("broken_rules", "rule", report.broken),
        **count_table("warnings", "rule", report.warned),
        **count_table("amended", "amendment", report.amended),
        **reason_table("not_amended", "amendment", report.unamended),
    }


def quarantine_metadata(
    report: VerifiedReport, *, pii: Collection[str], private_modes: Collection[str]
) -> MetadataDict:
    """What lies in quarantine: this drain's rows, the open cases, and a look at some rows.

    `private_modes` are the failure modes whose offending values are personal data.
    """
    metadata: MetadataDict = {
        "dagster/row_count": sum(case.rows for case in report.cases),
        "quarantined": report.quarantined,
        "open_cases": len(report.cases),
        "replayed": report.replayed,
        **count_table("open_by_rule", "rule", report.open_by_rule),
        **_case_table(report.cases, private_modes),
    }
    if report.sample is not None and report.sample.height:
        metadata["sample"] = dg.MetadataValue.md(sample_table(report.sample, pii))
    return metadata


def routed_metadata(report: RoutedReport) -> MetadataDict:
    """Where the decision table sent the records."""
    return {
        "dagster/row_count": report.records,
        "unrouted": report.unrouted,
        "batches": report.batches,
        **{f"to_{route}": count for route, count in report.by_route.items()},
        **count_table("by_rule", "row of the decision table", report.by_rule),
    }


def delivered_metadata(report: DeliveredReport) -> MetadataDict:
    """What receivers confirmed."""
    return {
        "dagster/row_count": report.delivered,
        "no_action": report.no_action,
        "batches": report.closed,
        **{f"to_{route}": count for route, count in report.by_route.items()},
        **reason_table("guarantees", "route", report.guarantees),
    }


def promise_metadata(report: PromiseReport) -> MetadataDict:
    """Whether the promise is kept, and the law with its terms."""
    return {
        "records": report.records,
        "outstanding_batches": report.outstanding_batches,
        "oldest_seconds": report.oldest_seconds or 0.0,
        "within_seconds": report.within_seconds,
        "late_arrivals": report.late_arrivals,
        "open_cases": report.open_cases,
        **(_law(report.conservation) if report.conservation else {}),
    }


def _law(law: Conservation) -> MetadataDict:
    terms = {
        "delivered": law.delivered,
        "no_action": law.no_action,
        "discarded": law.discarded,
        "unchanged": law.unchanged,
        "superseded": law.superseded,
        "open": law.open,
        "in_flight": law.in_flight,
    }
    text = markdown_table(
        ("where", "records"), [(name, f"{value:,}") for name, value in terms.items()]
    )
    total = f"\n\n{law.accounted:,} found of {law.received:,} received."
    return {**terms, "received": law.received, "conservation": dg.MetadataValue.md(text + total)}


def count_table(name: str, what: str, counts: Mapping[str, int]) -> MetadataDict:
    """A table of counts, largest first; nothing where there is nothing to count."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [(key, f"{value:,}") for key, value in ordered if value]
    return {name: dg.MetadataValue.md(markdown_table((what, "count"), rows))} if rows else {}


def reason_table(name: str, what: str, reasons: Mapping[str, str]) -> MetadataDict:
    """A table of reasons; nothing where there are none."""
    rows = list(reasons.items())
    return {name: dg.MetadataValue.md(markdown_table((what, "reason"), rows))} if rows else {}


def failing_table(failing: Sequence[FailingBatch]) -> MetadataDict:
    """The batches that did not come through: class, attempts, when the next one is due."""
    rows = [
        (
            one.batch[:8],
            one.state,
            one.failure_class,
            str(one.attempts),
            "a decision" if one.is_given_up else _when(one.next_attempt_at),
            one.reason,
        )
        for one in failing
    ]
    head = ("batch", "state", "class", "attempts", "next", "reason")
    return {"attempts": dg.MetadataValue.md(markdown_table(head, rows))} if rows else {}


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at is not None else "when the breaker closes"


def downstream_metadata(downstream: Downstream | None, assets: Sequence[str]) -> MetadataDict:
    """What waits for a held arrival; `assets` are those that Dagster knows to come after it."""
    if downstream is None:
        return {}
    said = {**downstream.described(), **({"assets": ", ".join(assets)} if assets else {})}
    return reason_table("waiting_downstream", "what", said)


def _case_table(cases: Sequence[OpenCase], private_modes: Collection[str]) -> MetadataDict:
    if not cases:
        return {}
    rows = [
        (
            case.failure_mode,
            " ".join(filter(None, (case.cause, case.more_causes))),
            f"{case.rows:,}",
            f"{case.opened_at:%Y-%m-%d %H:%M} UTC",
            MASK if case.failure_mode in private_modes else _values(case.values),
            case.owner,
            f"`opsintel cases show {typed_name(case.name, case.id)}`",
        )
        for case in sorted(cases, key=lambda case: -case.rows)
    ]
    head = ("failure mode", "cause", "records", "open since", "values", "owner", "look at it")
    return {"cases": dg.MetadataValue.md(markdown_table(head, rows))}


def _values(values: Mapping[str, int]) -> str:
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{value} ({count:,})" for value, count in ordered[:3])


def sample_table(frame: pl.DataFrame, pii: Collection[str]) -> str:
    """Some rows in Markdown, at most 20 of them and 32 KB, personal data masked."""
    shown = mask_pii(frame.head(SAMPLE_ROWS), pii)
    shown = shown.select(pl.exclude(*_BOOKKEEPING), *(n for n in _REASONS if n in shown.columns))
    rows = [tuple(_cell(value) for value in row) for row in shown.iter_rows()]
    return markdown_table([name.removeprefix("_") for name in shown.columns], rows)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that stays below 32 KB, and says how many rows it left out."""
    lines = [_line(head), _line(["---"] * len(head))]
    size = sum(len(line.encode()) for line in lines)
    for number, row in enumerate(rows):
        line = _line(row)
        size += len(line.encode()) + 1
        if size > SAMPLE_BYTES - 64:
            lines.append(f"\n… and {len(rows) - number:,} more.")
            break
        lines.append(line)
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    shown = []
    for cell in cells:
        text = " ".join(str(cell).split())
        if len(text) > _CELL_CHARACTERS:
            text = f"{text[: _CELL_CHARACTERS - 1]}…"
        shown.append(text.replace("\\", "\\\\").replace("|", "\\|"))
    return f"| {' | '.join(shown)} |"
