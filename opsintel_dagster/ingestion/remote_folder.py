"""A folder behind any fsspec file system: object stores, HTTP, SFTP, memory."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, cast

from fsspec import AbstractFileSystem

from opsintel_dagster.errors import SourceDown
from opsintel_dagster.ingestion.folder import Folder, Pattern
from opsintel_dagster.ingestion.sighting import Sighting

_OBJECT_STORES: Final = frozenset(
    {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "r2", "memory"}
)
_TAGS: Final = ("ETag", "etag", "md5Hash", "generation")
_TIMES: Final = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


class RemoteFolder(Folder):
    """A folder, or a prefix, of an fsspec file system; `path` as `url_to_fs` gives it.

    The mark is the entity tag, or the modification time where there is none. A file whose file
    system tells no time counts as available from the moment it is looked at.
    """

    def __init__(self, address: str, filesystem: AbstractFileSystem, path: str) -> None:
        self._address = address
        self._filesystem = filesystem
        self._fixed, self._pattern = Pattern.cut(path)

    @property
    def is_object_store(self) -> bool:
        """Whether files appear whole, and folders are nothing but the beginnings of names."""
        protocol = self._filesystem.protocol
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        return bool(names & _OBJECT_STORES)

    def sightings(self) -> list[Sighting]:
        """List the files that match.

        Raises:
            SourceDown: The folder is not there; on object stores: its bucket is not.
        """
        self._filesystem.invalidate_cache(self._fixed)
        if not self.is_object_store and not self._filesystem.isdir(self._fixed):
            raise SourceDown(
                self._address,
                f"the folder {self._fixed} does not exist; create it, or correct `path`",
            )
        listed = self._filesystem.find(self._fixed, maxdepth=self._pattern.depth, detail=True)
        matcher = self._pattern.matcher()
        start = len(self._fixed.rstrip("/")) + 1
        now = datetime.now(UTC)
        found = []
        for path, info in listed.items():
            name = path[start:]
            if matcher.matches(name) and all(map(matcher.is_open, name.split("/"))):
                size, mark = _state(info)
                found.append(Sighting(name, size, mark, _time(info) or now))
        return found

    def open(self, name: str) -> BinaryIO:
        """Open the file a sighting named."""
        return cast("BinaryIO", self._filesystem.open(self._path(name), "rb"))

    def look(self, name: str) -> tuple[int, str] | None:
        """Give size and mark of a file as they are now; None if it is gone."""
        path = self._path(name)
        self._filesystem.invalidate_cache(path.rpartition("/")[0])
        try:
            return _state(self._filesystem.info(path))
        except FileNotFoundError:
            return None

    def _path(self, name: str) -> str:
        return f"{self._fixed}/{name}"


def _state(info: Mapping[str, Any]) -> tuple[int, str]:
    tag = next((info[key] for key in _TAGS if info.get(key)), None)
    mark = str(tag).strip('"') if tag else str(_time(info) or "")
    return int(info.get("size") or 0), mark


def _time(info: Mapping[str, Any]) -> datetime | None:
    """Read the first time the file system tells; one writes it so in a list, otherwise alone."""
    value = next((info[key] for key in _TIMES if info.get(key)), None)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return None
