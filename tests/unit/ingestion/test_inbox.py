"""Polling files: what is seen, what is not, and what is said when nothing can be."""

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem

from opsintel_dagster.errors import SettingsError, SourceDown, SourceUnreadable, SourceVanished
from opsintel_dagster.ingestion import Inbox, Sighting, Upstream, open_source
from opsintel_dagster.ingestion.local_folder import LocalFolder
from opsintel_dagster.ingestion.remote_folder import RemoteFolder
from opsintel_dagster.outcome import FilesSource, UpstreamSource


def inbox_of(root: Path, path: str = "in/*.csv", **declared: Any) -> Inbox:
    return Inbox(FilesSource(path=path, **declared), root)


def names(inbox: Inbox) -> list[str]:
    return [sighting.name for sighting in inbox.poll()]


def put(root: Path, *paths: str, data: bytes = b"a\n1\n") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


def test_a_sighting_has_size_mark_and_time_and_no_content_was_read(tmp_path: Path) -> None:
    put(tmp_path, "in/day.csv")
    os.utime(tmp_path / "in/day.csv", ns=(0, 1_700_000_000_123_456_789))
    (tmp_path / "in/day.csv").chmod(0)
    assert inbox_of(tmp_path).poll() == [
        Sighting(
            "day.csv",
            4,
            "1700000000123456789",
            datetime.fromtimestamp(1_700_000_000.123456789, UTC),
        )
    ]


def test_the_oldest_come_first_and_names_decide_between_equals(tmp_path: Path) -> None:
    put(tmp_path, "in/a.csv", "in/b.csv", "in/c.csv")
    for name, second in {"a": 2, "b": 1, "c": 1}.items():
        os.utime(tmp_path / f"in/{name}.csv", (second, second))
    assert names(inbox_of(tmp_path)) == ["b.csv", "c.csv", "a.csv"]


def test_names_writers_are_not_done_with_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, *(f"in/{name}" for name in ("a.csv", ".b.csv", "_c.csv", "d.csv.tmp", "e.PART")))
    put(tmp_path, "in/_temporary/f.csv", "in/.git/g.csv", "in/sub/h.csv")
    assert names(inbox_of(tmp_path, "in/**")) == ["a.csv", "sub/h.csv"]
    assert names(inbox_of(tmp_path, "in/_*.csv")) == ["_c.csv"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/*.csv", ["a.csv"]),
        ("in/*/*.csv", ["x/b.csv"]),
        ("in/**/*.csv", ["a.csv", "x/b.csv", "x/y/c.csv"]),
        ("in/x/b.csv", ["b.csv"]),
        ("in/[xz]/b.csv", ["x/b.csv"]),
        ("in/?.txt", []),
    ],
)
def test_names_are_relative_to_the_folder_before_the_first_wildcard(
    tmp_path: Path, pattern: str, expected: list[str]
) -> None:
    put(tmp_path, "in/a.csv", "in/x/b.csv", "in/x/y/c.csv")
    assert sorted(names(inbox_of(tmp_path, pattern))) == expected
    url = f"file://{tmp_path}/{pattern}"
    assert sorted(names(inbox_of(Path("/nowhere"), url))) == expected


