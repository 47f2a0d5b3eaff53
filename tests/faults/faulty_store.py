"""A store that is full, fails to read, is slow, or loses half of what is written: `faulty://`.

It is a folder of this machine behind a file system of fsspec, so the store takes it for a remote
one. Which operation fails how is said beforehand; what nothing was said about works.
"""

import errno
import os
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

from fsspec import register_implementation
from fsspec.implementations.local import LocalFileSystem
from upath import UPath
from upath import registry as paths

PROTOCOL: Final = "faulty"
SLOW_SECONDS: Final = 0.02

FAULTS: Final = ("full", "broken", "slow", "cut", "reset")
"""ENOSPC, EIO, slow, half of it written and then EIO, the connection is reset."""

_NUMBERS: Final = {"full": errno.ENOSPC, "broken": errno.EIO, "reset": errno.ECONNRESET}

_planned: dict[int, str] = {}
_seen = 0
_counting = Lock()
_fired: Counter[str] = Counter()


def fail(planned: Mapping[int, str]) -> Counter[str]:
    """From now on the nth operation fails so; the first one is 1. Empty: everything works.

    Returns what has failed since the last time.
    """
    global _seen  # noqa: PLW0603  # a file system has one schedule, whoever opened it
    _seen = 0
    failed = Counter(_fired)
    _fired.clear()
    _planned.clear()
    _planned.update(planned)
    return failed


def url_of(folder: Path) -> str:
    """The URL of a store in this folder that fails as was said."""
    return f"{PROTOCOL}://{folder.absolute()}"


def _next_fault() -> str | None:
    global _seen  # noqa: PLW0603
    with _counting:  # rows are counted by several threads
        _seen += 1
        fault = _planned.get(_seen)
        if fault is not None:
            _fired[f"store {fault}"] += 1
    return fault


class FaultyFileSystem(LocalFileSystem):
    """A local file system of which single operations fail."""

    protocol = PROTOCOL

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return super()._strip_protocol(str(path).removeprefix(f"{PROTOCOL}://"))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        fault = _next_fault()
        if fault == "slow":
            time.sleep(SLOW_SECONDS)
        if fault == "cut" and "w" in mode:
            return _Cut(super()._open(path, mode, **options))
        if fault is not None and fault != "slow":
            number = _NUMBERS.get(fault, errno.EIO)
            raise OSError(number, os.strerror(number), path)
        return super()._open(path, mode, **options)


class _Cut:
    """A file that takes half of what is written, and says so."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, content: bytes) -> int:
        self._file.write(content[: len(content) // 2])
        self._file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


register_implementation(PROTOCOL, FaultyFileSystem, clobber=True)
paths.register_implementation(PROTOCOL, UPath, clobber=True)
