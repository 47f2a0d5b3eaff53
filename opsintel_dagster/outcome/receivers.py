"""Receivers: where a route delivers to, as declared; `handoff` opens them."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from opsintel_dagster.outcome.declared import Declared
from opsintel_dagster.outcome.environment import EnvValue, Resolvable, shown
from opsintel_dagster.outcome.findings import refusal
from opsintel_dagster.outcome.sources import FileFormat


def _checked_url(value: str | EnvValue) -> str | EnvValue:
    # The text is not repeated: it is the likeliest place of a password in a declaration.
    if isinstance(value, EnvValue) or "://" in value:
        return value
    raise refusal(
        "this is not a database URL",
        "write `sqlite:///desk.db`, `postgresql://host/database`, or `{env: NAME}`",
    )


def _checked_table(text: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?", text):
        return text
    raise refusal(f"`{text}` is not a table", "write `table` or `schema.table`")


class TableReceiver(Declared):
    """A table of a database: rows and receipt are written in one transaction of that database.

    Attributes:
        url: SQLAlchemy URL; better from the environment, since it may hold a password.
        table: `table` or `schema.table`.
        consumed: Its users delete the rows they have handled, so an absent row was taken.
    """

    kind: Literal["table"] = "table"
    url: Annotated[Resolvable, AfterValidator(_checked_url)]
    table: Annotated[str, AfterValidator(_checked_table)]
    consumed: bool = False

    @property
    def place(self) -> str:
        """Where it is, in words anybody may read."""
        return f"table {self.table} in {shown(self.url)}"


class FileReceiver(Declared):
    """A folder: one file a delivery, written under a temporary name and renamed."""

    kind: Literal["files"] = "files"
    path: Resolvable
    format: FileFormat = "parquet"

    @property
    def place(self) -> str:
        """Where it is, in words anybody may read."""
        return f"{self.format} files in {shown(self.path)}"


ReceiverSpec: TypeAlias = Annotated[TableReceiver | FileReceiver, Field(discriminator="kind")]
