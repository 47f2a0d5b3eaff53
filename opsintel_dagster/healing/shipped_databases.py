"""The part of the shipped table about databases: SQLAlchemy, and the drivers below it."""

from typing import Final

from opsintel_dagster.healing.shipped_row import NOT_ALLOWED, ShippedRule, Weight, named, rows
from opsintel_dagster.outcome.healing import FailureClass

TRANSIENT = FailureClass.TRANSIENT
DOWN = FailureClass.DEPENDENCY_DOWN
PERMISSION = FailureClass.PERMISSION
UNREADABLE = FailureClass.UNREADABLE
CONTRACT = FailureClass.CONTRACT
REFUSED = FailureClass.REFUSED
BUG = FailureClass.BUG

_DATABASE_MESSAGES: Final = (
    (r"database (table )?is locked|database is busy|deadlock|could not serialize", TRANSIENT),
    (r"lock (wait )?timeout|statement timeout|too many (clients|connections)", TRANSIENT),
    (r"remaining connection slots|server closed the connection|connection .*closed", TRANSIENT),
    (r"lost connection|gone away|terminating connection", TRANSIENT),
    (NOT_ALLOWED, PERMISSION),
    (r"role .* does not exist|no password supplied", PERMISSION),
    (r"no such (table|column)|has no column named", CONTRACT),
    (r"(database|relation|schema|column|table) .* does(n't| not) exist", CONTRACT),
    (r"disk is full|no space left|disk I/O error|unable to open database file", DOWN),
    (r"malformed|not a database|file is encrypted", UNREADABLE),
    (r"syntax error|unrecognized token", BUG),
)
_OF_CONNECTIONS: Final = (
    *("OperationalError", "InterfaceError", "InternalError", "DatabaseError"),
)


def _database(package: str, base: str = "Error") -> tuple[ShippedRule, ...]:
    """What every driver raises, by PEP 249; `base` is the ancestor of all of it."""
    return (
        *(
            ShippedRule(f"{package}.{name}", pattern, failure_class)
            for name in (*_OF_CONNECTIONS, "ProgrammingError", base)
            for pattern, failure_class in _DATABASE_MESSAGES
        ),
        *rows(named(package, "OperationalError InterfaceError InternalError"), DOWN),
        *rows(named(package, f"DatabaseError {base}"), DOWN, Weight.WRAPPER),
        *rows(named(package, "IntegrityError DataError"), REFUSED),
        *rows(named(package, "ProgrammingError"), BUG),
        *rows(named(package, "NotSupportedError"), CONTRACT),
    )


def _postgres(package: str) -> tuple[ShippedRule, ...]:
    """Named after SQLSTATEs: live ones carry it, and of a text the name is enough."""
    of = f"{package}.errors"
    return (
        *rows(named(of, "SerializationFailure DeadlockDetected TransactionRollback"), TRANSIENT),
        *rows(named(of, "LockNotAvailable ObjectInUse QueryCanceled"), TRANSIENT),
        *rows(named(of, "TooManyConnections ConnectionFailure"), TRANSIENT),
        *rows(named(of, "AdminShutdown CrashShutdown CannotConnectNow DatabaseDropped"), DOWN),
        *rows(named(of, "DiskFull OutOfMemory InsufficientResources IoError SystemError"), DOWN),
        *rows(named(of, "ConnectionException ConnectionDoesNotExist InternalError_"), DOWN),
        *rows(named(of, "SqlclientUnableToEstablishSqlconnection"), DOWN),
        *rows(
            named(of, "InsufficientPrivilege InvalidPassword ReadOnlySqlTransaction"),
            PERMISSION,
        ),
        *rows(named(of, "InvalidAuthorizationSpecification"), PERMISSION),
        *rows(named(of, "UndefinedTable UndefinedColumn DatatypeMismatch"), CONTRACT),
        *rows(named(of, "InvalidCatalogName InvalidSchemaName FeatureNotSupported"), CONTRACT),
        *rows(named(of, "UniqueViolation NotNullViolation ForeignKeyViolation"), REFUSED),
        *rows(named(of, "CheckViolation ExclusionViolation RestrictViolation"), REFUSED),
        *rows(named(of, "StringDataRightTruncation NumericValueOutOfRange"), REFUSED),
        *rows(named(of, "InvalidTextRepresentation InvalidDatetimeFormat"), REFUSED),
        *rows(named(of, "SyntaxError UndefinedFunction AmbiguousColumn GroupingError"), BUG),
        *_database(package),
        *rows((package,), DOWN, Weight.WRAPPER),
    )


DATABASES: Final = (
    *rows(named("sqlalchemy.exc", "TimeoutError DisconnectionError"), TRANSIENT),
    *rows(named("sqlalchemy.exc", "PendingRollbackError"), TRANSIENT, Weight.WRAPPER),
    *rows(named("sqlalchemy.exc", "NoSuchTableError NoSuchColumnError"), CONTRACT),
    *rows(named("sqlalchemy.exc", "NoSuchModuleError"), CONTRACT),
    *_database("sqlalchemy.exc", base="DBAPIError"),
    *rows(("sqlalchemy",), BUG, Weight.WRAPPER),
    *_postgres("psycopg2"),
    *rows(named("psycopg2.extensions", "QueryCanceledError TransactionRollbackError"), TRANSIENT),
    *rows(("psycopg_pool.PoolTimeout", "psycopg.errors.ConnectionTimeout"), TRANSIENT),
    *_postgres("psycopg"),
    *_database("sqlite3"),
    *_database("pymysql.err"),
    *_database("MySQLdb"),
    *_database("oracledb.exceptions"),
    *_database("pyodbc"),
)
