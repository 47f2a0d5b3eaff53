"""The file formats of a handoff: writing a frame, and counting the records of a file."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import polars as pl
from polars.exceptions import PolarsError
from upath import UPath


@dataclass(frozen=True)
class FrameFormat:
    """How one format is written to a local file, counted again, and what its files end in."""

    suffix: str
    write: Callable[[pl.DataFrame, Path], None]
    count: Callable[[Path], int]


def count_records(format_: FrameFormat, path: UPath) -> int:
    """Records in the file now; a file of another kind, or cut in its middle, holds none.

    A file on an object store is brought here first: formats are read where they can be sought.

    Raises:
        OSError: the file cannot be reached.
    """
    if is_local(path):
        return _counted(format_, Path(path.path))
    with TemporaryDirectory(prefix="opsintel-") as folder:
        local = Path(folder) / "file"
        with path.open("rb") as source, local.open("wb") as copy:
            shutil.copyfileobj(source, copy)
        return _counted(format_, local)


def is_local(path: UPath) -> bool:
    """Whether the path is one of this machine's file system, where a rename is atomic."""
    return path.protocol in {"", "file", "local"}


def _counted(format_: FrameFormat, path: Path) -> int:
    try:
        return format_.count(path)
    except PolarsError:
        return 0


def _write_parquet(rows: pl.DataFrame, path: Path) -> None:
    rows.write_parquet(path)


def _count_parquet(path: Path) -> int:
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())  # the footer alone


def _write_csv(rows: pl.DataFrame, path: Path) -> None:
    rows.write_csv(path)


def _count_csv(path: Path) -> int:
    """Records, not lines: a quoted value may hold line breaks."""
    if path.stat().st_size == 0:
        return 0
    scan = pl.scan_csv(path, infer_schema=False, truncate_ragged_lines=True)
    return int(scan.select(pl.len()).collect().item())


def _write_json_lines(rows: pl.DataFrame, path: Path) -> None:
    rows.write_ndjson(path)


def _count_json_lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for line in lines if line.strip())


FORMATS: Final = {
    "parquet": FrameFormat(".parquet", _write_parquet, _count_parquet),
    "csv": FrameFormat(".csv", _write_csv, _count_csv),
    "json_lines": FrameFormat(".jsonl", _write_json_lines, _count_json_lines),
}
