"""A connection to a receiver's database, its transactions, and what its errors mean."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool

from opsintel_dagster.errors import (
    DeliveryRefused,
    ReceiverDown,
    ReceiverError,
    ReceiverUnfit,
    SettingsError,
)
from opsintel_dagster.handoff.secrets import masked_url, scrubbed, secrets_of

PATIENCE_SECONDS: Final = 30
_UNFIT: Final = ("SQLITE_ERROR", "SQLITE_AUTH", "SQLITE_PERM", "SQLITE_NOTADB", "SQLITE_CORRUPT")
"""How long a delivery waits for another one that holds the same rows."""

IDLE_SECONDS: Final = 60
"""After so long without a word PostgreSQL ends our transaction: a process that was stopped in
the middle of a delivery must not hold up the drain that took over."""


class UnsendableError(Exception):
    """The driver cannot put a value into words; it says so in a plain ValueError of its own."""


class Database:
    """A SQLite or PostgreSQL database that rows are delivered to.

    No connection outlives its transaction: deliveries are minutes apart, and a drain's process is
    forked, killed and resumed in ways that pooled connections do not survive.
    """

    def __init__(self, url: str, root: Path, declared_at: str) -> None:
        self.url = _resolved(url, root, declared_at)
        self.address = masked_url(self.url)
        self.is_postgres = self.url.get_backend_name() == "postgresql"
        self._secrets = secrets_of(self.url)
        try:
            self._engine = self._create_engine()
        except (ModuleNotFoundError, ArgumentError) as error:
            reason = f"its driver cannot be loaded ({error})"
            fix = "Name another one, or none after `pip install 'opsintel-dagster[postgres]'`."
            raise SettingsError(f"{declared_at}.url", reason, fix) from error

    @property
    def file(self) -> Path | None:
        """The SQLite file, if it is one."""
        return None if self.is_postgres else Path(str(self.url.database))

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that is committed at the end, or leaves nothing behind.

        On SQLite it is `BEGIN IMMEDIATE`: a transaction that only finds out at its first write
        that it must wait for another one is refused by SQLite at once.
        """
        with self._translated():
            if self.file:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            immediate = self._engine.execution_options(opsintel_begin="IMMEDIATE")
            with immediate.connect() as connection, connection.begin():
                self._limit_waiting(connection)
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction for questions; it may create temporary tables, and rolls back."""
        with self._translated():
            if self.file and not self.file.parent.is_dir():
                raise ReceiverDown(self.address, f"there is no folder {self.file.parent}")
            with self._engine.connect() as connection:
                connection.begin()
                self._limit_waiting(connection)
                yield connection

    def serialise(self, connection: Connection, subject: str) -> None:
        """Wait until no other delivery is at work on `subject`; held until the transaction ends.

        SQLite has one writer at a time anyway.
        """
        if self.is_postgres:
            statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:subject, 0))")
            connection.execute(statement, {"subject": f"opsintel:{subject}"})

    def _create_engine(self) -> Engine:
        if self.is_postgres:
            timeout = {} if "connect_timeout" in self.url.query else {"connect_timeout": 10}
            return _engine(self.url, timeout)
        engine = _engine(self.url, {"timeout": PATIENCE_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _limit_waiting(self, connection: Connection) -> None:
        if self.is_postgres:
            connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE_SECONDS}s'"))
            connection.execute(
                text(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if not _is_out_of_reach(error):
                raise self._refusal(error) from None
            reason = scrubbed(_own_words(error), self._secrets)
            shows_secret = scrubbed(str(error), self._secrets) != str(error)
            raise ReceiverDown(self.address, reason) from (None if shows_secret else error)
        except OSError as error:
            raise ReceiverDown(self.address, str(error.strerror)) from error
        except (SQLAlchemyError, UnsendableError) as error:
            raise self._refusal(error) from None

    def _refusal(self, error: Exception) -> ReceiverError:
        """Not chained to its cause anywhere: database errors quote the rows they are about."""
        kind = ReceiverUnfit if _is_about_the_receiver(error) else DeliveryRefused
        return kind(self.address, scrubbed(_own_words(error), self._secrets))


def _resolved(url: str, root: Path, declared_at: str) -> URL:
    """The URL with its driver and, for SQLite, an absolute file.

    Raises:
        SettingsError: it is no URL, or of a database that cannot upsert as we need it.
    """
    fix = "Write sqlite:///relative/file.db or postgresql+psycopg2://user:password@host/database."
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        raise SettingsError(f"{declared_at}.url", "not a database URL", fix) from None
    if backend in {"postgresql", "postgres"}:
        driver = parsed.drivername.partition("+")[2] or "psycopg2"
        return parsed.set(drivername=f"postgresql+{driver}")
    if backend != "sqlite":
        raise SettingsError(f"{declared_at}.url", f"{backend} is not supported", fix)
    if not parsed.database or parsed.database == ":memory:":
        raise SettingsError(f"{declared_at}.url", "a database in memory keeps nothing", fix)
    return parsed.set(database=str((root / parsed.database).resolve()))


def _engine(url: URL, connect_args: dict[str, Any]) -> Engine:
    return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=connect_args)


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions begin where we say, not at the first write
    connection.execute("PRAGMA journal_mode=WAL").close()
    connection.execute("PRAGMA synchronous=FULL").close()


def _begin_sqlite(connection: Connection) -> None:
    how = connection.get_execution_options().get("opsintel_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {how}")


def _is_out_of_reach(error: DBAPIError) -> bool:
    """Whether it is silence and no answer, whatever the driver calls it.

    SQLite calls a wrong statement operational, too. psycopg2 says of a server that went away in the
    middle of a statement that there was an error in the database.
    """
    if isinstance(error, OperationalError | InterfaceError | InternalError):
        return getattr(error.orig, "sqlite_errorname", "") != "SQLITE_ERROR"
    return error.connection_invalidated


def _is_about_the_receiver(error: Exception) -> bool:
    """Whether no rows at all could be taken: a privilege, a table or a column is missing."""
    original = getattr(error, "orig", None)
    state = getattr(original, "pgcode", None) or ""
    name = getattr(original, "sqlite_errorname", None) or ""
    return state[:2] in ("28", "42") or name in _UNFIT


def _own_words(error: Exception) -> str:
    """What the database said, without the values of the rows it said it about.

    PostgreSQL keeps those in the detail of a message, and quotes a value that does not fit its
    type at the end of the first line.
    """
    if not isinstance(error, DBAPIError):
        return str(error).partition("\n")[0]
    diagnosis = getattr(error.orig, "diag", None)
    words = getattr(diagnosis, "message_primary", None) or str(error.orig).strip()
    return re.sub(r': ".*"$', "", words, flags=re.DOTALL)
