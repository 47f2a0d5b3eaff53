"""The demo's figures as a table that a person understands without having read anything."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from opsintel_dagster.cli.console import plain_table
from opsintel_dagster.cli.demo_figures import Figures, Trouble
from opsintel_dagster.cli.wording import age, counted


def show_figures(console: Console, registers: Sequence[Figures], main: Figures) -> None:
    """Print what became of the records: the main outcome in full, the registers in a line each."""
    console.print(Text.assemble((main.outcome, "bold"), f": {main.promise}"), soft_wrap=True)
    console.print(_whole(main))
    console.print(Text("The registers it refers to", style="bold"))
    console.print(_registers(registers))


def _whole(figures: Figures) -> Table:
    table = plain_table("", ">records", ">share", ">a person would need")
    _line(table, f"received in {counted(figures.arrivals, 'file')}", figures.received, figures)
    table.add_section()
    table.add_row("delivered")
    for route, records in figures.delivered.items():
        _line(table, f"  {route}", records, figures)
    _line(table, "no action, on purpose", figures.no_action, figures)
    law = figures.conservation
    for label, records in (
        ("unchanged since an earlier file", law.unchanged),
        ("superseded by a correction", law.superseded),
        ("on their way", law.in_flight),
    ):
        if records:
            _line(table, label, records, figures)
    table.add_section()
    _troubles(table, "quarantined, waiting for an answer", figures.quarantined, figures)
    table.add_section()
    _troubles(table, "went on, with a warning", figures.warned, figures)
    table.add_section()
    table.add_row("conservation", *_law(figures))
    table.add_row("promise", *_promise(figures))
    needed = Text(f"{hours(figures.minutes)} in all", style="bold")
    table.add_row("touches: times a person acted", f"{figures.touches:,}", "", needed)
    return table


def _line(table: Table, label: str, records: int, figures: Figures, needed: str = "") -> None:
    share = f"{records / figures.received:.1%}" if figures.received else ""
    table.add_row(label, f"{records:,}", share, needed)


def _troubles(table: Table, label: str, troubles: Sequence[Trouble], figures: Figures) -> None:
    table.add_row(label if troubles else f"{label}: none")
    for one in troubles:
        healed = 0 if one.open is None else one.records - one.open
        note = f", {healed:,} out again" if healed else ""
        needed = "" if one.minutes is None else hours(one.minutes)
        _line(table, f"  {one.failure_mode}{note}", one.records, figures, needed)


def _law(figures: Figures) -> tuple[Text, str, str]:
    law = figures.conservation
    if law.holds:
        return Text("holds", style="green"), "", f"{law.accounted:,} found of {law.received:,}"
    apart = law.accounted - law.received
    return Text("BROKEN", style="bold red"), f"{apart:+,}", "; ".join(law.problems)


def _promise(figures: Figures) -> tuple[Text, str, str]:
    late = len(figures.late_arrivals)
    within = age(figures.within_seconds)
    if not late:
        return Text("kept", style="green"), "", f"every file within {within}"
    return (
        Text(f"{late:,} late", style="yellow"),
        "",
        f"{figures.arrivals - late:,} files within {within}",
    )


def _registers(registers: Iterable[Figures]) -> Table:
    table = plain_table(
        "outcome", ">received", ">delivered", ">quarantined", ">warned", "conservation"
    )
    for one in registers:
        table.add_row(
            one.outcome,
            f"{one.received:,}",
            f"{sum(one.delivered.values()):,}",
            f"{sum(trouble.records for trouble in one.quarantined):,}",
            f"{sum(trouble.records for trouble in one.warned):,}",
            _law(one)[0],
        )
    return table


def hours(minutes: float) -> str:
    """`74 h 17 min`, `12 min`: working time, which nobody counts in days."""
    whole, rest = divmod(round(minutes), 60)
    return f"{whole:,} h {rest} min" if whole else f"{rest} min"
