"""The files source: a folder somebody puts files into."""

from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from opsintel_dagster.errors import SourceDown, SourceVanished
from opsintel_dagster.ingestion.deadline import within
from opsintel_dagster.ingestion.folder import Folder
from opsintel_dagster.ingestion.formats import reading_of
from opsintel_dagster.ingestion.hashed_file import HashedFile
from opsintel_dagster.ingestion.local_folder import LocalFolder
from opsintel_dagster.ingestion.reading import Reading
from opsintel_dagster.ingestion.remote_folder import RemoteFolder
from opsintel_dagster.ingestion.sighting import Sighting
from opsintel_dagster.outcome import FilesSource, resolve, shown

_LOCAL_SETTLE: Final = timedelta(seconds=2)


class Inbox:
    """Files that match a glob, on this machine or behind any fsspec URL.

    Making one touches nothing: the environment, the network and the disk are asked by `poll`.
    """

    def __init__(self, spec: FilesSource, root: Path) -> None:
        self._spec = spec
        self._root = root

    @property
    def address(self) -> str:
        """Where the files come from, to be shown to anybody: without values of the environment."""
        return shown(self._spec.path)

    def poll(self) -> list[Sighting]:
        """List the files that are there now, the oldest first; none of them is opened.

        Raises:
            SourceDown: The place cannot be looked at, or did not answer before the deadline.
            SettingsError: Its path comes from a variable that is not set.
        """
        found = within(self._spec.deadline, self.address, self._listed)
        return sorted(found, key=lambda sighting: (sighting.available_at, sighting.name))

    def _listed(self) -> list[Sighting]:
        return self._folder.sightings()

    def is_settled(self, sighting: Sighting, now: datetime) -> bool:
        """Whether the file has stood still long enough to be read.

        A modification time in the future comes from another clock. It says as little about now as
        an old one, so it does not keep the file from being read.
        """
        settle = self._spec.settle
        if settle is None:
            settle = timedelta() if self._folder.is_object_store else _LOCAL_SETTLE
        return abs(now - sighting.available_at) >= settle

    def open(self, sighting: Sighting) -> Reading:
        """Open a file the poll saw.

        Raises:
            SourceVanished: It is gone.
            SourceDown: It cannot be opened; permissions and connections come and go.
        """
        folder = self._folder
        try:
            file = folder.open(sighting.name)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SourceVanished(sighting.name, "seen by the poll, and gone when opened") from error
        except Exception as error:
            reason = f"cannot be opened: {type(error).__name__}: {error}"
            raise SourceDown(sighting.name, reason) from error
        hashed = HashedFile(file, sighting.name)
        return reading_of(self._spec, hashed, sighting, lambda: folder.look(sighting.name))

    @cached_property
    def _folder(self) -> Folder:
        path = resolve(self._spec.path)
        if "://" in path or "::" in path:
            filesystem, path = url_to_fs(path)
            if not isinstance(filesystem, LocalFileSystem):
                return RemoteFolder(self.address, filesystem, path)
        return LocalFolder(self.address, str(self._root.absolute() / Path(path).expanduser()))
