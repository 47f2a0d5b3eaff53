"""Bytes on their way from a file to a parser, hashed and counted as they pass."""

import hashlib
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self

from opsintel_dagster.errors import SourceDown, SourceVanished

_DRAIN_BYTES = 1 << 20


class HashedFile:
    """A binary file read once from front to back.

    The hash is taken over exactly the bytes handed to the parser, so it can never speak about
    another version of the file than the one that was read.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self.size = 0
        self._file = file
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of what was read so far."""
        return self._hash.hexdigest()

    def read(self, count: int) -> bytes:
        """Read at most `count` bytes; empty at the end of the file.

        Raises:
            SourceVanished: The file system noticed only now that the file is gone.
            SourceDown: The file system failed.
        """
        try:
            data = self._file.read(count)
        except FileNotFoundError as error:
            raise SourceVanished(self.name, "gone while it was read") from error
        except Exception as error:
            raise SourceDown(
                self.name, f"reading stopped after {self.size} bytes: {error!r}"
            ) from error
        self._hash.update(data)
        self.size += len(data)
        return data

    def pieces(self, count: int) -> Iterator[bytes]:
        """Read to the end in pieces of at most `count` bytes."""
        while data := self.read(count):
            yield data

    def drain(self) -> None:
        """Read what is left, for the hash alone: an unreadable file has an identity as well."""
        for _ in self.pieces(_DRAIN_BYTES):
            pass

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
