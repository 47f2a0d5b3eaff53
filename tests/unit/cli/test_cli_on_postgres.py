"""The same commands on a ledger in PostgreSQL."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scenario import Operation


def test_every_command_that_reads_the_ledger_reads_it_on_postgres(
    root: Path, postgres_url: str, answer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSINTEL_LEDGER_URL", postgres_url)
    operation = Operation(root, ledger_url=postgres_url)
    operation.begin()
    operation.close()
    [parcels, _] = answer("status")["outcomes"]
    assert (parcels["outcome"], parcels["open_records"]) == ("parcels", 6)
    [case] = [one for one in answer("cases", "list")["cases"] if one["records"] and one["minutes"]]
    assert answer("cases", "show", case["case"][:8])["name"] == "parcels.unknown_depot"
    assert answer("trace", "parcels", "P2")["records"][0]["place"] == "delivered"
    assert answer("drain", "--all")["outcomes"][1]["conservation_holds"]
    assert answer("release", "parcels")["released_from"] == "tests"