def test_ten_thousand_files_are_seen_in_one_poll(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(10_000):
        os.close(os.open(tmp_path / f"in/{number}.csv", os.O_CREAT))
    assert len(inbox_of(tmp_path).poll()) == 10_000


def test_a_folder_that_is_not_there_is_a_finding_and_no_silence(tmp_path: Path) -> None:
    inbox = inbox_of(tmp_path)
    with pytest.raises(SourceDown, match="does not exist; create it, or correct `path`"):
        inbox.poll()
    (tmp_path / "in").mkdir()
    assert inbox.poll() == []
    (tmp_path / "in").rmdir()
    with pytest.raises(SourceDown, match="does not exist"):
        inbox.poll()


def test_a_path_that_is_a_folder_says_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(SourceDown, match=r"is a folder; end `path` with a pattern"):
        inbox_of(tmp_path, "in").poll()


def test_a_file_where_the_folder_should_be_is_named_as_one(tmp_path: Path) -> None:
    put(tmp_path, "in")
    with pytest.raises(SourceDown, match=r"in is no folder; move it away, or correct `path`"):
        inbox_of(tmp_path).poll()


def test_a_broken_link_and_a_folder_named_like_a_file_are_no_files(tmp_path: Path) -> None:
    put(tmp_path, "in/a.csv")
    (tmp_path / "in/b.csv").symlink_to(tmp_path / "gone")
    (tmp_path / "in/c.csv").mkdir()
    (tmp_path / "in/d.csv").symlink_to(tmp_path / "in/a.csv")
    (tmp_path / "in/loop.csv").symlink_to("loop.csv")
    os.mkfifo(tmp_path / "in/pipe.csv")
    assert sorted(names(inbox_of(tmp_path))) == ["a.csv", "d.csv"]


def test_a_name_that_is_no_text_is_shown_and_can_be_opened(tmp_path: Path) -> None:
    put(tmp_path, "in/" + os.fsdecode(b"\xff.csv"))
    inbox = inbox_of(tmp_path)
    (sighting,) = inbox.poll()
    assert sighting.name == r"\xff.csv"
    with inbox.open(sighting) as reading:
        assert next(reading.frames())["a"].to_list() == ["1"]


def test_a_hanging_file_system_hangs_nobody_and_is_not_asked_again_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    looks = []

    def hang(_: LocalFolder) -> list[Sighting]:
        looks.append(1)
        released.wait(10)
        return []

    monkeypatch.setattr(LocalFolder, "sightings", hang)
    inbox = inbox_of(tmp_path, "hanging/*.csv", deadline=timedelta(seconds=0.05))
    with pytest.raises(SourceDown, match=r"no answer within 0\.05 s"):
        inbox.poll()
    with pytest.raises(SourceDown, match="an earlier look at it still has no answer"):
        inbox.poll()
    assert len(looks) == 1
    released.set()
    for thread in threading.enumerate():
        if thread.name.startswith("look at hanging"):
            thread.join(5)
    assert inbox.poll() == []


def test_what_a_file_system_raises_is_the_cause_of_source_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SourceDown, match="Permission denied") as error:
        inbox_of(tmp_path).poll()
    assert isinstance(error.value.__cause__, PermissionError)


def test_a_path_from_the_environment_is_read_when_polled_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox(FilesSource.model_validate({"path": {"env": "INBOX_OF_TEST"}}), tmp_path)
    with pytest.raises(SettingsError, match="INBOX_OF_TEST"):
        inbox.poll()
    put(tmp_path, "secret/a.csv")
    monkeypatch.setenv("INBOX_OF_TEST", "secret/*.csv")
    assert names(inbox) == ["a.csv"]
    assert "secret" not in inbox.address


def test_a_file_settles_after_two_seconds_or_as_declared(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def sighting(age: float) -> Sighting:
        return Sighting("a.csv", 1, "1", now - timedelta(seconds=age))

    inbox = inbox_of(tmp_path)
    assert [inbox.is_settled(sighting(age), now) for age in (0, 1.9, 2)] == [False, False, True]
    assert inbox_of(tmp_path, settle=timedelta(0)).is_settled(sighting(0), now)
    assert not inbox_of(tmp_path, settle=timedelta(minutes=1)).is_settled(sighting(30), now)
    assert inbox.is_settled(sighting(-3600), now), "a clock that runs ahead must not hold a file"
    assert inbox_of(tmp_path, "memory://bucket/*.csv").is_settled(sighting(0), now)


def test_a_file_that_is_gone_when_opened_has_vanished(tmp_path: Path) -> None:
    put(tmp_path, "in/a.csv")
    inbox = inbox_of(tmp_path)
    (sighting,) = inbox.poll()
    (tmp_path / "in/a.csv").unlink()
    with pytest.raises(SourceVanished):
        inbox.open(sighting)


def test_a_file_that_may_not_be_opened_is_source_down_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "in/a.csv")
    inbox = inbox_of(tmp_path)
    (sighting,) = inbox.poll()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceDown, match="cannot be opened") as error:
        inbox.open(sighting)
    assert isinstance(error.value.__cause__, PermissionError)


