"""Files that grow while they are read, disappear before they are, or may not be read."""

import errno
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from opsintel_dagster.ingestion.local_folder import LocalFolder

TRAPS: Final = ("grows", "disappears", "denied", "breaks")


class Growing:
    """A file to which a line is added after its first piece was read."""

    def __init__(self, file: BinaryIO, path: Path, line: str) -> None:
        self._file, self._path, self._line = file, path, line

    def read(self, count: int) -> bytes:
        data = self._file.read(count)
        if self._line:
            with self._path.open("a") as more:
                more.write(self._line)
            self._line = ""
        return data

    def close(self) -> None:
        self._file.close()


class Breaking:
    """A file whose disk fails in the middle of reading."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, count: int) -> bytes:
        raise OSError(errno.EIO, f"cannot read {count} bytes")

    def close(self) -> None:
        self._file.close()


class Traps:
    """Which file of the inbox misbehaves when it is opened next, and how; each does so once."""

    def __init__(self) -> None:
        self.set: dict[str, str] = {}
        self.growth: dict[str, str] = {}
        self.gone: set[str] = set()
        self.grown: set[str] = set()
        self.fired: Counter[str] = Counter()

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The files of the inbox misbehave inside."""
        real = LocalFolder.open

        def opened(folder: LocalFolder, name: str) -> BinaryIO:
            path = folder._path(name)
            trap = self.set.pop(name, None)
            if trap is not None:
                self.fired[f"file {trap}"] += 1
            if trap == "disappears":
                path.unlink()
                self.gone.add(name)
            if trap == "denied":
                raise PermissionError(errno.EACCES, "permission denied", str(path))
            file = real(folder, name)
            if trap == "grows":
                self.grown.add(name)
                return cast("BinaryIO", Growing(file, path, self.growth[name]))
            if trap == "breaks":
                return cast("BinaryIO", Breaking(file))
            return file

        LocalFolder.open = opened  # type: ignore[method-assign]
        try:
            yield
        finally:
            LocalFolder.open = real  # type: ignore[method-assign]
