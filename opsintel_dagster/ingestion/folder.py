"""A folder and a pattern below it: what a files source looks at."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import BinaryIO, Final

from fsspec.utils import glob_translate

from opsintel_dagster.ingestion.sighting import Sighting

_MAGIC: Final = re.compile(r"[*?\[]")
_UNFINISHED: Final = (".tmp", ".part")


@dataclass(frozen=True, slots=True)
class Pattern:
    """The part of a glob from its first wildcard on, as a rule about names below the fixed part."""

    text: str

    @classmethod
    def cut(cls, path: str) -> tuple[str, "Pattern"]:
        """Cut a glob into the folder that is fixed and the pattern below it."""
        parts = path.split("/")
        magic = (index for index, part in enumerate(parts) if _MAGIC.search(part))
        at = next(magic, len(parts) - 1)
        return "/".join(parts[:at]), cls("/".join(parts[at:]))

    @property
    def is_literal(self) -> bool:
        """Whether it names one file."""
        return not _MAGIC.search(self.text)

    @property
    def depth(self) -> int | None:
        """How many levels below the fixed folder it reaches; None: any number."""
        return None if "**" in self.text else self.text.count("/") + 1

    def matcher(self) -> "Matcher":
        """Compile it."""
        return Matcher(self.text)


class Matcher:
    """Decides by its name whether a file is meant.

    Writers put `.` or `_` before, or `.tmp` or `.part` behind, the names of files and folders they
    are not done with. Such names are passed over unless the pattern spells that out, as shells do.
    """

    def __init__(self, pattern: str) -> None:
        self._glob = re.compile(glob_translate(pattern)).match
        parts = pattern.split("/")
        self._hidden = tuple({".", "_"} - {part[0] for part in parts if part})
        self._unfinished = tuple(
            end for end in _UNFINISHED if not any(part.lower().endswith(end) for part in parts)
        )

    def is_open(self, part: str) -> bool:
        """Whether one part of a name, a folder or the file itself, is not to be passed over."""
        return not part.startswith(self._hidden) and not part.lower().endswith(self._unfinished)

    def matches(self, name: str) -> bool:
        """Whether the name below the fixed folder fits the glob."""
        return self._glob(name) is not None


class Folder(ABC):
    """A place files lie in, on one kind of file system; any method may take long or hang."""

    @property
    @abstractmethod
    def is_object_store(self) -> bool:
        """Whether files appear whole, so that none has to settle."""

    @abstractmethod
    def sightings(self) -> list[Sighting]:
        """List the files that match, in any order, without reading them."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Open the file a sighting named."""

    @abstractmethod
    def look(self, name: str) -> tuple[int, str] | None:
        """Give size and mark of a file as they are now; None if it is gone."""
