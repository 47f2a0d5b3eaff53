"""Arrivals that another asset materialized."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from opsintel_dagster.errors import SourceDown, SourceUnreadable, SourceVanished
from opsintel_dagster.ingestion import Reading, Sighting, Upstream, UpstreamReading

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def sighting(name: str = "airports@7", second: int = 0) -> Sighting:
    return Sighting(name, 0, "7", NOW.replace(second=second))


def test_types_are_kept_rows_numbered_and_bookkeeping_left_out() -> None:
    table = pl.DataFrame({"_record": ["x", "y"], "faa": ["JFK", "LGA"], "alt": [13, 22]})
    reading = UpstreamReading(table.lazy(), sighting(), version="7")
    frame = pl.concat(list(reading.frames()))
    assert reading.columns == ("faa", "alt")
    assert frame.select("_row", "_line", "_problem", "faa", "alt").rows() == [
        (1, None, None, "JFK", 13),
        (2, None, None, "LGA", 22),
    ]
    assert reading.records == 2
    assert not reading.changed


def test_the_version_is_the_identity_of_the_content() -> None:
    frame = pl.LazyFrame({"a": [1]})
    one, same, other = (
        UpstreamReading(frame, sighting(), version=version) for version in ("1", "1", "2")
    )
    assert one.sha256 == same.sha256 != other.sha256


def test_several_files_are_one_arrival(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.parquet" for n in range(2)]
    for number, path in enumerate(paths):
        pl.DataFrame({"a": [number]}).write_parquet(path)
    with UpstreamReading.of_files(paths, sighting()) as reading:
        assert pl.concat(list(reading.frames(max_rows=1)))["a"].to_list() == [0, 1]


def test_no_rows_are_an_arrival_of_zero_records_with_its_types() -> None:
    empty = pl.LazyFrame(schema={"a": pl.Date})
    (frame,) = UpstreamReading(empty, sighting(), version="1").frames()
    assert frame.height == 0
    assert frame.schema["a"] == pl.Date


def test_data_that_is_gone_broken_or_out_of_reach(tmp_path: Path) -> None:
    with pytest.raises(SourceVanished):
        list(UpstreamReading.of_files([tmp_path / "gone.parquet"], sighting()).frames())
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceUnreadable):
        list(UpstreamReading.of_files([tmp_path / "broken.parquet"], sighting()).frames())

    def fail(_: pl.DataFrame) -> pl.DataFrame:
        raise OSError("connection reset")

    unreachable = pl.LazyFrame({"a": [1]}).map_batches(fail, schema={"a": pl.Int64})
    with pytest.raises(SourceDown):
        list(UpstreamReading(unreachable, sighting(), version="1").frames())


def test_materializations_come_oldest_first_and_need_not_settle() -> None:
    class Feed:
        def sightings(self) -> list[Sighting]:
            return [sighting("b", 2), sighting("a", 1)]

        def open(self, sighting: Sighting) -> Reading:
            return UpstreamReading(pl.LazyFrame({"name": [sighting.name]}), sighting, version="1")

    source = Upstream("airports/delivered", Feed())
    found = source.poll()
    assert [one.name for one in found] == ["a", "b"]
    assert source.is_settled(found[0], NOW)
    with source.open(found[0]) as reading:
        assert next(reading.frames())["name"].to_list() == ["a"]
