"""Sources: where the arrivals of an outcome come from."""

import codecs
import re
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from opsintel_dagster.outcome.declared import Declared
from opsintel_dagster.outcome.durations import Deadline, Duration, PositiveDuration
from opsintel_dagster.outcome.environment import Resolvable, shown
from opsintel_dagster.outcome.findings import did_you_mean, refusal

FileFormat: TypeAlias = Literal["csv", "json_lines", "parquet"]

_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252", "ascii")


def _checked_delimiter(text: str) -> str:
    if len(text) == 1 and text.isascii() and text not in '"\r\n':
        return text
    raise refusal(
        f"{text!r} cannot stand between two values",
        'write one character: ",", ";", "|" or "\\t"',
    )


def _checked_encoding(text: str) -> str:
    try:
        codecs.lookup(text)
    except LookupError:
        fix = did_you_mean(text, _ENCODINGS, plural="usual encodings")
        raise refusal(f"there is no encoding `{text}`", fix) from None
    return text


def _checked_asset(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", text):
        return text
    raise refusal(
        f"`{text}` is not an asset key",
        "write its parts with slashes between them, such as `airport_register/delivered`",
    )


class FilesSource(Declared):
    """Files that somebody puts where this outcome looks.

    Attributes:
        path: A file, folder glob or any fsspec URL.
        format: None: told from each file's name.
        null_values: Texts that mean "no value".
        identity: What makes two files the same arrival.
        same_name: What changed content under a known name is.
        settle: How long a file must stand still before it is read; None: 2 s locally and no time on
            object stores, whose files appear whole.
        expect: At least one arrival in this time, or the source is late.
        deadline: How long one look may take.
    """

    kind: Literal["files"] = "files"
    path: Resolvable
    format: FileFormat | None = None
    delimiter: Annotated[str, AfterValidator(_checked_delimiter)] = ","
    encoding: Annotated[str, AfterValidator(_checked_encoding)] = "utf-8"
    null_values: tuple[str, ...] = ()
    identity: Literal["name_and_content", "content", "name"] = "name_and_content"
    same_name: Literal["new", "correction"] = "new"
    settle: Duration | None = None
    expect: Deadline | None = None
    deadline: PositiveDuration = timedelta(seconds=20)

    @property
    def place(self) -> str:
        """Where it is, in words anybody may read."""
        return shown(self.path)


class UpstreamSource(Declared):
    """Another asset, whose every new materialization is an arrival.

    Attributes:
        asset: `outcome/delivered`, or any asset key with slashes.
        path: Where its data lies; needed only for an asset that is no outcome.
        format: None: told from the file's name.
        expect: At least one arrival in this time, or the source is late.
    """

    kind: Literal["upstream"] = "upstream"
    asset: Annotated[str, AfterValidator(_checked_asset)]
    path: Resolvable | None = None
    format: FileFormat | None = None
    expect: Deadline | None = None

    @property
    def place(self) -> str:
        """Where it is, in words anybody may read."""
        return self.asset

    @property
    def outcome(self) -> str | None:
        """The outcome whose delivered records these are, if the asset key has that shape."""
        name, _, stage = self.asset.rpartition("/")
        return name if stage == "delivered" and name and "/" not in name else None


Source: TypeAlias = Annotated[FilesSource | UpstreamSource, Field(discriminator="kind")]
