"""Seeded random schedules of faults: the law and single delivery hold after each of them.

A seed that fails is run alone with `OPSINTEL_FAULT_SEED=<seed> pytest <the test>`;
`OPSINTEL_FAULT_FIRST` begins somewhere else than at 0, for a CI that wants other ones every day.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import pytest
from laboratory import Laboratory, ready
from sqlalchemy import Engine, text

ALONE = "OPSINTEL_FAULT_SEED"
FIRST = "OPSINTEL_FAULT_FIRST"
SCHEDULES = "OPSINTEL_FAULT_SCHEDULES"

KILLED_EVERY = 5


def seeds(count: int) -> list[int]:
    """So many seeds, or the one that is wanted."""
    first = int(os.environ.get(FIRST, "0"))
    alone = os.environ.get(ALONE)
    return [int(alone)] if alone is not None else list(range(first, first + count))


def follow(laboratory: Laboratory, seed: int) -> None:
    """Run it; who looks at a failure is told how to see it again."""
    try:
        laboratory.run()
    except Exception as error:
        error.add_note(f"schedule {seed}: run it alone with {ALONE}={seed}")
        raise


@pytest.mark.parametrize("seed", seeds(144))
def test_faults_lose_nothing_and_double_nothing(tmp_path: Path, seed: int) -> None:
    follow(Laboratory(tmp_path, seed), seed)


@pytest.mark.parametrize("seed", seeds(40))
def test_neither_does_kill_9(tmp_path: Path, seed: int) -> None:
    laboratory = Laboratory(tmp_path, seed, kills=1)
    follow(laboratory, seed)


@pytest.fixture(scope="module")
def begun(postgres_server: Engine) -> tuple[str, Path]:
    """A database in which the register is known, and the folder that belongs to it."""
    name = f"begun_{uuid4().hex}"
    with postgres_server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = postgres_server.url.set(database=name).render_as_string(hide_password=False)
    return name, ready(url)


@pytest.fixture
def postgres_copy(begun: tuple[str, Path], postgres_server: Engine) -> Iterator[tuple[str, Path]]:
    """A database of this test alone that is as far, and the folder that belongs to it."""
    template, folder = begun
    name = f"test_{uuid4().hex}"
    with postgres_server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        url = postgres_server.url.set(database=name)
        yield url.render_as_string(hide_password=False), folder
    finally:
        with postgres_server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.mark.parametrize("seed", seeds(20))
def test_nor_does_it_on_postgres(
    tmp_path: Path, postgres_copy: tuple[str, Path], seed: int
) -> None:
    url, folder = postgres_copy
    kills = seed % 2
    follow(Laboratory(tmp_path, seed, kills=kills, url=url, begun=folder), seed)


@pytest.mark.slow
def test_ten_thousand_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    fired: Counter[str] = Counter()
    failed: dict[int, str] = {}
    in_doubt = 0
    begin = perf_counter()
    wanted = seeds(int(os.environ.get(SCHEDULES, "10000")))
    for seed in wanted:
        with tempfile.TemporaryDirectory() as folder:
            laboratory = Laboratory(Path(folder), seed, kills=int(seed % KILLED_EVERY == 0))
            try:
                laboratory.run()
            except Exception as error:  # noqa: BLE001  # all that fail are told, not the first
                failed[seed] = repr(error)[:500]
            fired += laboratory.fired
            in_doubt += laboratory.in_doubt
    with capsys.disabled():
        seconds = perf_counter() - begin
        print(f"\n{len(wanted)} schedules, {fired.total()} faults in {seconds:,.0f} s:")
        print(f"{dict(sorted(fired.items()))}; {in_doubt} batches in doubt; failed: {failed}")
    assert failed == {}
