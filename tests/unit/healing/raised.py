"""Exceptions as libraries raise them, real where the library is installed, and what they are."""

import errno
import socket
import ssl
from itertools import pairwise
from typing import Any

import httpx
import polars as pl
import psycopg2
import psycopg2.errors
import requests
import sqlalchemy as sa

from opsintel_dagster import errors as ours


def faked(module: str, name: str, *bases: type[BaseException]) -> Any:
    """A class of a library that is not installed."""
    return type(name, bases or (Exception,), {"__module__": module})


def chained(*errors: BaseException) -> BaseException:
    """The first, caused by the second, and so on."""
    for outer, inner in pairwise(errors):
        outer.__cause__ = inner
        outer.__suppress_context__ = True
    return errors[0]


def answered(status: int, **headers: str) -> requests.HTTPError:
    """What `raise_for_status` raises."""
    response = requests.Response()
    response.status_code = status
    response.url = "http://desk/rows"
    response.reason = {429: "Too Many Requests", 503: "Service Unavailable"}.get(status, "Nope")
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        error.__traceback__ = None
        return error
    raise AssertionError(status)


def httpx_answered(status: int, **headers: str) -> httpx.HTTPStatusError:
    """The same of httpx."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx.Request("GET", "http://desk/rows")
    try:
        httpx.Response(status, headers=named, request=request).raise_for_status()
    except httpx.HTTPStatusError as error:
        error.__traceback__ = None
        return error
    raise AssertionError(status)


def of_sqlalchemy(name: str, orig: Exception) -> Exception:
    """A wrapper of SQLAlchemy around an error of a driver."""
    wrapper = getattr(sa.exc, name)("INSERT INTO t VALUES (?)", ("connection refused",), orig)
    return chained(wrapper, orig)  # type: ignore[return-value]


def of_botocore(code: str) -> Exception:
    """What botocore raises for an answer with an error code."""
    made = faked("botocore.exceptions", "ClientError")
    error = made(f"An error occurred ({code}) when calling the PutObject operation: no")
    error.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return error  # type: ignore[no-any-return]


class StateError(psycopg2.OperationalError):
    """An error of the driver with the SQLSTATE of a test; the real attribute is read-only."""

    def __init__(self, pgcode: str) -> None:
        super().__init__("the server said no")
        self._code = pgcode

    @property
    def pgcode(self) -> str:
        return self._code


def os_error(name: str) -> OSError:
    return OSError(getattr(errno, name), "said the system")


PANIC = pl.exceptions.PanicException
SEEN = (
    (ours.DeliveryRefused("desk", "no"), "refused"),
    (ours.DeliveryInDoubt("desk", "no answer"), "in_doubt"),
    (ours.SourceUnreadable("a.csv", "no header"), "unreadable"),
    (ours.SettingsError("DESK_URL", "not set", "set it"), "contract"),
    (ours.LeaseLost("parcels", 3), "transient"),
    (ours.ReceiverDown("desk", "busy"), "dependency_down"),
    (ours.ReceiverDown("desk", "permission denied for table t"), "permission"),
    (ours.SourceDown("inbox", "no answer"), "dependency_down"),
    (ours.ReferenceDown("depots", "it is empty"), "dependency_down"),
    (ours.LedgerError("ledger x: cannot be reached"), "dependency_down"),
    (ours.StoreError("a.parquet", "it is not there; restore it"), "unreadable"),
    (ours.StoreError("a.parquet", "cannot be written (x)"), "dependency_down"),
    (os_error("ENOSPC"), "dependency_down"),
    (os_error("EACCES"), "permission"),
    (os_error("EPERM"), "permission"),
    (os_error("EROFS"), "permission"),
    (os_error("ECONNRESET"), "transient"),
    (os_error("ETIMEDOUT"), "transient"),
    (os_error("EMFILE"), "transient"),
    (os_error("ESTALE"), "transient"),
    (os_error("ENOENT"), "dependency_down"),
    (os_error("EIO"), "dependency_down"),
    (os_error("EISDIR"), "contract"),
    (os_error("EINVAL"), "bug"),
    (os_error("ECONNREFUSED"), "dependency_down"),
    (OSError("no number"), "dependency_down"),
    (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "dependency_down"),
    (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "transient"),
    (ssl.SSLError(1, "[SSL] record layer failure"), "transient"),
    (ssl.SSLCertVerificationError(1, "certificate verify failed"), "permission"),
    (MemoryError(), "transient"),
    (KeyboardInterrupt(), "transient"),
    (SystemExit(1), "transient"),
    (TimeoutError(), "transient"),
    (TypeError("x"), "bug"),
    (KeyError("x"), "bug"),
    (AttributeError("x"), "bug"),
    (ZeroDivisionError("x"), "bug"),
    (AssertionError(), "bug"),
    (NotImplementedError(), "bug"),
    (RecursionError("x"), "bug"),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "unreadable"),
    (Exception("nobody knows"), "unknown"),
    (faked("shop.errors", "BasketError")("no"), "unknown"),
    (sa.exc.TimeoutError("QueuePool limit reached"), "transient"),
    (sa.exc.NoSuchTableError("t"), "contract"),
    (of_sqlalchemy("OperationalError", psycopg2.OperationalError("gone")), "dependency_down"),
    (of_sqlalchemy("IntegrityError", psycopg2.IntegrityError("dup")), "refused"),
    (psycopg2.OperationalError("password authentication failed for user"), "permission"),
    (psycopg2.OperationalError("server closed the connection unexpectedly"), "transient"),
    (psycopg2.OperationalError('database "x" does not exist'), "contract"),
    (psycopg2.ProgrammingError("can't adapt type 'dict'"), "bug"),
    (psycopg2.errors.UniqueViolation("duplicate key"), "refused"),
    (psycopg2.errors.SerializationFailure("could not"), "transient"),
    (psycopg2.errors.InsufficientPrivilege("no"), "permission"),
    (psycopg2.errors.UndefinedTable('relation "x" does not exist'), "contract"),
    (psycopg2.errors.AdminShutdown("terminating"), "dependency_down"),
    (faked("sqlite3", "OperationalError")("database is locked"), "transient"),
    (faked("sqlite3", "OperationalError")("attempt to write a readonly database"), "permission"),
    (faked("sqlite3", "OperationalError")("database or disk is full"), "dependency_down"),
    (faked("sqlite3", "OperationalError")("no such table: t"), "contract"),
    (faked("sqlite3", "DatabaseError")("database disk image is malformed"), "unreadable"),
    (answered(401), "permission"),
    (answered(403), "permission"),
    (answered(404), "refused"),
    (answered(408), "transient"),
    (answered(422), "refused"),
    (answered(429), "rate_limited"),
    (answered(500), "transient"),
    (answered(503), "dependency_down"),
    (httpx_answered(429), "rate_limited"),
    (httpx_answered(502), "transient"),
    (httpx_answered(400), "refused"),
    (httpx.ReadTimeout("slow"), "transient"),
    (httpx.ConnectError("[Errno 111] Connection refused"), "dependency_down"),
    (httpx.UnsupportedProtocol("ftp"), "contract"),
    (requests.ConnectTimeout("slow"), "transient"),
    (requests.exceptions.InvalidURL("x"), "contract"),
    (requests.exceptions.ChunkedEncodingError("broken"), "transient"),
    (faked("urllib3.exceptions", "ReadTimeoutError")("slow"), "transient"),
    (of_botocore("SlowDown"), "rate_limited"),
    (of_botocore("ThrottlingException"), "rate_limited"),
    (of_botocore("AccessDenied"), "permission"),
    (of_botocore("ExpiredToken"), "permission"),
    (of_botocore("NoSuchBucket"), "contract"),
    (of_botocore("InternalError"), "transient"),
    (of_botocore("EntityTooLarge"), "refused"),
    (faked("botocore.exceptions", "EndpointConnectionError")("no"), "dependency_down"),
    (faked("botocore.exceptions", "NoCredentialsError")("no"), "permission"),
    (faked("fsspec.exceptions", "FSTimeoutError")(), "transient"),
    (faked("gcsfs.retry", "HttpError")("Forbidden: 403"), "permission"),
    (faked("paramiko.ssh_exception", "AuthenticationException")("no"), "permission"),
    (faked("paramiko.ssh_exception", "NoValidConnectionsError", OSError)("no"), "dependency_down"),
    (pl.exceptions.ComputeError("parquet: File out of specification"), "unreadable"),
    (pl.exceptions.SchemaError("x"), "contract"),
    (pl.exceptions.ColumnNotFoundError("x"), "contract"),
    (pl.exceptions.RowsError("x"), "bug"),
    (PANIC("index out of bounds"), "bug"),
    (faked("dagster._core.errors", "DagsterExecutionInterruptedError")(), "transient"),
    (faked("dagster._core.errors", "DagsterUserCodeUnreachableError")("no"), "dependency_down"),
    (faked("dagster._core.errors", "DagsterRunNotFoundError")("no"), "contract"),
    (
        faked("dagster._core.executor.child_process_executor", "ChildProcessCrashException")(),
        "transient",
    ),
)
"""An exception, and the class it must be given, of the exception and of its text."""
