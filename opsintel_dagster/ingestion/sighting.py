"""A sighting: an arrival as a poll sees it, before anything of it is read."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing a source offers right now.

    Name, size and mark together say whether a poll has met it before; none of them needs the
    content, so that looking at ten thousand files costs no more than listing them.

    Attributes:
        name: Stable name within the source, such as the path below the inbox.
        size: Bytes as they lie there, before any decompression.
        mark: Changes whenever the content may have changed: modification time or entity tag.
        available_at: When the source made it available (UTC); the promise's clock starts here.
    """

    name: str
    size: int
    mark: str
    available_at: datetime
