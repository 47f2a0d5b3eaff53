"""A million rows in quarantine: seconds to group, to list a long history, and memory to replay.

    python benchmarks/causes.py [--rows N] [--json]

Each measurement runs in a process of its own, whose peak resident set is what the kernel says of
it: rows of ten thousand causes are put into cases, a million closed cases are listed, and the rows
of one case are looked at, decided about and delivered.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
from sqlalchemy import func, insert, select

from opsintel_dagster.ledger import Lease, case_listing, cases, hold
from opsintel_dagster.ledger.decisions import DecisionKind
from opsintel_dagster.ledger.tables import case, case_rows
from opsintel_dagster.orchestration import opening, quarantine, stage_verified
from opsintel_dagster.orchestration.carrying_out import execute
from opsintel_dagster.orchestration.compiled import Compiled, compile_outcomes
from opsintel_dagster.orchestration.decisions import decide, preview
from opsintel_dagster.orchestration.drain import Drain
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome import Outcome
from opsintel_dagster.settings import Settings

ROWS = 1_000_000
CAUSES = 10_000
MOST_SECONDS = 10.0
"""What grouping may take."""
MOST_GROWTH = 1.5
"""How much more memory ten times the rows of a case may take."""


class Parcel(pa.DataFrameModel):
    """A parcel whose depot has to be one of two, and that has a weight."""

    depot: str = pa.Field(isin=["HAM", "BER"])
    note: str
    weight: float = pa.Field(ge=0)


def outcome(*, mends: bool = False, per: tuple[str, ...] | None = None) -> Compiled:
    """Parcels by depot; `mends` lets every depot pass."""
    contract = Parcel
    if mends:
        contract = pa.DataFrameSchema(
            {"depot": pa.Column(str), "note": pa.Column(str), "weight": pa.Column(float)}
        )
    rules = ["weight.ge"] if mends else ["depot.isin"]
    declared = Outcome(
        name="parcels",
        promise="Every parcel reaches its desk.",
        within="15m",
        owner="team:parcels",
        source={"kind": "files", "path": "inbox/*.parquet", "settle": "0s"},
        contract=contract,
        tolerance=1.0,
        failure_modes=[] if mends else [{"name": "depot", "rules": rules, "per": per}],
        routes=[{"to": "gate"}],
        handoff={"gate": {"kind": "files", "path": "out/gate"}},
    )
    return compile_outcomes([declared], location="benchmark")[0]


def expect(found: object, wanted: object, about: object) -> None:
    """A figure of something that went wrong is none."""
    if found != wanted:
        raise SystemExit(f"{found} instead of {wanted}: {about}")


def drop(root: Path, rows: int, causes: int) -> None:
    """One file of rows with a depot that nobody knows."""
    number = pl.int_range(rows, eager=True)
    frame = pl.DataFrame(
        {
            "depot": "D" + (number % causes).cast(pl.String),
            "note": "parcel " + number.cast(pl.String),
            "weight": (number % 97).cast(pl.Float64),
        }
    )
    (root / "inbox").mkdir(exist_ok=True)
    file = root / "inbox" / "day.parquet"
    frame.write_parquet(file)
    before = time.time() - 5
    os.utime(file, (before, before))


def group(root: Path, rows: int) -> dict[str, Any]:
    """Drain rows of ten thousand causes; what of it is grouping, and what the ledger keeps."""
    spent = 0.0

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any, **options: Any) -> Any:
            nonlocal spent
            began = time.monotonic()
            try:
                return call(*args, **options)
            finally:
                spent += time.monotonic() - began

        return measured

    for module, name in ((stage_verified, "placed"), (stage_verified, "open_cases")):
        setattr(module, name, timed(getattr(opening, name)))
    quarantine.offending_values = timed(quarantine.offending_values)
    drop(root, rows, CAUSES)
    began = time.monotonic()
    with Installation.open(Settings.below(root)) as installation:
        report = Drain(outcome(per=("depot",)), installation).run()
        expect(report.verified.quarantined, rows, report.failures)
        seconds = time.monotonic() - began
        with installation.ledger.read() as connection:
            kept = connection.execute(select(func.count()).select_from(case)).scalar_one()
            groups = connection.execute(select(func.count()).select_from(case_rows)).scalar_one()
            rest = cases.find(connection, cases.case_id("parcels", "depot", cases.OTHER_CAUSES))
            told = "" if rest is None else cases.told_more(rest.facts)
    return {
        "grouping_seconds": spent,
        "drain_seconds": seconds,
        "cases": kept,
        "case_rows": groups,
        "told": told,
    }


def history(root: Path, rows: int) -> dict[str, Any]:
    """List what is open beside a million closed cases."""
    began = datetime(2020, 1, 1, tzinfo=UTC)

    def row(number: int, state: str) -> dict[str, Any]:
        at = began + timedelta(seconds=number)
        return {
            "id": cases.case_id("parcels", "depot", f"D{state}{number}"),
            "outcome": "parcels",
            "failure_mode": "depot",
            "cause": f"D{state}{number}",
            "episode": 1,
            "revision": 1,
            "state": state,
            "owner": "team:parcels",
            "facts": {"values": {}},
            "opened_at": at,
            "last_seen_at": at,
            "closed_at": at if state == "closed" else None,
            "tried_version": {},
        }

    with Installation.open(Settings.below(root)) as installation:
        installation.ledger.migrate()
        with installation.ledger.write() as connection:
            for start in range(0, rows, 10_000):
                some = [row(number, "closed") for number in range(start, start + 10_000)]
                connection.execute(insert(case), some)
            connection.execute(insert(case), [row(number, "open") for number in range(100)])
        with installation.ledger.read() as connection:
            measured = {}
            for name, ask in {
                "open": lambda: case_listing.listing(connection),
                "open_of_outcome": lambda: case_listing.listing(connection, ["parcels"]),
                "open_by_outcome": lambda: case_listing.open_by_outcome(connection),
                "count_open": lambda: case_listing.count_open(connection),
                "closed": lambda: case_listing.closed(connection, limit=1000),
                "closed_of_outcome": lambda: case_listing.closed(
                    connection, ["parcels"], limit=1000
                ),
                "count_closed": lambda: case_listing.count_closed(connection),
            }.items():
                ask()
                start_at = time.monotonic()
                ask()
                measured[name] = time.monotonic() - start_at
    return measured


def fill(root: Path, rows: int) -> dict[str, Any]:
    """Quarantine the rows of one case."""
    drop(root, rows, 4)
    with Installation.open(Settings.below(root)) as installation:
        report = Drain(outcome(), installation).run()
        expect(report.verified.quarantined, rows, report.failures)
    return {}


def look(root: Path, rows: int) -> dict[str, Any]:
    """Preview a decision about them, and make it."""
    identity = cases.case_id("parcels", "depot")
    with Installation.open(Settings.below(root)) as installation:
        told = {"actor": "kim", "now": datetime.now(UTC)}
        began = time.monotonic()
        shown = preview(installation, outcome(mends=True), identity, DecisionKind.REPLAY)
        seconds = time.monotonic() - began
        expect(shown.plan.leave, rows, shown.plan)
        decide(
            installation,
            outcome(mends=True),
            identity,
            DecisionKind.REPLAY,
            previewed=shown,
            **told,
        )
    return {"seconds": seconds}


def carry_out(root: Path, rows: int) -> dict[str, Any]:
    """Carry it out and deliver them: the drain."""
    began = time.monotonic()
    with Installation.open(Settings.below(root)) as installation:
        report = Drain(outcome(mends=True), installation).run()
    expect(report.delivered.delivered, rows, report.failures)
    counted = report.promise.conservation
    expect(counted is not None and counted.holds, True, counted)
    return {"seconds": time.monotonic() - began}


def move(root: Path, rows: int) -> dict[str, Any]:
    """Carry it out, and deliver nothing yet: of the drain only what a decision adds."""
    compiled = outcome(mends=True)
    with (
        Installation.open(Settings.below(root)) as installation,
        hold(installation.ledger, "parcels") as lease,
    ):
        if not isinstance(lease, Lease):
            raise SystemExit(str(lease))
        began = time.monotonic()
        moved = execute(Work(compiled, installation, lease), {}, {})
    expect(moved, rows, "moved")
    return {"seconds": time.monotonic() - began}


STEPS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "group": group,
    "history": history,
    "fill": fill,
    "look": look,
    "move": move,
    "carry_out": carry_out,
}


def run(step: str, root: Path, rows: int) -> dict[str, Any]:
    """One step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--root", str(root), "--rows", str(rows)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


