"""A folder of this machine, listed with one system call a file."""

import errno
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from opsintel_dagster.errors import SourceDown
from opsintel_dagster.ingestion.folder import Folder, Matcher, Pattern
from opsintel_dagster.ingestion.sighting import Sighting

_SHOWN_BYTE = re.compile(r"\\x([89a-f][0-9a-f])")


class LocalFolder(Folder):
    """A folder of a local or mounted file system.

    The mark is the modification time in nanoseconds, and a file counts as available from that time
    on, also when it was moved here later.
    """

    def __init__(self, address: str, path: str) -> None:
        fixed, self._pattern = Pattern.cut(path)
        self._address = address
        self._fixed = fixed or "/"

    @property
    def is_object_store(self) -> bool:
        """Never: local files are written while they are seen."""
        return False

    def sightings(self) -> list[Sighting]:
        """List the files that match.

        Raises:
            SourceDown: The folder is not there; silence would hide that from the operator.
        """
        matcher = self._pattern.matcher()
        try:
            found = list(self._walk(matcher))
        except (FileNotFoundError, NotADirectoryError) as error:
            is_there = isinstance(error, NotADirectoryError)
            problem = "is no folder; move it away" if is_there else "does not exist; create it"
            reason = f"the folder {self._fixed} {problem}, or correct `path`"
            raise SourceDown(self._address, reason) from error
        target = Path(self._fixed, self._pattern.text)
        if not found and self._pattern.is_literal and target.is_dir():
            raise SourceDown(
                self._address, f"{target} is a folder; end `path` with a pattern such as /*.csv"
            )
        return found

    def _walk(self, matcher: Matcher) -> Iterator[Sighting]:
        depth = self._pattern.depth
        folders = [("", self._fixed, 1)]
        while folders:
            prefix, folder, level = folders.pop()
            try:
                entries = os.scandir(folder)
            except (FileNotFoundError, NotADirectoryError):
                if not prefix:
                    raise
                continue  # a subfolder that went away between two calls took its files along
            with entries:
                for entry in entries:
                    if not matcher.is_open(entry.name):
                        continue
                    if _is_folder(entry, follow_symlinks=depth is not None):
                        if depth is None or level < depth:
                            folders.append((f"{prefix}{entry.name}/", entry.path, level + 1))
                    elif matcher.matches(name := prefix + entry.name):
                        yield from _seen(entry, name)

    def open(self, name: str) -> BinaryIO:
        """Open the file a sighting named."""
        return self._path(name).open("rb", buffering=0)

    def look(self, name: str) -> tuple[int, str] | None:
        """Give size and mark of a file as they are now; None if it is gone."""
        try:
            stat = self._path(name).stat()
        except FileNotFoundError:
            return None
        return stat.st_size, str(stat.st_mtime_ns)

    def _path(self, name: str) -> Path:
        path = Path(self._fixed, name)
        if "\\x" in name and not path.exists():
            return Path(self._fixed, _SHOWN_BYTE.sub(_byte, name))
        return path


def _byte(match: re.Match[str]) -> str:
    return os.fsdecode(bytes.fromhex(match[1]))


def _is_folder(entry: os.DirEntry[str], *, follow_symlinks: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow_symlinks)
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself leads nowhere, like a broken one
            return False
        raise


def _seen(entry: os.DirEntry[str], name: str) -> Iterator[Sighting]:
    """Yield the sighting of a file, or nothing if it is none or went away meanwhile."""
    try:
        if not entry.is_file():
            return
        stat = entry.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return
        raise
    # A name that is no text could not be stored; `LocalFolder` finds the file by this one as well.
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    available_at = datetime.fromtimestamp(stat.st_mtime, UTC)
    yield Sighting(shown, stat.st_size, str(stat.st_mtime_ns), available_at)
