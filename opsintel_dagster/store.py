"""Where frames live: Parquet files below a UPath, made real by the ledger.

A file is written once, under a name nobody used before, and never changed. It counts from the
moment a ledger transaction names it; a file the ledger does not name is garbage from an attempt
that died, and is swept after a day. Nobody lists folders to find data, so object stores work.
"""

import hashlib
import io
import os
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl
from upath import UPath

from opsintel_dagster.errors import StoreError

SWEEP_AFTER_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class StoredFile:
    """One written file: its path below the store's root, rows, bytes and SHA-256."""

    path: str
    rows: int
    bytes: int
    sha256: str


class Store:
    """Reads and writes the frames of all outcomes below one root."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = UPath(root)
        self._is_local = self._root.protocol in ("", "file", "local")

    def write(self, outcome: str, batch: str, role: str, frame: pl.DataFrame) -> StoredFile:
        """Write `frame` under an attempt-unique name; durable when this returns.

        Raises:
            StoreError: the place cannot be written (full, unreachable, not allowed).
        """
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="zstd", compression_level=1)
        content = buffer.getvalue()
        path = f"{outcome}/{batch}/{role}-{uuid.uuid4().hex[:12]}.parquet"
        target = self._root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                file.write(content)
                if self._is_local:
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(path, f"cannot be written ({error})") from error
        return StoredFile(path, frame.height, len(content), hashlib.sha256(content).hexdigest())

    def read(self, paths: Sequence[str]) -> pl.DataFrame:
        """The rows of all files, in order; columns are the union of theirs.

        Raises:
            StoreError: a file is missing or cannot be read as Parquet.
        """
        frames = [self._read_one(path) for path in paths]
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()

    def scan(self, paths: Sequence[str]) -> pl.LazyFrame:
        """The same lazily; local files are scanned in place, remote ones read when collected."""
        if not paths:
            return pl.LazyFrame()
        if not self._is_local:
            return self.read(paths).lazy()
        frames = [pl.scan_parquet(self._local(path)) for path in paths]
        return pl.concat(frames, how="diagonal")

    def rows(self, path: str) -> int:
        """How many rows the file holds, from its footer.

        Raises:
            StoreError: the file is missing or has no readable footer.
        """
        try:
            if self._is_local:
                return int(pl.scan_parquet(self._local(path)).select(pl.len()).collect().item())
        except (OSError, pl.exceptions.PolarsError) as error:
            raise StoreError(path, f"cannot be read ({error})") from error
        return self._read_one(path).height

    def sweep(self, named: Collection[str], *, older_than: float = SWEEP_AFTER_SECONDS) -> int:
        """Remove files that no ledger row names and that are older than `older_than` seconds."""
        if not self._root.exists():
            return 0
        limit = time.time() - older_than
        removed = 0
        for file in self._root.glob("*/*/*.parquet"):
            relative = "/".join(file.parts[-3:])
            if relative not in named and file.stat().st_mtime < limit:
                file.unlink()
                removed += 1
        return removed

    def _local(self, path: str) -> str:
        file = self._root / path
        if not file.exists():
            raise StoreError(path, "the ledger names this file and it is not there")
        return str(file)

    def _read_one(self, path: str) -> pl.DataFrame:
        try:
            if self._is_local:
                return pl.read_parquet(self._local(path))
            return pl.read_parquet((self._root / path).read_bytes())
        except FileNotFoundError as error:
            reason = "the ledger names this file and it is not there"
            raise StoreError(path, reason) from error
        except (OSError, pl.exceptions.PolarsError) as error:
            raise StoreError(path, f"cannot be read ({error})") from error
