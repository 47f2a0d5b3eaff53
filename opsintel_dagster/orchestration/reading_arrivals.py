"""Reads one arrival to its end: into memory, or in parts to the store where it is large."""

from collections import Counter
from dataclasses import dataclass

import polars as pl

from opsintel_dagster.ingestion import CONTROL_COLUMNS, ArrivalSource, Sighting
from opsintel_dagster.ledger.batches import Role
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.store import StoredFile
from opsintel_dagster.verification.profiles import Profile, Profiler


@dataclass(frozen=True)
class ReadArrival:
    """One arrival as it was read; its rows are in `frames`, or in `parts` if it was large.

    `profile` says what its columns are like, `sample` are its first readable records.
    """

    seen: Sighting
    sha256: str
    size: int
    records: int
    columns: tuple[str, ...]
    problems: Counter[str]
    frames: tuple[pl.DataFrame, ...]
    parts: tuple[StoredFile, ...]
    profile: Profile
    sample: pl.DataFrame


def read_arrival(work: Work, source: ArrivalSource, seen: Sighting) -> ReadArrival | None:
    """Read it whole; None if it is still being written, and a later poll will see it whole.

    Raises:
        SourceVanished: it is gone; it was never received.
        SourceUnreadable: nothing can be read from it, whenever it is tried.
        SourceDown: it cannot be read now.
    """
    frames: list[pl.DataFrame] = []
    parts: list[StoredFile] = []
    folder = stable_id("reading", work.name, seen.name, seen.mark)
    profiler = Profiler(CONTROL_COLUMNS, work.compiled.contract.null_values)
    with source.open(seen) as reading:
        for frame in reading.frames(work.compiled.outcome.batch.max_rows):
            profiler.add(frame)
            if frames:  # a second frame: it is too large to be kept in memory
                parts.append(work.write(folder, Role.RAW, frames.pop()))
            if parts:
                parts.append(work.write(folder, Role.RAW, frame))
            else:
                frames.append(frame)
        if reading.changed:
            return None
        return ReadArrival(
            seen,
            reading.sha256,
            reading.size,
            reading.records,
            tuple(reading.columns),
            reading.problems,
            tuple(frames),
            tuple(parts),
            profiler.profile(),
            profiler.sample,
        )
