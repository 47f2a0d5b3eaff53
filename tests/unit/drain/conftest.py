from collections.abc import Iterator
from pathlib import Path

import pytest
from scenario import Operation


@pytest.fixture(params=["sqlite", "postgres"])
def operation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Operation]:
    """The scenario, with nothing dropped yet; its ledger on both databases.

    Whatever a test did to it, simulating the unchanged declaration must change nothing.
    """
    url: str | None = None
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    ready = Operation(tmp_path, ledger_url=url)
    yield ready
    if url is None:
        ready.assert_simulating_changes_nothing()
    ready.close()
