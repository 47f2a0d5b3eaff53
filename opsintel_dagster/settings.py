"""Where an installation keeps its ledger and its frames; read from the environment."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from opsintel_dagster.errors import SettingsError

ROOT_VARIABLE = "OPSINTEL_ROOT"
LEDGER_VARIABLE = "OPSINTEL_LEDGER_URL"
STORE_VARIABLE = "OPSINTEL_STORE_URL"
_LEDGERS = ("sqlite", "postgresql", "postgres")


@dataclass(frozen=True)
class Settings:
    """The places of one installation.

    `root` is the folder that relative paths and SQLite URLs in declarations are resolved against,
    so that the daemon, the UI and the command line mean the same files whatever folder they were
    started in.
    """

    root: Path
    ledger_url: str
    store_url: str

    @classmethod
    def below(cls, root: Path | str) -> Self:
        """Embedded defaults: ledger (SQLite) and store (Parquet) in `<root>/.opsintel`."""
        home = Path(root).resolve() / ".opsintel"
        return cls(home.parent, f"sqlite:///{home / 'ledger.db'}", str(home / "store"))

    @classmethod
    def from_env(cls) -> Self:
        """Read OPSINTEL_ROOT, OPSINTEL_LEDGER_URL and OPSINTEL_STORE_URL; all have defaults.

        Raises:
            SettingsError: the root is no folder, or the ledger URL names no database we know.
        """
        root = Path(os.environ.get(ROOT_VARIABLE) or Path.cwd())
        if not root.is_dir():
            fix = f"Create it, or set {ROOT_VARIABLE} to the project's folder."
            raise SettingsError(ROOT_VARIABLE, f"{root} is not a folder", fix)
        defaults = cls.below(root)
        ledger_url = os.environ.get(LEDGER_VARIABLE) or defaults.ledger_url
        _check_ledger_url(ledger_url)
        return cls(defaults.root, ledger_url, os.environ.get(STORE_VARIABLE) or defaults.store_url)


def _check_ledger_url(url: str) -> None:
    fix = "Write e.g. postgresql+psycopg2://user:password@host/database."
    try:
        backend = make_url(url).get_backend_name()
    except (ArgumentError, ValueError):
        # Not chained: the text of a garbled URL may hold its password.
        raise SettingsError(LEDGER_VARIABLE, "not a database URL", fix) from None
    if backend not in _LEDGERS:
        raise SettingsError(LEDGER_VARIABLE, f"no ledger can be kept in `{backend}`", fix)
