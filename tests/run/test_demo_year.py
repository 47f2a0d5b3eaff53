"""The whole year in one drain: fast enough, small enough, and every figure right."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from demo_recount import recount

from opsintel_dagster.cli.demo_source import DemoSource

YEAR = Path(__file__).parents[2] / "benchmarks" / "year.py"


@pytest.mark.slow
def test_a_year_drains_within_thirty_seconds_and_a_gibibyte(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(YEAR), "--json"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found = json.loads(ran.stdout)
    source = DemoSource.found(tmp_path)
    expected = recount(source.day_files(365), source.airports, source.planes)

    assert found["files"] == expected.arrivals == 365
    assert found["records"] == expected.received == 336_776
    assert found["holds"]
    assert found["delivered"] == expected.delivered
    assert found["no_action"] == expected.no_action
    assert found["quarantined"] == expected.quarantined
    assert found["warned"] == expected.warned
    assert found["seconds"] <= 30
    assert found["peak_bytes"] <= 1 << 30
