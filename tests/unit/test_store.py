"""Where frames live, on a local folder and behind an fsspec URL."""

import os
import re
import sys
import time
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from upath import UPath

from opsintel_dagster.errors import SettingsError, StoreError
from opsintel_dagster.store import Store

ROWS = pl.DataFrame({"_row": [1, 2, 3], "name": ["a", None, "ü"]})


@pytest.fixture(params=["local", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "local" else f"memory://{uuid4().hex}"


def test_what_was_written_is_read_back(root: str) -> None:
    store = Store(root)
    file = store.write("parcels", "b1", "raw", ROWS)
    assert store.read([file.path]).equals(ROWS)
    assert store.scan([file.path]).collect().equals(ROWS)
    assert store.count([file.path]) == {file.path: file.rows}
    assert store.count([file.path], pl.col("name").is_null()) == {file.path: 1}
    assert file.bytes == (UPath(root) / file.path).stat().st_size


def test_every_attempt_writes_a_name_of_its_own(root: str) -> None:
    store = Store(root)
    paths = {store.write("parcels", "b1", "raw", ROWS).path for _ in range(5)}
    assert len(paths) == 5


def test_parts_are_read_together_with_the_union_of_their_columns(root: str) -> None:
    store = Store(root)
    more = pl.DataFrame({"_row": [4], "note": ["new"]})
    paths = [store.write("parcels", "b1", "raw", rows).path for rows in (ROWS, more)]
    rows = store.read(paths)
    assert rows.columns == ["_row", "name", "note"]
    assert rows["_row"].to_list() == [1, 2, 3, 4]


def test_a_file_the_ledger_names_and_that_is_gone_is_an_error_that_names_it(root: str) -> None:
    store = Store(root)
    file = store.write("parcels", "b1", "raw", ROWS)
    (UPath(root) / file.path).unlink()
    with pytest.raises(StoreError, match=re.escape(file.path)):
        store.read([file.path])
    (found,) = store.count([file.path]).values()
    assert isinstance(found, StoreError)
    assert file.path in str(found)


def test_counting_the_rows_of_a_remote_file_fetches_its_footer_and_not_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(f"memory://{uuid4().hex}")
    many = pl.DataFrame({"_row": range(50_000), "text": [uuid4().hex for _ in range(50_000)]})
    file = store.write("parcels", "b1", "raw", many)
    fetched: list[int] = []
    fetch = MemoryFileSystem.cat_file

    def fetches(self: MemoryFileSystem, path: str, **part: int) -> bytes:
        content: bytes = fetch(self, path, **part)
        fetched.append(len(content))
        return content

    monkeypatch.setattr(MemoryFileSystem, "cat_file", fetches)
    assert store.count([file.path]) == {file.path: 50_000}
    assert 0 < sum(fetched) < file.bytes / 10
    monkeypatch.setattr("opsintel_dagster.store.FOOTER_BYTES", 16)  # a footer that is longer
    assert store.count([file.path]) == {file.path: 50_000}


def test_a_damaged_file_is_an_error_and_no_panic(root: str) -> None:
    store = Store(root)
    file = store.write("parcels", "b1", "raw", ROWS)
    (UPath(root) / file.path).write_bytes(b"PAR1 this is no Parquet")
    (found,) = store.count([file.path]).values()
    assert isinstance(found, StoreError)
    with pytest.raises(StoreError, match="cannot be read"):
        store.read([file.path])


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot be written"):
        Store(str(tmp_path / "store")).write("parcels", "b1", "raw", ROWS)


def test_sweeping_removes_old_files_nobody_names_and_no_others(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    named, forgotten, fresh, foreign = (
        store.write(outcome, "b1", "raw", ROWS).path
        for outcome in ("parcels", "parcels", "parcels", "depots")
    )
    two_days_ago = time.time() - 2 * 24 * 3600
    for path in (named, forgotten, foreign):
        os.utime(tmp_path / path, (two_days_ago, two_days_ago))
    assert store.sweep("parcels", {named}) == 1
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.parquet")}
    assert left == {named, fresh, foreign}


def test_sweeping_a_place_that_does_not_exist_is_nothing_to_do(root: str) -> None:
    assert Store(root).sweep("parcels", set()) == 0


@pytest.mark.parametrize(("url", "says"), [("s3://bucket/frames", "s3fs"), ("nope://x", "nope")])
def test_a_url_that_nothing_here_can_read_is_refused_with_the_way_out(
    url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(SettingsError, match=f"OPSINTEL_STORE_URL.*{says}.*Install what it says"):
        Store(url)
