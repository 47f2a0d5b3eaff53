"""From the bytes of a text file to UTF-8: gunzipped, transcoded, without a byte order mark.

Everything behind this module works on UTF-8 bytes only. Bytes that are no text in the declared
encoding stay visible as bytes that are no UTF-8, so that one check finds both.
"""

import codecs
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from opsintel_dagster.errors import SourceUnreadable
from opsintel_dagster.ingestion.hashed_file import HashedFile

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_PIECE: Final = 1 << 20
_UNDECODABLE: Final = "opsintel.undecodable"
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_OTHER_FORMATS: Final = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"%PDF-": "a PDF document",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    _GZIP_MAGIC: "gzipped twice",
}


def _as_surrogates(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in bad), error.end


codecs.register_error(_UNDECODABLE, _as_surrogates)


class TextBytes:
    """The content of a text file as pieces of UTF-8, in order.

    Attributes:
        is_truncated: The file was gzipped and ends before its content does; final only when the
            pieces are exhausted.
    """

    def __init__(self, file: HashedFile, *, encoding: str, piece_bytes: int) -> None:
        self.is_truncated = False
        self._file = file
        self._encoding = codecs.lookup(encoding).name
        self._piece_bytes = piece_bytes

    def __iter__(self) -> Iterator[bytes]:
        pieces = self._unpacked()
        if self._encoding not in {"utf-8", "utf-8-sig"}:
            pieces = self._transcoded(pieces)
        return _without_mark(pieces)

    def _unpacked(self) -> Iterator[bytes]:
        head = self._file.read(max(self._piece_bytes, len(_GZIP_MAGIC)))
        if head.startswith(_GZIP_MAGIC):
            return self._gunzipped(chain([head], self._file.pieces(_GZIP_PIECE)))
        return chain([head] if head else [], self._file.pieces(self._piece_bytes))

    def _gunzipped(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Unpack, member by member.

        A file cut short keeps what came through; a file whose checksum is wrong may be wrong
        anywhere, so nothing of it counts.
        """
        member = zlib.decompressobj(wbits=31)
        is_open = False
        try:
            for piece in pieces:
                rest = piece
                while rest := rest if is_open else rest.lstrip(b"\0"):
                    if not is_open:
                        member, is_open = zlib.decompressobj(wbits=31), True
                    if data := member.decompress(rest, self._piece_bytes):
                        yield data
                    is_open = not member.eof
                    rest = member.unconsumed_tail if is_open else member.unused_data
            if is_open:
                yield member.flush()
        except zlib.error as error:
            raise SourceUnreadable(self._file.name, f"the gzip data is corrupt: {error}") from error
        self.is_truncated = is_open and not member.eof

    def _transcoded(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(self._encoding)(_UNDECODABLE)
        for piece in pieces:
            yield decoder.decode(piece).encode("utf-8", "surrogatepass")
        yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def _without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    begun = iter(pieces)
    head = b""
    for piece in begun:
        head += piece
        if len(head) >= len(codecs.BOM_UTF8):
            break
    yield head.removeprefix(codecs.BOM_UTF8)
    yield from begun


def binary_reason(head: bytes) -> str | None:
    """Say what `head`, the beginning of what should be text, is instead; None if it is text.

    Control characters decide: no header and no JSON contains them, nearly every binary format does.
    """
    for mark in _UTF16_MARKS:
        if head.startswith(mark):
            return "begins with a UTF-16 byte order mark; declare `encoding: utf-16`"
    if not head.startswith(b"%PDF-") and not _CONTROL.search(head):
        return None
    for magic, what in _OTHER_FORMATS.items():
        if head.startswith(magic):
            return f"is {what}, not text"
    return "is binary, not text; or it is text in an encoding other than the declared one"
