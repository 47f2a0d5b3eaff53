import sys
from pathlib import Path
from typing import Literal, get_args
from uuid import uuid4

import polars as pl
import pytest
from care_desk import delivery, rows
from fsspec.implementations.memory import MemoryFileSystem
from upath import UPath

from opsintel_dagster.errors import ReceiverDown, ReceiverUnfit, SettingsError
from opsintel_dagster.handoff import Guarantee, Receiver, open_receiver
from opsintel_dagster.outcome import FileReceiver

Format = Literal["parquet", "csv", "json_lines"]
SUFFIXES = {"parquet": "parquet", "csv": "csv", "json_lines": "jsonl"}
AWKWARD = {"UA1": 20, "=1+1": 1, 'a "quoted"\nname, with more': 2, "": 3, "Größe": -4}


@pytest.fixture(params=get_args(Format))
def format_(request: pytest.FixtureRequest) -> Format:
    chosen: Format = request.param
    return chosen


@pytest.fixture(params=["local", "object store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    if request.param == "local":
        return UPath(tmp_path / "care")
    return UPath(f"memory://{uuid4().hex}/care")


def open_folder(folder: UPath | str, format_: Format, root: Path = Path()) -> Receiver:
    spec = FileReceiver(path=str(folder), format=format_)
    return open_receiver(spec, root=root, outcome="disruptions", route="care")


def read(path: UPath, format_: Format) -> pl.DataFrame:
    with path.open("rb") as file:
        content = file.read()
    schema = rows(1, {}).schema
    if format_ == "parquet":
        return pl.read_parquet(content)
    if format_ == "csv":
        return pl.read_csv(content, schema=schema)
    return pl.read_ndjson(content, schema=schema)


def test_a_delivery_is_one_file_with_the_rows_as_they_are(folder: UPath, format_: Format) -> None:
    receiver = open_folder(folder, format_)
    sent = rows(1, AWKWARD)
    receipt = receiver.deliver(delivery("d1"), sent)
    [file] = folder.iterdir()
    assert receiver.guarantee is Guarantee.IDEMPOTENT
    assert file.name == f"disruptions-care-d1.{SUFFIXES[format_]}"
    assert read(file, format_).equals(sent)
    assert receipt.records == 5
    assert receipt.detail == {"name": file.name, "bytes": file.stat().st_size, "records": 5}
    assert receiver.find(delivery("d1")) == receipt
    assert receiver.confirm(delivery("d1"), receipt, sent).state == "confirmed"
    assert receiver.count([receipt]) == {"d1": 5}


def test_a_delivery_made_again_leaves_the_file_alone(folder: UPath, format_: Format) -> None:
    receiver = open_folder(folder, format_)
    first = receiver.deliver(delivery("d1"), rows(1, {"UA1": 20}))
    [file] = folder.iterdir()
    before = file.read_bytes()
    assert receiver.deliver(delivery("d1"), rows(1, {"UA1": 99})) == first
    assert file.read_bytes() == before


def test_a_file_that_was_taken_counts_in_full(folder: UPath, format_: Format) -> None:
    receiver = open_folder(folder, format_)
    sent = rows(1, AWKWARD)
    receipt = receiver.deliver(delivery("d1"), sent)
    kept = receiver.deliver(delivery("d2"), rows(2, {"UA1": 1}))
    (folder / str(receipt.detail["name"])).unlink()
    taken = receiver.confirm(delivery("d1"), receipt, sent)
    assert (taken.state, taken.records) == ("taken", 5)
    assert receiver.count([receipt, kept]) == {"d1": 5, "d2": 1}
    assert receiver.find(delivery("d1")) is None


def test_a_file_that_lost_a_record_is_short_by_one(folder: UPath, format_: Format) -> None:
    receiver = open_folder(folder, format_)
    sent = rows(1, AWKWARD)
    receipt = receiver.deliver(delivery("d1"), sent)
    short = open_folder(folder / "elsewhere", format_)
    short.deliver(delivery("d1"), sent.head(4))
    name = str(receipt.detail["name"])
    (folder / name).write_bytes((folder / "elsewhere" / name).read_bytes())
    assert receiver.count([receipt]) == {"d1": 4}
    missing = receiver.confirm(delivery("d1"), receipt, sent)
    assert (missing.state, missing.records) == ("missing", 4)
    assert "4 records of 5" in missing.reason


def test_a_file_that_was_changed_is_not_confirmed(folder: UPath) -> None:
    receiver = open_folder(folder, "csv")
    sent = rows(1, {"UA1": 20})
    receipt = receiver.deliver(delivery("d1"), sent)
    [file] = folder.iterdir()
    file.write_bytes(file.read_bytes().replace(b"20", b"1200"))
    assert "was changed" in receiver.confirm(delivery("d1"), receipt, sent).reason


def test_a_file_that_was_cut_in_its_middle_holds_nothing(folder: UPath) -> None:
    receiver = open_folder(folder, "parquet")
    sent = rows(1, AWKWARD)
    receipt = receiver.deliver(delivery("d1"), sent)
    [file] = folder.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert receiver.count([receipt]) == {"d1": 0}
    assert receiver.confirm(delivery("d1"), receipt, sent).state == "missing"


def test_a_delivery_of_no_records_is_a_file_too(folder: UPath, format_: Format) -> None:
    receiver = open_folder(folder, format_)
    receipt = receiver.deliver(delivery("d1"), rows(1, {}))
    assert receiver.count([receipt]) == {"d1": 0}
    assert receiver.confirm(delivery("d1"), receipt, rows(1, {})).state == "confirmed"


def test_a_folder_that_is_gone_is_down_and_its_files_are_not_taken(tmp_path: Path) -> None:
    receiver = open_folder("care", "csv", tmp_path)
    sent = rows(1, {"UA1": 20})
    receipt = receiver.deliver(delivery("d1"), sent)
    (tmp_path / "care").rename(tmp_path / "unmounted")
    with pytest.raises(ReceiverDown, match="no such folder"):
        receiver.confirm(delivery("d1"), receipt, sent)
    with pytest.raises(ReceiverDown, match="no such folder"):
        receiver.count([receipt])


def test_a_folder_that_is_a_file_is_down(tmp_path: Path) -> None:
    (tmp_path / "care").write_text("not a folder")
    receiver = open_folder("care", "csv", tmp_path)
    with pytest.raises(ReceiverDown):
        receiver.deliver(delivery("d1"), rows(1, {"UA1": 20}))
    assert "is not a folder" in str(receiver.check())


def test_rows_that_the_format_cannot_hold_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    receiver = open_folder("care", "csv", tmp_path)
    sent = rows(1, {"UA1": 20}).with_columns(legs=pl.lit([["JFK"]]))
    with pytest.raises(ReceiverUnfit, match="cannot be written as csv"):
        receiver.deliver(delivery("d1"), sent)
    assert list((tmp_path / "care").iterdir()) == []


def test_a_relative_folder_lies_below_the_root(tmp_path: Path) -> None:
    receiver = open_folder("out/care", "parquet", tmp_path)
    assert receiver.check() is None
    assert not (tmp_path / "out").exists()
    receiver.deliver(delivery("d1"), rows(1, {"UA1": 20}))
    assert (tmp_path / "out" / "care" / "disruptions-care-d1.parquet").is_file()


def test_a_place_that_nothing_here_can_write_to_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"handoff\.care\.path.*nope.*Write a folder"):
        open_folder("nope://bucket/care", "csv")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    receiver = open_folder("s3://bucket/care", "csv")
    with pytest.raises(ReceiverDown, match="Install s3fs"):
        receiver.deliver(delivery("d1"), rows(1, AWKWARD))


def test_what_a_remote_store_raises_of_its_own_is_down_without_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("key hunter22 was refused")

    monkeypatch.setattr(MemoryFileSystem, "put_file", fail)
    with pytest.raises(ReceiverDown, match="ZeroDivisionError") as told:
        open_folder("memory://bucket/care", "csv").deliver(delivery("d1"), rows(1, AWKWARD))
    assert "hunter22" not in str(told.value)


def test_credentials_in_a_path_are_never_shown() -> None:
    receiver = open_folder("memory://desk:hunter22@host/care", "csv")
    assert "hunter22" not in receiver.address
    assert "hunter22" not in repr(receiver)
