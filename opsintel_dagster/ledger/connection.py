"""One door to the ledger's database: SQLite by default, PostgreSQL by URL.

Write transactions take their lock at the beginning (BEGIN IMMEDIATE on SQLite), so that a reader
who turns writer never meets a lock upgrade. Reads see one snapshot for the whole transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from opsintel_dagster.errors import LedgerError
from opsintel_dagster.settings import LEDGER_VARIABLE

HEAD_REVISION = "0009"
_MIGRATION_LOCK = 0x6F7073  # any constant known to all installations ("ops")
_SQLITE_BUSY_SECONDS = 60
_INSTALL = "pip install 'opsintel-dagster[postgres]'"


class Ledger:
    """A connection to the ledger; opening one touches no database until it is used."""

    def __init__(self, url: str) -> None:
        self._url = _with_driver(make_url(url))
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._engine: Engine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self.address!r})"

    @property
    def address(self) -> str:
        """The database's URL, its password masked."""
        return self._url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Give all connections back; the ledger may be used again afterwards."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one snapshot and writes nothing.

        Raises:
            LedgerError: the database cannot be reached or holds no ledger.
        """
        options: dict[str, Any] = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._connect() as opened:
            connection = opened.execution_options(**options)
            with _as_ledger_errors(self.address), connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends and is undone when it raises.

        Raises:
            LedgerError: the database cannot be reached.
        """
        with self._connect() as opened:
            connection = opened.execution_options(opsintel_write=True)
            with _as_ledger_errors(self.address), connection.begin():
                yield connection

    def exists(self) -> bool:
        """Whether a migrated ledger is there; creates nothing.

        Raises:
            LedgerError: nobody can tell.
        """
        if self.is_sqlite and not self._has_file():
            return False
        with self._connect() as connection, _as_ledger_errors(self.address):
            return self._revision(connection) is not None

    def is_current(self) -> bool:
        """Whether its tables are those of this version.

        Raises:
            LedgerError: nobody can tell.
        """
        with self._connect() as connection, _as_ledger_errors(self.address):
            return self._revision(connection) == HEAD_REVISION

    def migrate(self) -> None:
        """Bring the tables to this version's revision, under a lock; cheap when they are there.

        Raises:
            LedgerError: the ledger was migrated by a newer version of this package.
        """
        with self._connect() as connection, _as_ledger_errors(self.address):
            if self._revision(connection) == HEAD_REVISION:
                return
        # Alembic costs a tenth of a second to import: only who migrates pays it.
        from opsintel_dagster.ledger.migrations.upgrade import upgrade  # noqa: PLC0415

        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK}
                )
            upgrade(connection, self._revision(connection), self.address)

    def _revision(self, connection: Connection) -> str | None:
        if not inspect(connection).has_table("opsintel_alembic_version"):
            return None
        query = select(text("version_num")).select_from(text("opsintel_alembic_version"))
        return connection.execute(query).scalar()

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        try:
            connection = self._open_engine().connect()
        except ModuleNotFoundError as error:
            reason = f"its driver {error.name} is not installed; {_INSTALL}"
            raise LedgerError(f"ledger {self.address}: {reason}") from error
        except (SQLAlchemyError, OSError) as error:
            reason = str(getattr(error, "orig", None) or error).strip()
            raise LedgerError(self._cannot_be_opened(reason)) from error
        with connection:
            yield connection

    def _cannot_be_opened(self, reason: str) -> str:
        do = "look after the file and its folder" if self.is_sqlite else "start the database"
        return (
            f"ledger {self.address} cannot be opened: {reason}; {do}, or correct {LEDGER_VARIABLE}"
        )

    def _has_file(self) -> bool:
        try:
            return bool(self._url.database) and Path(str(self._url.database)).exists()
        except OSError as error:
            raise LedgerError(self._cannot_be_opened(str(error))) from error

    def _open_engine(self) -> Engine:
        if self._engine is None:
            self._engine = (
                _sqlite_engine(self._url) if self.is_sqlite else _server_engine(self._url)
            )
        return self._engine


@contextmanager
def _as_ledger_errors(address: str) -> Iterator[None]:
    """Say what went wrong with the ledger in our words; a clash of keys is its caller's to see."""
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise LedgerError(f"ledger {address}: {type(error).__name__}: {reason}") from error


def _with_driver(url: URL) -> URL:
    """The driver that our extra installs, where none is named: SQLAlchemy would take another."""
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg2")
    return url


def _server_engine(url: Any) -> Engine:
    # Bound values are people's data: they have no place in an error's text.
    return create_engine(url, pool_pre_ping=True, pool_size=2, max_overflow=4, hide_parameters=True)


def _sqlite_engine(url: Any) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    # Kept open: whoever closes the last connection of a SQLite file writes its whole log back, and
    # with a connection a transaction that was a fifth of a drain.
    engine = create_engine(
        url,
        pool_size=2,
        max_overflow=4,
        connect_args={"timeout": _SQLITE_BUSY_SECONDS},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _configure(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None  # we say BEGIN ourselves
        dbapi_connection.execute("PRAGMA journal_mode=WAL")
        dbapi_connection.execute("PRAGMA synchronous=FULL")
        dbapi_connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        is_write = connection.get_execution_options().get("opsintel_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    return engine
