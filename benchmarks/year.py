"""A whole year of departures in one drain: 365 files, 336,776 records. Seconds, CPU, peak memory.

    python benchmarks/year.py [--json]

The files are cut and put into a temporary inbox first; the drain runs in a process of its own,
whose peak resident set is what the kernel says of it.
"""

import argparse
import importlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from opsintel_dagster.cli.demo_figures import figures_of
from opsintel_dagster.cli.demo_plan import FLIGHTS, OUTCOMES, plan
from opsintel_dagster.cli.demo_source import DemoSource
from opsintel_dagster.orchestration.drain import Drain
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.instance import carried
from opsintel_dagster.settings import Settings

DAYS = 365
MOST_SECONDS = 30.0
MOST_BYTES = 1 << 30


def prepare(root: Path) -> None:
    """Put the year and both registers into the inboxes below `root`."""
    for step in plan(DemoSource.found(root / "cache"), root, DAYS):
        for drop in step.drops:
            drop.perform()


def drain(root: Path) -> dict[str, Any]:
    """Drain everything below `root` in this process; what it took and what came of it."""
    definitions = importlib.import_module("definitions")
    compiled = {one.name: one for _, one in carried(definitions.defs().get_repository_def())}
    took: dict[str, float] = {}
    with Installation.open(Settings.below(root)) as installation:
        for name in OUTCOMES:
            began, cpu = time.monotonic(), time.process_time()
            report = Drain(compiled[name], installation).run()
            took = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
            if report.failures or report.skipped:
                raise SystemExit(f"{name}: {report.skipped or dict(report.failures)}")
        figures = figures_of(installation, compiled[FLIGHTS])
    return {
        **took,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "files": figures.arrivals,
        "records": figures.received,
        "holds": figures.conservation.holds,
        "delivered": dict(figures.delivered),
        "no_action": figures.no_action,
        "quarantined": {one.failure_mode: one.records for one in figures.quarantined},
        "warned": {one.failure_mode: one.records for one in figures.warned},
    }


def measure() -> dict[str, Any]:
    """Prepare, and drain in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="opsintel-year-") as folder:
        prepare(Path(folder))
        load = os.getloadavg()[0]
        command = [sys.executable, __file__, "--drain", folder]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        environment.pop("DESK_URL", None)
        ran = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environment
        )
        result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        return {**result, "load_before": load}


def main() -> None:
    """Measure and print, or drain for a measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--drain", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drain:
        print(json.dumps(drain(arguments.drain)))
        return
    found = measure()
    if arguments.json:
        print(json.dumps(found))
        return
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {found['load_before']:.1f} before"
    )
    print(f"{found['files']} files, {found['records']:,} records, law holds: {found['holds']}")
    print(f"wall {found['seconds']:6.1f} s    (limit {MOST_SECONDS:.0f} s)")
    print(f"CPU  {found['cpu']:6.1f} s")
    print(
        f"peak {found['peak_bytes'] / 2**20:6.0f} MiB  (limit {MOST_BYTES / 2**20:.0f} MiB, "
        "imports and Dagster included)"
    )


if __name__ == "__main__":
    main()
