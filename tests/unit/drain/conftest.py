from collections.abc import Iterator
from pathlib import Path

import pytest
from scenario import Operation


@pytest.fixture
def operation(tmp_path: Path) -> Iterator[Operation]:
    """The scenario, with nothing dropped yet."""
    ready = Operation(tmp_path)
    yield ready
    ready.close()
