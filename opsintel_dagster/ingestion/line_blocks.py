"""Blocks of complete lines, cut from pieces of text of any size."""

from collections.abc import Iterable, Iterator
from enum import Enum, auto


class End(Enum):
    """What lies behind a stretch of lines."""

    MORE = auto()
    """More lines."""
    DONE = auto()
    """Nothing; the file is complete."""
    CUT = auto()
    """Nothing; but the file is known to be cut short here."""


class LineBlocks:
    """Hands out text in blocks that end with a line, and takes back what could not be used yet.

    A reader that needs the following lines to understand the last ones keeps them by `give_back`;
    they then begin the next block. Memory holds one block and the longest line.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.is_last = False
        self._pieces = iter(pieces)
        self._kept = b""
        self._rest = b""

    def give_back(self, data: bytes) -> None:
        """Begin the next block with `data`, the end of the block handed out last."""
        self._kept = data

    def end(self, *, is_truncated: bool) -> End:
        """Say what lies behind the block handed out last."""
        if not self.is_last:
            return End.MORE
        return End.CUT if is_truncated else End.DONE

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._rest += piece
            if stop := _end_of_lines(self._rest):
                block, self._rest = self._kept + self._rest[:stop], self._rest[stop:]
                self._kept = b""
                yield block
        self.is_last = True
        yield self._kept + self._rest


def _end_of_lines(data: bytes) -> int:
    r"""Say where the last complete line of `data` ends.

    A `\r` at the very end completes no line yet: the `\n` that belongs to it may follow.
    """
    stop = len(data) - 1 if data.endswith(b"\r") else len(data)
    return max(data.rfind(b"\n", 0, stop), data.rfind(b"\r", 0, stop)) + 1
