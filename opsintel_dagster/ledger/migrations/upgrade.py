"""Runs the shipped revisions on a connection of ours."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from opsintel_dagster.errors import LedgerError


def upgrade(connection: Connection, current: str | None, address: str) -> None:
    """Bring the tables from revision `current` (None: no ledger yet) to the newest one.

    Raises:
        LedgerError: this version of the package does not know `current`: a newer one wrote it.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise LedgerError(
            f"ledger {address} is at revision {current}, which this version of opsintel-dagster "
            "does not know; upgrade the package"
        )
    command.upgrade(config, "head")
