"""Splitting a table where it lies against pulling it out first; writes results/engines.md.

    python benchmarks/engines.py [--rows 1000000] [--rounds 3]

Needs the extras `benchmark` and `engines`. The table stands in a DuckDB file and is to be two
tables of that file in the end. In the engine that is `verify_table(...).into(...)`; by way of
Polars the rows are fetched as Arrow, verified, and both sides written back. Each way runs in a
process of its own, in turn; the figures are medians of CPU seconds of all threads.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import duckdb
import ibis
import polars as pl
from verification_task import orders, schema

from opsintel_dagster.verification import Contract

RESULTS = Path(__file__).parent / "results" / "engines.md"
WAYS = ("in the engine", "by way of Polars")
# Ibis 12 fetches by a name that DuckDB 1.5 calls deprecated.
warnings.filterwarnings("ignore", "fetch_arrow_table", DeprecationWarning)


def in_the_engine(engine: Any, contract: Contract) -> list[int]:
    """Both sides without a row leaving the engine."""
    written = contract.verify_table(engine.table("orders")).into("good", "bad", overwrite=True)
    return [written.valid_rows, written.quarantine_rows]


def by_way_of_polars(engine: Any, contract: Contract) -> list[int]:
    """Both sides of rows that were fetched and sent back."""
    verdict = contract.verify(engine.table("orders").to_polars())
    for name, side in (("good", verdict.valid), ("bad", verdict.quarantine)):
        engine.create_table(name, side.drop("_row").to_arrow(), overwrite=True)
    return [verdict.valid.height, verdict.quarantine.height]


def run_once(way: str, path: str) -> dict[str, Any]:
    """One way in this process, with what it took."""
    engine = ibis.duckdb.connect(path)
    contract = Contract.compile(schema())
    before, began = time.process_time(), time.perf_counter()
    rows = {WAYS[0]: in_the_engine, WAYS[1]: by_way_of_polars}[way](engine, contract)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    took = {"cpu": time.process_time() - before, "wall": time.perf_counter() - began}
    return {**took, "rows": rows, "peak": peak}


def main() -> None:
    """Measure both ways and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", nargs=2)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(run_once(*options.once)))
        return
    lines = ["# Verification in an engine: what it costs", "", "`python benchmarks/engines.py`", ""]
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    lines.append(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, Polars {pl.__version__}, "
        f"DuckDB {duckdb.__version__}, Ibis {ibis.__version__}; load before {load}"
    )
    lines += [
        "",
        f"## {options.rows:,} rows in DuckDB, 10% bad, sixteen rules",
        "",
        "| | CPU s | wall s | peak MB | good + bad |",
        "|---|---|---|---|---|",
    ]
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/orders.duckdb"
        with duckdb.connect(path) as made:
            made.register("rows", orders(options.rows, 0.1).to_arrow())
            made.execute("CREATE TABLE orders AS SELECT * FROM rows")
        for _ in range(options.rounds):
            for way in WAYS:
                command = [sys.executable, __file__, "--once", way, path]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[way].append(json.loads(done.stdout.splitlines()[-1]))
    for way, runs in found.items():
        cpu, wall = (statistics.median(run[key] for run in runs) for key in ("cpu", "wall"))
        peak = max(run["peak"] for run in runs) / 1e6
        split = " + ".join(f"{count:,}" for count in runs[0]["rows"])
        lines.append(f"| {way} | {cpu:.2f} | {wall:.2f} | {peak:,.0f} | {split} |")
    lines.append("")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
