"""What the readings of files share: the hashed file, and whether it changed meanwhile."""

from collections.abc import Callable
from typing import TypeAlias

from opsintel_dagster.errors import SourceDown
from opsintel_dagster.ingestion.hashed_file import HashedFile
from opsintel_dagster.ingestion.reading import Reading
from opsintel_dagster.ingestion.sighting import Sighting

Look: TypeAlias = Callable[[], tuple[int, str] | None]
"""Gives size and mark of a file as they are now; None if it is gone."""


class FileReading(Reading):
    """A reading of one file of a files source."""

    def __init__(self, file: HashedFile, sighting: Sighting, look: Look) -> None:
        super().__init__()
        self._file = file
        self._sighting = sighting
        self._look = look
        self._is_changed = False
        self._columns: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Hexadecimal digest over the bytes as they lay in the file, compressed or not."""
        return self._file.sha256

    @property
    def size(self) -> int:
        """How many bytes the file has, compressed or not."""
        return self._file.size

    @property
    def columns(self) -> tuple[str, ...]:
        """The file's own columns, in their order."""
        return self._columns

    @property
    def changed(self) -> bool:
        """Whether the file is another than the poll saw, or is still being written.

        A file that was read whole and then removed is not changed: nobody will see it again.
        """
        return self._is_changed

    def _finish(self) -> None:
        self._file.drain()
        seen = (self._sighting.size, self._sighting.mark)
        try:
            now = self._look() or seen
        except Exception as error:
            reason = f"was read, but cannot be looked at again: {error}"
            raise SourceDown(self._sighting.name, reason) from error
        self._is_changed = now != seen or self.size != self._sighting.size

    def close(self) -> None:
        """Close the file."""
        self._file.close()
