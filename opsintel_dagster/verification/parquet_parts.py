"""Writing a Parquet file part by part, with memory for a few parts only.

Polars writes a file from a plan that it pulls rows from. So the parts go through a short queue to
a thread that runs such a plan; encoding then overlaps with judging the next part. The file appears
under its name when it is whole.
"""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import polars as pl
from polars.io.plugins import register_io_source

_WAITING_PARTS: Final = 2
_LOOK_SECONDS: Final = 0.2


class _GivenUpError(Exception):
    """The file will not be finished; unwinds the plan that writes it."""


class ParquetParts:
    """One Parquet file that is open for more parts."""

    def __init__(self, path: Path, schema: pl.Schema) -> None:
        self.path = path
        self.rows = 0
        self._schema = schema
        self._unfinished = path.with_name(f".{path.name}.unfinished")
        self._parts: queue.Queue[pl.DataFrame | _GivenUpError | None] = queue.Queue(_WAITING_PARTS)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name=f"writes {path.name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the file, or remove what there is of it."""
        try:
            self._put(None if error is None else _GivenUpError())
            self._thread.join()
        finally:
            if error is not None or self._error is not None:
                self._unfinished.unlink(missing_ok=True)
        if error is None:
            if self._error is not None:
                raise self._error
            self._unfinished.replace(self.path)

    def add(self, part: pl.DataFrame) -> None:
        """Append rows; waits while the disk is slower than the judging.

        Raises:
            OSError, PolarsError: What came before could not be written.
        """
        if part.is_empty():
            return
        self.rows += part.height
        self._put(part)
        if self._error is not None:
            raise self._error

    def _put(self, part: pl.DataFrame | _GivenUpError | None) -> None:
        while self._thread.is_alive():
            try:
                self._parts.put(part, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return

    def _write(self) -> None:
        def parts(
            with_columns: list[str] | None,
            _predicate: pl.Expr | None,
            _n_rows: int | None,
            _batch_size: int | None,
        ) -> Iterator[pl.DataFrame]:
            while (part := self._parts.get()) is not None:
                if isinstance(part, _GivenUpError):
                    raise part
                yield part if with_columns is None else part.select(with_columns)

        try:
            register_io_source(parts, schema=self._schema).sink_parquet(self._unfinished)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that adds the parts
            self._error = error
