"""What to do after the demo: commands that can be copied, about records that are really there."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from opsintel_dagster.cli.demo_figures import Figures
from opsintel_dagster.cli.demo_plan import AIRPORTS, FLIGHTS, UNKNOWN_DESTINATION
from opsintel_dagster.cli.demo_runs import HOME_VARIABLE
from opsintel_dagster.cli.wording import place
from opsintel_dagster.orchestration.reading import read
from opsintel_dagster.settings import Settings

_KEY: Final = ("year", "month", "day", "carrier", "flight", "origin")


def show_next_steps(console: Console, settings: Settings, main: Figures, corrected: Path) -> None:
    """Print what to try next; healing the quarantine only while there is something to heal."""
    opsintel, dagster = _command("opsintel"), _command("dagster")
    inbox = place(settings.root / "inbox" / "airports" / "airports.csv")
    key = _longest_delay(settings)
    steps = [
        ("open the UI", f"{_home(settings)}{dagster} dev"),
        ("see what is open, and why", f"{opsintel} cases list"),
        ("follow the longest delay", f"{opsintel} trace {FLIGHTS} {key}"),
    ]
    if any(one.failure_mode == UNKNOWN_DESTINATION and one.open for one in main.quarantined):
        heals = "and see the quarantine heal (with the UI open it does so by itself)"
        steps += [
            ("publish the register with the missing airports", f"cp {place(corrected)} {inbox}"),
            (heals, f"{opsintel} drain {AIRPORTS} && {opsintel} drain {FLIGHTS}"),
        ]
    console.print("\nWhat next", style="bold")
    for what, command in steps:
        console.print(f"  {what}", style="dim", soft_wrap=True)
        console.print(f"    {command}", soft_wrap=True)


def _home(settings: Settings) -> str:
    """How to tell Dagster where the demo's runs are, unless the shell says so already."""
    home = os.environ.get(HOME_VARIABLE, "")
    if home != str(settings.root):
        return ""
    return f"{HOME_VARIABLE}={'$PWD' if settings.root == Path.cwd() else home} "


def _longest_delay(settings: Settings) -> str:
    """The key of the delivered departure that waited longest; empty if none was delivered."""
    rows = read(FLIGHTS, "delivered", settings=settings).drop_nulls("dep_delay")
    longest = rows.sort("dep_delay", *_KEY, descending=True).select(_KEY).head(1).collect()
    return ",".join(str(value) for value in longest.row(0)) if longest.height else ""


def _command(name: str) -> str:
    """How to call a command of this environment from here."""
    beside = Path(sys.executable).with_name(name)
    return name if shutil.which(name) or not beside.exists() else place(beside)