def test_reading_that_breaks_off_is_source_down(tmp_path: Path) -> None:
    put(tmp_path, "in/a.csv")
    inbox = inbox_of(tmp_path)
    with inbox.open(inbox.poll()[0]) as reading:
        reading.close()
        with pytest.raises(SourceDown, match="reading stopped after 0 bytes"):
            list(reading.frames())


def test_a_file_that_grows_while_it_is_read_has_changed(tmp_path: Path) -> None:
    put(tmp_path, "in/a.csv")
    inbox = inbox_of(tmp_path)
    (sighting,) = inbox.poll()
    with inbox.open(sighting) as reading:
        list(reading.frames())
        assert not reading.changed
    with (tmp_path / "in/a.csv").open("ab") as file:
        file.write(b"2\n")
    with inbox.open(sighting) as reading:
        list(reading.frames())
        assert reading.changed


def test_a_file_removed_after_it_was_read_whole_has_not_changed(tmp_path: Path) -> None:
    put(tmp_path, "in/a.csv")
    inbox = inbox_of(tmp_path)
    with inbox.open(inbox.poll()[0]) as reading:
        (tmp_path / "in/a.csv").unlink()
        list(reading.frames())
        assert not reading.changed


def test_a_name_that_tells_no_format_is_unreadable_unless_it_is_declared(tmp_path: Path) -> None:
    put(tmp_path, "in/a.dat")
    inbox = inbox_of(tmp_path, "in/*")
    with inbox.open(inbox.poll()[0]) as reading:
        with pytest.raises(SourceUnreadable, match="declare `format`"):
            list(reading.frames())
        assert reading.size == 4
    inbox = inbox_of(tmp_path, "in/*", format="csv")
    with inbox.open(inbox.poll()[0]) as reading:
        assert sum(frame.height for frame in reading.frames()) == 1


def test_an_object_store_is_polled_and_read_like_a_folder() -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/bucket/in/x/a.csv", b"a\n1\n")
    store.pipe("/bucket/in/_b.csv", b"a\n1\n")
    try:
        inbox = inbox_of(Path("/nowhere"), "memory://bucket/in/**/*.csv")
        (sighting,) = inbox.poll()
        assert (sighting.name, sighting.size) == ("x/a.csv", 4)
        with inbox.open(sighting) as reading:
            assert sum(frame.height for frame in reading.frames()) == 1
            assert not reading.changed
        store.pipe("/bucket/in/x/a.csv", b"a\n1\n2\n")
        with inbox.open(sighting) as reading:
            list(reading.frames())
            assert reading.changed
        store.rm("/bucket/in", recursive=True)
        with pytest.raises(SourceVanished):
            inbox.open(sighting)
        assert inbox.poll() == [], "a prefix without objects is nothing that could be missing"
    finally:
        store.store.clear()


def test_a_remote_folder_that_is_not_there_is_down(tmp_path: Path) -> None:
    put(tmp_path, "in/a.csv")
    remote = DirFileSystem(path=str(tmp_path), fs=LocalFileSystem())
    folder = RemoteFolder("remote", remote, "in/*.csv")
    assert [sighting.name for sighting in folder.sightings()] == ["a.csv"]
    assert not folder.is_object_store
    with pytest.raises(SourceDown, match="does not exist"):
        RemoteFolder("remote", remote, "elsewhere/*.csv").sightings()


def test_an_unknown_protocol_is_down_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceDown, match="nosuch"):
        inbox_of(tmp_path, "nosuch://bucket/*.csv").poll()


def test_the_declaration_chooses_the_source(tmp_path: Path) -> None:
    assert isinstance(open_source(FilesSource(path="*"), root=tmp_path), Inbox)
    with pytest.raises(ValueError, match="needs a feed"):
        open_source(UpstreamSource(asset="a/delivered"), root=tmp_path)

    class NoFeed:
        def sightings(self) -> list[Sighting]:
            return []

        def open(self, sighting: Sighting) -> Any:
            raise AssertionError(sighting)

    source = open_source(UpstreamSource(asset="a/delivered"), root=tmp_path, feed=NoFeed())
    assert isinstance(source, Upstream)
    assert source.poll() == []
