"""A reading: one arrival on its way from its source into raw frames."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import polars as pl

from opsintel_dagster.errors import SourceUnreadable

FRAME_ROWS: Final = 100_000


class Reading(ABC):
    """Raw frames of one arrival, and afterwards what can be said about it as a whole.

    Frames are read once, to the end, and then the attributes are final. After `SourceUnreadable`
    hash and size are final as well: an arrival nothing can be read from is still an arrival.

    Attributes:
        records: Records so far, readable or not.
        problems: Records so far that could not be read, by reason code.
        lines: Physical lines so far; 0 for formats without lines.
        blank_lines: Those of them that are no record and no part of one.
    """

    def __init__(self) -> None:
        self.records = 0
        self.problems: Counter[str] = Counter()
        self.lines = 0
        self.blank_lines = 0

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Hexadecimal digest over the bytes that were parsed."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many bytes were parsed, as they lay at the source."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The source's own columns, in their order."""

    @property
    def changed(self) -> bool:
        """Whether the arrival is no longer what the poll saw; then it waits for the next poll."""
        return False

    def frames(self, max_rows: int = FRAME_ROWS) -> Iterator[pl.DataFrame]:
        """Read to the end, in frames of at most `max_rows` rows; at least one, maybe of no rows.

        The columns are `_row`, `_line`, `_line_end`, `_problem`, `_text` and the source's own. JSON
        lines may bring new keys at any time: join their frames diagonally.

        Raises:
            SourceUnreadable: Nothing of it can be read, whenever it is tried.
            SourceVanished: It was there at the poll and is gone.
            SourceDown: The file system failed.
        """
        is_empty = True
        try:
            for part in self._parts():
                for slice_ in part.iter_slices(max_rows):
                    is_empty = False
                    yield self._numbered(slice_)
            if is_empty:
                yield self._numbered(self._no_rows())
        except SourceUnreadable:
            self._finish()
            raise
        self._finish()

    def _numbered(self, part: pl.DataFrame) -> pl.DataFrame:
        first = self.records + 1
        self.records += part.height
        if part["_problem"].null_count() < part.height:
            self.problems.update(part["_problem"].drop_nulls().to_list())
        rows = pl.int_range(first, first + part.height, dtype=pl.Int64, eager=True)
        return part.insert_column(0, rows.alias("_row"))

    @abstractmethod
    def _parts(self) -> Iterator[pl.DataFrame]:
        """Read to the end, in frames of any size with every column but `_row`."""

    @abstractmethod
    def _no_rows(self) -> pl.DataFrame:
        """Build the frame of an arrival of zero records."""

    @abstractmethod
    def _finish(self) -> None:
        """Do what is left to do when the last frame is out."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the reading holds open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
