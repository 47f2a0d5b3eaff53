"""What `opsintel doctor` looks at in an installation: settings, ledger, store, DAGSTER_HOME."""

import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import sqlalchemy
import yaml
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from upath import UPath

from opsintel_dagster.cli.dagster_side import HOME_VARIABLE
from opsintel_dagster.cli.wording import place
from opsintel_dagster.errors import OpsintelError
from opsintel_dagster.ledger.connection import HEAD_REVISION, Ledger
from opsintel_dagster.outcome import shown
from opsintel_dagster.settings import LEDGER_VARIABLE, ROOT_VARIABLE, STORE_VARIABLE, Settings

DRIVER_SCHEME: Final = "postgresql+psycopg2"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One thing that was looked at: who is to blame if it is not well, why, and what to do.

    `reason` says what was found either way; `fix` is empty where nothing is wrong. With
    `is_advice` it is well to do, and nothing fails without it.
    """

    culprit: str
    reason: str
    fix: str = ""
    is_advice: bool = False

    @property
    def is_well(self) -> bool:
        """Whether nothing has to be done."""
        return self.is_advice or not self.fix


def look_at_installation(settings: Settings) -> Iterator[Diagnosis]:
    """Root, ledger, store and Dagster's home."""
    yield Diagnosis(culprit=ROOT_VARIABLE, reason=str(settings.root))
    yield _ledger(settings)
    yield _store(settings)
    yield from _dagster_home()


def _ledger(settings: Settings) -> Diagnosis:
    with Ledger(settings.ledger_url) as ledger:
        culprit = f"ledger {ledger.address}"
        try:
            if not ledger.exists():
                return _new_ledger(ledger, culprit)
            with ledger.read() as connection:
                table = text("opsintel_alembic_version")
                revision = connection.execute(
                    select(text("version_num")).select_from(table)
                ).scalar_one()
        except (OpsintelError, SQLAlchemyError, ImportError) as error:
            fix = f"Start the database, or correct {LEDGER_VARIABLE}."
            return Diagnosis(culprit=culprit, reason=_first_line(error), fix=fix)
    if revision == HEAD_REVISION:
        return Diagnosis(culprit=culprit, reason=f"reachable, revision {revision}")
    if revision < HEAD_REVISION:
        reason = f"revision {revision}; the next drain migrates it to {HEAD_REVISION}"
        return Diagnosis(culprit=culprit, reason=reason)
    reason = f"revision {revision} is of a newer opsintel-dagster ({HEAD_REVISION} is known here)"
    return Diagnosis(culprit=culprit, reason=reason, fix="Upgrade the package in this environment.")


def _new_ledger(ledger: Ledger, culprit: str) -> Diagnosis:
    database = sqlalchemy.engine.make_url(ledger.address).database
    if ledger.is_sqlite and database:
        blocked = _not_writable(Path(database).parent)
        if blocked:
            fix = f"Give write permission, or set {LEDGER_VARIABLE} to another place."
            return Diagnosis(culprit=culprit, reason=blocked, fix=fix)
    return Diagnosis(culprit=culprit, reason="not there yet; the first drain makes it")


def _store(settings: Settings) -> Diagnosis:
    culprit = f"store {shown(settings.store_url)}"
    fix = f"Give write permission, or set {STORE_VARIABLE} to another place."
    root = UPath(settings.store_url)
    if root.protocol in ("", "file", "local"):
        blocked = _not_writable(Path(root.path))
        if blocked:
            return Diagnosis(culprit=culprit, reason=blocked, fix=fix)
        return Diagnosis(culprit=culprit, reason="writable")
    probe = root / f".opsintel-doctor-{uuid.uuid4().hex}"
    try:  # an object store tells nobody what is allowed but by doing it
        probe.write_bytes(b"")
        probe.unlink()
    except Exception as error:  # noqa: BLE001  # every fsspec backend has errors of its own
        reason = f"{type(error).__name__}: {_first_line(error)}"
        return Diagnosis(culprit=culprit, reason=reason, fix=fix)
    return Diagnosis(culprit=culprit, reason="writable")


def _not_writable(folder: Path) -> str | None:
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        return f"{place(nearest)} is not a folder"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"no permission to write to {place(nearest)}"
    return None


def _dagster_home() -> Iterator[Diagnosis]:
    home = os.environ.get(HOME_VARIABLE, "")
    if not home:
        reason = "not set: each `dagster` command uses a throw-away instance and forgets its runs"
        fix = (
            f"export {HOME_VARIABLE}=$PWD, or any other absolute folder: Dagster keeps its runs "
            "there, and reads its dagster.yaml if there is one."
        )
        yield Diagnosis(culprit=HOME_VARIABLE, reason=reason, fix=fix)
        return
    folder = Path(home).expanduser()
    if not folder.is_absolute() or not folder.is_dir():
        problem = "is no absolute path" if not folder.is_absolute() else "is no folder"
        fix = "Create it, or set the variable to the absolute path of a folder that exists."
        yield Diagnosis(culprit=HOME_VARIABLE, reason=f"{home} {problem}", fix=fix)
        return
    blocked = _not_writable(folder)
    if blocked:
        yield Diagnosis(culprit=HOME_VARIABLE, reason=blocked, fix="Give write permission.")
        return
    yield Diagnosis(culprit=HOME_VARIABLE, reason=str(folder))
    yield _dagster_yaml(folder / "dagster.yaml")


def _dagster_yaml(file: Path) -> Diagnosis:
    culprit = place(file)
    if not file.is_file():
        return Diagnosis(culprit=culprit, reason="not there; Dagster uses its defaults (SQLite)")
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = f"does not parse: {_first_line(error)}"
        return Diagnosis(culprit=culprit, reason=reason, fix="Correct it; nothing starts with it.")
    if not isinstance(config, dict):
        fix = "Write keys and values, such as `storage:`."
        return Diagnosis(culprit=culprit, reason="holds no mapping", fix=fix)
    return _storage(config, culprit) or Diagnosis(culprit=culprit, reason="sane")


def _storage(config: Mapping[str, Any], culprit: str) -> Diagnosis | None:
    """A storage of dagster-postgres must name a driver that is installed.

    It builds `postgresql://...`, for which SQLAlchemy from 2.1 on takes psycopg 3.
    """
    storage = config.get("storage")
    postgres = storage.get("postgres") if isinstance(storage, dict) else None
    if not isinstance(postgres, dict):
        return None
    if find_spec("dagster_postgres") is None:
        fix = "Install opsintel-dagster[postgres]."
        return Diagnosis(culprit=culprit, reason="dagster-postgres is not installed", fix=fix)
    database = postgres.get("postgres_db")
    scheme = database.get("scheme", "postgresql") if isinstance(database, dict) else None
    url = postgres.get("postgres_url")
    if isinstance(url, str):
        scheme = url.partition("://")[0]
    is_new = tuple(int(part) for part in version("sqlalchemy").split(".")[:2]) >= (2, 1)
    if is_new and scheme in ("postgresql", "postgres") and find_spec("psycopg") is None:
        reason = (
            f"SQLAlchemy {version('sqlalchemy')} takes psycopg 3 for `{scheme}://`, "
            "which is not installed"
        )
        fix = (
            f"Begin postgres_url with `{DRIVER_SCHEME}://`."
            if isinstance(url, str)
            else f"Write `scheme: {DRIVER_SCHEME}` below storage.postgres.postgres_db."
        )
        return Diagnosis(culprit=culprit, reason=reason, fix=fix)
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
