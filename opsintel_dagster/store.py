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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl
from fsspec import get_filesystem_class
from upath import UPath

from opsintel_dagster.errors import SettingsError, StoreError
from opsintel_dagster.outcome.masking import mask
from opsintel_dagster.settings import STORE_VARIABLE

SWEEP_AFTER_SECONDS = 24 * 3600.0
_MAKE_ROOM = "free space, or give permission to write there, and drain again"
GONE = (
    "the ledger names this file and it is not there; restore it, or let "
    f"{STORE_VARIABLE} point to where the store is"
)
FOOTERS_AT_A_TIME = 16
FOOTER_BYTES = 64 * 1024
"""More than most footers have."""
PARQUET_BEGINS = b"PAR1"
FILES_AT_A_TIME = 100  # Polars keeps a thread for each while it reads their footers


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
        """Touch nothing yet but what knows how to read there.

        Raises:
            SettingsError: nothing installed here reads and writes at such a URL.
        """
        try:
            self._root = UPath(root)
            self._is_local = self._root.protocol in ("", "file", "local")
            if not self._is_local:
                get_filesystem_class(self._root.protocol)
        except (ValueError, ImportError) as error:
            fix = "Install what it says, or write a folder or another fsspec URL."
            raise SettingsError(STORE_VARIABLE, str(error), fix) from error

    @property
    def address(self) -> str:
        """Where it is, without credentials."""
        return mask(str(self._root))

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
        except Exception as error:  # every kind of store has errors of its own
            raise StoreError(path, f"cannot be written ({error}); {_MAKE_ROOM}") from error
        return StoredFile(path, frame.height, len(content), hashlib.sha256(content).hexdigest())

    def read(self, paths: Sequence[str]) -> pl.DataFrame:
        """The rows of all files, in order; columns are the union of theirs.

        Raises:
            StoreError: a file is missing or cannot be read as Parquet.
        """
        frames = [self._read_one(path) for path in paths]
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()

    def scan(self, paths: Sequence[str], *, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """The same lazily, of files of any time; local files are scanned in place.

        `columns` narrows it to some that all files have.

        Raises:
            StoreError: a file is missing, or a remote one cannot be read as Parquet.
        """
        frames = [self._scan_one(path) for path in paths]
        if columns is not None:
            frames = [frame.select(columns) for frame in frames]
        return together(frames)

    def count(
        self, paths: Sequence[str], where: pl.Expr | None = None
    ) -> dict[str, int | StoreError]:
        """How many rows of each file there are, or hold `where`; what cannot be read: its error.

        All rows are counted from footers. Many are read at a time: one after the other they would
        cost a drain of an outcome with a long history most of its time.
        """
        if where is None and not self._is_local:
            with ThreadPoolExecutor(FOOTERS_AT_A_TIME) as pool:
                return dict(zip(paths, pool.map(self._remote_rows, paths), strict=True))
        expression = pl.len() if where is None else where.sum()
        counted: dict[str, int | StoreError] = {}
        for start in range(0, len(paths), FILES_AT_A_TIME):
            some = paths[start : start + FILES_AT_A_TIME]
            try:
                frames = [self._scan_one(path).select(expression) for path in some]
                for path, frame in zip(some, pl.collect_all(frames), strict=True):
                    counted[path] = int(frame.item())
            except (StoreError, OSError, pl.exceptions.PolarsError):
                for path in some:  # one of them is damaged: find out which
                    counted[path] = self._count_one(path, expression)
        return counted

    def _count_one(self, path: str, expression: pl.Expr) -> int | StoreError:
        try:
            return int(self._scan_one(path).select(expression).collect().item())
        except StoreError as error:
            return error
        except (OSError, pl.exceptions.PolarsError) as error:
            return StoreError(path, f"cannot be read ({error})")

    def _remote_rows(self, path: str) -> int | StoreError:
        """How many rows a remote file holds: its end is fetched, which has the footer, no more."""
        target = self._root / path
        try:
            end = target.fs.cat_file(target.path, start=-FOOTER_BYTES)
            footer = int.from_bytes(end[-8:-4], "little") + 8
            if footer > len(end):
                end = target.fs.cat_file(target.path, start=-footer)
            alone = io.BytesIO(PARQUET_BEGINS + end[-footer:])
            return int(pl.scan_parquet(alone).select(pl.len()).collect().item())
        except FileNotFoundError:
            return StoreError(path, GONE)
        except Exception as error:  # noqa: BLE001  # every kind of store has errors of its own
            return StoreError(path, f"cannot be read ({error})")

    def sweep(
        self, outcome: str, named: Collection[str], *, older_than: float = SWEEP_AFTER_SECONDS
    ) -> int:
        """Remove the outcome's files that are not `named` and older than `older_than` seconds."""
        folder = self._root / outcome
        if not folder.exists():
            return 0
        limit = time.time() - older_than
        removed = 0
        for file in folder.glob("*/*.parquet"):
            relative = "/".join(file.parts[-3:])
            if relative not in named and file.stat().st_mtime < limit:
                file.unlink()
                removed += 1
        return removed

    def _scan_one(self, path: str) -> pl.LazyFrame:
        return pl.scan_parquet(self._local(path)) if self._is_local else self._read_one(path).lazy()

    def _local(self, path: str) -> str:
        file = self._root / path
        if not file.exists():
            raise StoreError(path, GONE)
        return str(file)

    def _read_one(self, path: str) -> pl.DataFrame:
        try:
            if self._is_local:
                return pl.read_parquet(self._local(path))
            return pl.read_parquet((self._root / path).read_bytes())
        except StoreError:
            raise
        except FileNotFoundError as error:
            raise StoreError(path, GONE) from error
        except Exception as error:  # every kind of store has errors of its own
            raise StoreError(path, f"cannot be read ({error})") from error


def together(frames: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """The rows of all frames; a column that changed its type gets one that holds every value.

    Sources and contracts change over time. Where Polars knows no type for all values it is text.
    """
    types: dict[str, set[pl.DataType]] = {}
    for frame in frames:
        for name, dtype in frame.collect_schema().items():
            types.setdefault(name, set()).add(dtype)
    clashing = {name for name, of_name in types.items() if not _have_common_type(of_name)}
    alike = [
        frame.with_columns(
            as_text(name, dtype).alias(name)
            for name, dtype in frame.collect_schema().items()
            if name in clashing
        )
        for frame in frames
    ]
    return pl.concat(alike, how="diagonal_relaxed") if alike else pl.LazyFrame()


def as_text(column: str, dtype: pl.DataType) -> pl.Expr:
    """The values of a column as text, whatever they are; never fails."""
    if dtype.is_nested() or dtype in (pl.Binary, pl.Duration):  # Polars casts none of these
        return pl.col(column).map_batches(_as_python_writes, return_dtype=pl.String)
    return pl.col(column).cast(pl.String)


def _as_python_writes(values: pl.Series) -> pl.Series:
    texts = [None if value is None else str(value) for value in values.to_list()]
    return pl.Series(values.name, texts, dtype=pl.String)


def _have_common_type(types: Collection[pl.DataType]) -> bool:
    if len(types) == 1:
        return True
    empty = [pl.DataFrame(schema={"column": dtype}) for dtype in types]
    try:
        pl.concat(empty, how="diagonal_relaxed")
    except pl.exceptions.SchemaError:
        return False
    return True