def measure(rows: int) -> dict[str, Any]:
    """All of it."""
    found: dict[str, Any] = {"rows": rows, "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="opsintel-causes-") as folder:
        found["group"] = run("group", Path(folder), rows)
    with tempfile.TemporaryDirectory(prefix="opsintel-causes-") as folder:
        found["history"] = run("history", Path(folder), rows)
    for size in (rows // 10, rows):
        with tempfile.TemporaryDirectory(prefix="opsintel-causes-") as folder:
            for step in ("fill", "look", "move", "carry_out"):
                found[f"{step} {size}"] = run(step, Path(folder), size)
    return found


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The report."""
    rows, grouped, listed = found["rows"], found["group"], found["history"]
    load = f"load {found['load_before']:.1f} before"
    yield f"Python {platform.python_version()}, {os.cpu_count()} cores, {load}"
    yield (
        f"{rows:,} rows of {CAUSES:,} causes in one batch: grouped in "
        f"{grouped['grouping_seconds']:.1f} s of a drain of {grouped['drain_seconds']:.1f} s "
        f"(limit {MOST_SECONDS:g} s)"
    )
    yield f"ledger: {grouped['cases']:,} cases, {grouped['case_rows']:,} groups; {grouped['told']}"
    for name in listed:
        if name != "peak_bytes":
            yield f"beside {rows:,} closed cases, {name}: {listed[name] * 1000:.1f} ms"
    for step in ("fill", "look", "move", "carry_out"):
        few, many = found[f"{step} {rows // 10}"], found[f"{step} {rows}"]
        yield (
            f"{step}: peak {few['peak_bytes'] / 2**20:.0f} MiB for {rows // 10:,} rows, "
            f"{many['peak_bytes'] / 2**20:.0f} MiB for {rows:,}"
            + (f" in {many['seconds']:.1f} s" if "seconds" in many else "")
        )


def main() -> None:
    """Measure and report; exit with 1 beyond a limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--step", choices=STEPS)
    parser.add_argument("--root", type=Path)
    asked = parser.parse_args()
    if asked.step:
        result = STEPS[asked.step](asked.root, asked.rows)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({**result, "peak_bytes": peak}))
        return
    found = measure(asked.rows)
    print(json.dumps(found, indent=2) if asked.json else "\n".join(lines(found)))
    grown = [
        found[f"{step} {asked.rows}"]["peak_bytes"]
        / found[f"{step} {asked.rows // 10}"]["peak_bytes"]
        for step in ("look", "move")
    ]
    sys.exit(found["group"]["grouping_seconds"] > MOST_SECONDS or max(grown) > MOST_GROWTH)


if __name__ == "__main__":
    main()
