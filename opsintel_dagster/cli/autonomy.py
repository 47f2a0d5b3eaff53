"""`opsintel status --autonomy`: does it run itself, and what people still had to do."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.text import Text

from opsintel_dagster.cli.console import answers, plain_table, with_signs, write_json
from opsintel_dagster.cli.opened import bound_outcomes, opened_ledger
from opsintel_dagster.cli.wording import counted, effort
from opsintel_dagster.orchestration.autonomy import Autonomy, Cause, Period, read, together
from opsintel_dagster.settings import Settings

CAUSES_SHOWN: Final = 3
_NOTHING: Final = "—"


def autonomy(names: list[str], *, days: int, as_json: bool) -> None:
    """Show for each outcome the share untouched, touches, minutes, causes, and the trend.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: the ledger knows no such outcome.
    """
    now = datetime.now(UTC)
    with opened_ledger(Settings.from_env()) as ledger, ledger.read() as connection:
        measured = read(connection, bound_outcomes(connection, names), now, days)
    # What takes people most of their time comes first.
    measured.sort(key=lambda one: (-_spent(one), -one.whole.touches, one.outcome))
    if as_json:
        outcomes = {one.outcome: _document(one) for one in measured}
        write_json({"at": now, "days": days, "outcomes": outcomes})
        return
    _show(measured, days, now)


def _spent(one: Autonomy) -> float:
    return one.whole.minutes + one.whole.estimated + one.open_minutes


def _document(one: Autonomy) -> dict[str, Any]:
    return {
        **_period_document(one.whole),
        "open_minutes": one.open_minutes,
        "touches_by_kind": one.kinds,
        "causes": one.causes,
        "trend": [_period_document(period) for period in one.trend],
    }


def _period_document(period: Period) -> dict[str, Any]:
    return {
        "begins_at": period.begins_at,
        "received": period.received,
        "came_through": period.through,
        "quarantined": period.quarantined,
        "share_untouched": period.share_untouched,
        "touches": period.touches,
        "touches_untimed": period.untimed,
        "minutes": period.minutes,
        "minutes_estimated": period.estimated,
        "minutes_per_1000": period.minutes_per_1000,
        "minutes_per_1000_estimated": period.estimated_per_1000,
    }


def _show(measured: Sequence[Autonomy], days: int, now: datetime) -> None:
    console = answers()
    shown = [one for one in measured if one.whole.received or one.whole.touches or one.causes]
    if not shown:
        console.print(f"Nothing arrived within {counted(days, 'day')}, and nobody had to act.")
        return
    table = plain_table(
        "outcome", ">received", ">untouched", ">touches", ">minutes", ">estimated", ">open"
    )
    for one in shown:
        table.add_row(Text(one.outcome, style="bold"), *_cells(one.whole, one.open_minutes))
    if len(shown) > 1:
        everything = together([one.whole for one in shown])
        costs = sum(one.open_minutes for one in shown)
        table.add_row(Text("all of them", style="dim"), *_cells(everything, costs))
    console.print(table)
    for one in shown:
        console.print(Text.assemble("\n", (one.outcome, "bold"), with_signs(_trend(one, now))))
        for line in _lines(one):
            console.print(f"  {with_signs(line)}")
    legend = (
        "untouched: of what came through, records that never were in quarantine · minutes, "
        "estimated: per 1,000 records received, as people said and as the human step says · "
        "open: what lies in quarantine would still take"
    )
    console.print(f"\n{legend}", style="dim")


def _cells(whole: Period, open_minutes: float) -> tuple[str, ...]:
    return (
        f"{whole.received:,}",
        _share(whole),
        f"{whole.touches:,}",
        _per_1000(whole.minutes_per_1000),
        _per_1000(whole.estimated_per_1000),
        effort(open_minutes) if open_minutes else _NOTHING,
    )


def _share(period: Period) -> str:
    share = period.share_untouched
    if share is None:
        return _NOTHING
    # Only what is whole is said to be: 99.96 % would be rounded to it.
    return f"{min(share, 0.999):.1%}" if period.quarantined else "100%"


def _per_1000(minutes: float | None) -> str:
    return _NOTHING if minutes is None else f"{minutes:,.1f}"


def _trend(one: Autonomy, now: datetime) -> str:
    """The share of each period, oldest first; the last one ends now and is a whole one."""
    width = now - one.trend[-1].begins_at
    unit = {timedelta(days=1): "day", timedelta(days=7): "week"}.get(width, f"{width.days} days")
    shares = "  ".join(_share(period) for period in one.trend)
    return f": untouched by {unit}, oldest first: {shares}"


def _lines(one: Autonomy) -> Iterator[str]:
    for cause in one.causes[:CAUSES_SHOWN]:
        yield _cause(cause)
    left = one.causes[CAUSES_SHOWN:]
    if left:
        records = counted(sum(cause.records for cause in left), "record")
        yield f"… and {counted(len(left), 'more cause')} of {records}"
    if one.kinds:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in one.kinds.items())
        untimed = one.whole.untimed
        rest = f"; of {untimed:,} nobody knows the minutes" if untimed else ""
        yield f"touches: {kinds}{rest}"


def _cause(cause: Cause) -> str:
    takes = f", {effort(cause.minutes)} by hand" if cause.minutes else ""
    costs = f" ({effort(cause.open_minutes)})" if cause.open_minutes else ""
    still_open = f"; open: {cause.open:,}{costs}" if cause.open else ""
    return f"{cause.failure_mode}: {counted(cause.records, 'record')}{takes}{still_open}"
