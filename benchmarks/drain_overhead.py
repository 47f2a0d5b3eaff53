"""What a drain costs beside the same five steps written by hand as plain Dagster assets.

    python benchmarks/drain_overhead.py [--rounds 20]

Both get the same day file, one after the other, round after round, each on a stored instance of
its own; CPU seconds of this process, medians over the rounds. The limit is twice the hand-written.
"""

import argparse
import importlib
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
from handwritten import MODES, RULE_BY_RULE, Place, handwritten

from opsintel_dagster.cli.demo_plan import AIRPORTS, FLEET, FLIGHTS
from opsintel_dagster.cli.demo_runs import QUIET, Operation
from opsintel_dagster.cli.demo_source import DemoSource
from opsintel_dagster.orchestration.instance import carried
from opsintel_dagster.orchestration.keys import JOB_NAME
from opsintel_dagster.settings import ROOT_VARIABLE

LIMIT = 2.0
WARM_UP = 3


def instance_at(home: Path) -> dg.DagsterInstance:
    """A stored instance, as `dagster dev` has it, without telemetry."""
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return dg.DagsterInstance.from_config(str(home))


def put(file: Path, folder: Path) -> None:
    """Let a file lie in an inbox since a while."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    target.write_bytes(file.read_bytes())
    long_ago = time.time() - 60
    os.utime(target, (long_ago, long_ago))


def cpu_of(work: Callable[[], None]) -> float:
    """CPU seconds of all threads of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def ours(root: Path) -> Callable[[], None]:
    """A drain of the declared outcome, registers delivered."""
    os.environ[ROOT_VARIABLE] = str(root)
    sys.path.insert(0, str(Path(__file__).parents[1]))
    repository = importlib.import_module("definitions").defs().get_repository_def()
    compiled = {one.name: one for _, one in carried(repository)}
    running = Operation(compiled, instance_at(root / "home"), repository.get_job(JOB_NAME))
    for register in (AIRPORTS, FLEET):
        running.drain(register)
    return lambda: running.drain(FLIGHTS)


def peer(root: Path, checks: dict[str, list[str]]) -> Callable[[], None]:
    """A run of the hand-written assets."""
    job = handwritten(Place(root), checks).resolve_job_def("drain")
    instance = instance_at(root / "home")

    def run() -> None:
        result = job.execute_in_process(run_config=QUIET, instance=instance)
        if not result.success:
            raise SystemExit("the hand-written peer failed")

    return run


def desk_of(root: Path) -> dict[str, int]:
    """How many records lie on each desk in the end: the same everywhere, or nothing is compared."""
    beside = root / ".opsintel" / "desk.db"
    with sqlite3.connect(beside if beside.exists() else root / "desk.db") as desk:
        return {
            name: desk.execute(f"SELECT count(*) FROM {name}_queue").fetchone()[0]
            for name in ("rebooking", "care", "gate")
        }


def main() -> None:
    """Measure and print; exit 1 beyond the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="opsintel-overhead-") as folder:
        source = DemoSource.found(Path(folder) / "cache")
        roots = {name: Path(folder) / name for name in ("ours", "rules", "modes")}
        for root in roots.values():
            put(source.airports, root / "inbox" / "airports")
            put(source.planes, root / "inbox" / "aircraft")
        drains = {
            "ours": ours(roots["ours"]),
            "rules": peer(roots["rules"], RULE_BY_RULE),
            "modes": peer(roots["modes"], MODES),
        }
        times: dict[str, list[float]] = {name: [] for name in drains}
        load = os.getloadavg()[0]
        for file in source.day_files(WARM_UP + rounds):
            for name, drain in drains.items():
                put(file, roots[name] / "inbox" / "departures")
                times[name].append(cpu_of(drain))
        desks = {name: desk_of(root) for name, root in roots.items()}
    if desks["ours"] != desks["rules"] or desks["ours"] != desks["modes"]:
        raise SystemExit(f"they did not do the same work: {desks}")
    medians = {name: statistics.median(values[WARM_UP:]) for name, values in times.items()}
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f} before and "
        f"{os.getloadavg()[0]:.1f} after, {rounds} rounds of one day file each"
    )
    print(f"{'declared outcome':<46} {medians['ours']:.3f} CPU s")
    for name, what in (
        ("rules", "a check per rule, as ours"),
        ("modes", "a check per failure mode"),
    ):
        ratio = medians["ours"] / medians[name]
        print(f"{'by hand, ' + what:<46} {medians[name]:.3f} CPU s, ours is {ratio:.2f} times that")
    raise SystemExit(medians["ours"] > LIMIT * medians["rules"])


if __name__ == "__main__":
    main()
