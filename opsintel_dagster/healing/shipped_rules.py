r"""The shipped table: what an exception's class, and its message, say about trying again.

A row is a class path or a package, a pattern that is searched in the message (case ignored) or
None, and the class of the failure. Its weight says how much it counts beside other links of the
same chain; `classification` says how. Names are texts: nothing is imported to be recognized.

Every class that a library raises and that means something else than its package has a row of its
own, and does not lean on its ancestors: of a pasted traceback only the name is known.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from opsintel_dagster.outcome.healing import FailureClass

TRANSIENT = FailureClass.TRANSIENT
RATE_LIMITED = FailureClass.RATE_LIMITED
DOWN = FailureClass.DEPENDENCY_DOWN
PERMISSION = FailureClass.PERMISSION
UNREADABLE = FailureClass.UNREADABLE
CONTRACT = FailureClass.CONTRACT
REFUSED = FailureClass.REFUSED
IN_DOUBT = FailureClass.IN_DOUBT
BUG = FailureClass.BUG


class Weight(IntEnum):
    """How much a row counts beside others that fit other links of the chain."""

    DECISIVE = 0
    """Whoever raised it knew the cause and said what it is."""
    CAUSE = 1
    """Says what happened; the further down, the nearer to the cause."""
    WRAPPER = 2
    """Says where it happened; what lies below says why, if it says anything."""
    PROGRAMMING = 3
    """Raised by Python itself; often only what was tried first, as in `except KeyError: fetch`."""


@dataclass(frozen=True)
class ShippedRule:
    """One row; `exception` None is any, the pattern must then fit."""

    exception: str | None
    message: str | None
    failure_class: FailureClass
    weight: Weight = Weight.CAUSE


def _rows(
    names: Iterable[str], failure_class: FailureClass, weight: Weight = Weight.CAUSE
) -> tuple[ShippedRule, ...]:
    return tuple(ShippedRule(name, None, failure_class, weight) for name in names)


def _in(package: str, names: str) -> tuple[str, ...]:
    return tuple(f"{package}.{name}" for name in names.split())


_OURS: Final = "opsintel_dagster.errors"
_NOT_ALLOWED: Final = (
    r"permission denied|access denied|not permitted|not authori[sz]ed|unauthorized"
    r"|authentication failed|no pg_hba\.conf entry|read-?only (database|file system)"
)

OWN: Final = (
    *_rows(_in(_OURS, "DeliveryRefused"), REFUSED, Weight.DECISIVE),
    *_rows(_in(_OURS, "DeliveryInDoubt"), IN_DOUBT, Weight.DECISIVE),
    *_rows(_in(_OURS, "SourceUnreadable"), UNREADABLE, Weight.DECISIVE),
    # A variable that is not set is not a lock on a door: what is declared does not fit the
    # environment it is applied to, and whoever declared it knows the value. So: contract.
    *_rows(
        _in(
            _OURS,
            "ContractError ContractNotTranslated DeclarationError SettingsError UnknownName "
            "OutcomeClaimed",
        ),
        CONTRACT,
        Weight.DECISIVE,
    ),
    *_rows(_in(_OURS, "LeaseLost SourceVanished"), TRANSIENT, Weight.DECISIVE),
    ShippedRule(f"{_OURS}.StoreError", r"not what was written|differs|is not there", UNREADABLE),
    ShippedRule(f"{_OURS}.LedgerError", r"is at revision", CONTRACT, Weight.DECISIVE),
    *(
        row
        for name in _in(
            _OURS,
            "ReceiverDown SourceDown ReferenceDown LedgerError StoreError ReceiverError "
            "SourceError",
        )
        for row in (
            ShippedRule(name, _NOT_ALLOWED, PERMISSION, Weight.WRAPPER),
            ShippedRule(name, None, DOWN, Weight.WRAPPER),
        )
    ),
)

PYTHON: Final = (
    # An OSError without a row of its own is judged by its number, see `shipped_numbers`.
    *_rows(("PermissionError",), PERMISSION),
    *_rows(("ConnectionRefusedError",), DOWN),
    *_rows(
        ("ConnectionError", "ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError"),
        TRANSIENT,
    ),
    *_rows(("TimeoutError", "InterruptedError", "BlockingIOError", "MemoryError"), TRANSIENT),
    *_rows(("FileNotFoundError",), DOWN, Weight.WRAPPER),
    *_rows(("IsADirectoryError", "NotADirectoryError", "FileExistsError"), CONTRACT),
    *_rows(("OSError", "EOFError"), DOWN, Weight.WRAPPER),
    ShippedRule("socket.gaierror", r"temporary failure", TRANSIENT),
    *_rows(("socket.gaierror", "socket.herror"), DOWN),
    *_rows(("ssl.SSLCertVerificationError", "ssl.CertificateError"), PERMISSION),
    ShippedRule("ssl.SSLError", r"certificate", PERMISSION),
    *_rows(("ssl",), TRANSIENT),
    *_rows(("concurrent.futures.process.BrokenProcessPool",), TRANSIENT),
    *_rows(_in("http.client", "RemoteDisconnected IncompleteRead BadStatusLine"), TRANSIENT),
    *_rows(_in("urllib.error", "URLError HTTPError"), DOWN, Weight.WRAPPER),
    *_rows(("json.decoder.JSONDecodeError", "UnicodeDecodeError", "zlib.error"), UNREADABLE),
    *_rows(("gzip.BadGzipFile", "zipfile.BadZipFile", "csv.Error", "_csv.Error"), UNREADABLE),
    # Somebody or something stopped the process, not the work.
    *_rows(("KeyboardInterrupt", "SystemExit", "GeneratorExit"), TRANSIENT, Weight.DECISIVE),
    *_rows(("asyncio.exceptions.CancelledError",), TRANSIENT, Weight.DECISIVE),
    *_rows(
        (
            *("TypeError", "LookupError", "KeyError", "IndexError", "AttributeError", "NameError"),
            *("ArithmeticError", "ZeroDivisionError", "OverflowError", "FloatingPointError"),
            *("AssertionError", "NotImplementedError", "RecursionError", "UnboundLocalError"),
            *("ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError"),
            *("ValueError", "UnicodeEncodeError", "UnicodeTranslateError", "UnicodeError"),
            *("StopIteration", "StopAsyncIteration", "BufferError", "ReferenceError", "TabError"),
        ),
        BUG,
        Weight.PROGRAMMING,
    ),
)

_DATABASE_MESSAGES: Final = (
    (r"database (table )?is locked|database is busy|deadlock|could not serialize", TRANSIENT),
    (r"lock (wait )?timeout|statement timeout|too many (clients|connections)", TRANSIENT),
    (r"remaining connection slots|server closed the connection|connection .*closed", TRANSIENT),
    (r"lost connection|gone away|terminating connection", TRANSIENT),
    (_NOT_ALLOWED, PERMISSION),
    (r"role .* does not exist|no password supplied", PERMISSION),
    (r"no such (table|column)|has no column named", CONTRACT),
    (r"(database|relation|schema|column|table) .* does(n't| not) exist", CONTRACT),
    (r"disk is full|no space left|disk I/O error|unable to open database file", DOWN),
    (r"malformed|not a database|file is encrypted", UNREADABLE),
    (r"syntax error|unrecognized token", BUG),
)
_OF_CONNECTIONS: Final = (
    *("OperationalError", "InterfaceError", "InternalError", "DatabaseError", "DBAPIError"),
    "Error",
)


def _database(package: str) -> tuple[ShippedRule, ...]:
    """What every driver raises, by PEP 249."""
    return (
        *(
            ShippedRule(f"{package}.{name}", pattern, failure_class)
            for name in (*_OF_CONNECTIONS, "ProgrammingError")
            for pattern, failure_class in _DATABASE_MESSAGES
        ),
        *_rows(_in(package, "OperationalError InterfaceError InternalError"), DOWN),
        *_rows(_in(package, "DatabaseError DBAPIError Error"), DOWN, Weight.WRAPPER),
        *_rows(_in(package, "IntegrityError DataError"), REFUSED),
        *_rows(_in(package, "ProgrammingError"), BUG),
        *_rows(_in(package, "NotSupportedError"), CONTRACT),
    )


def _postgres(package: str) -> tuple[ShippedRule, ...]:
    """Named after SQLSTATEs: live ones carry it, and of a text the name is enough."""
    of = f"{package}.errors"
    return (
        *_rows(_in(of, "SerializationFailure DeadlockDetected TransactionRollback"), TRANSIENT),
        *_rows(_in(of, "LockNotAvailable ObjectInUse QueryCanceled"), TRANSIENT),
        *_rows(_in(of, "TooManyConnections ConnectionFailure ConnectionTimeout"), TRANSIENT),
        *_rows(_in(of, "AdminShutdown CrashShutdown CannotConnectNow DatabaseDropped"), DOWN),
        *_rows(_in(of, "DiskFull OutOfMemory InsufficientResources IoError SystemError"), DOWN),
        *_rows(_in(of, "ConnectionException ConnectionDoesNotExist InternalError_"), DOWN),
        *_rows(_in(of, "SqlclientUnableToEstablishSqlconnection"), DOWN),
        *_rows(_in(of, "InsufficientPrivilege InvalidPassword ReadOnlySqlTransaction"), PERMISSION),
        *_rows(_in(of, "InvalidAuthorizationSpecification"), PERMISSION),
        *_rows(_in(of, "UndefinedTable UndefinedColumn DatatypeMismatch"), CONTRACT),
        *_rows(_in(of, "InvalidCatalogName InvalidSchemaName FeatureNotSupported"), CONTRACT),
        *_rows(_in(of, "UniqueViolation NotNullViolation ForeignKeyViolation"), REFUSED),
        *_rows(_in(of, "CheckViolation ExclusionViolation RestrictViolation"), REFUSED),
        *_rows(_in(of, "StringDataRightTruncation NumericValueOutOfRange"), REFUSED),
        *_rows(_in(of, "InvalidTextRepresentation InvalidDatetimeFormat"), REFUSED),
        *_rows(_in(of, "SyntaxError UndefinedFunction AmbiguousColumn GroupingError"), BUG),
        *_database(package),
        *_rows((package,), DOWN, Weight.WRAPPER),
    )


DATABASES: Final = (
    *_rows(_in("sqlalchemy.exc", "TimeoutError DisconnectionError"), TRANSIENT),
    *_rows(_in("sqlalchemy.exc", "PendingRollbackError"), TRANSIENT, Weight.WRAPPER),
    *_rows(_in("sqlalchemy.exc", "NoSuchTableError NoSuchColumnError"), CONTRACT),
    *_rows(_in("sqlalchemy.exc", "NoSuchModuleError"), CONTRACT),
    *_database("sqlalchemy.exc"),
    *_rows(("sqlalchemy",), BUG, Weight.WRAPPER),
    *_postgres("psycopg2"),
    *_rows(_in("psycopg2.extensions", "QueryCanceledError TransactionRollbackError"), TRANSIENT),
    *_rows(("psycopg_pool.PoolTimeout",), TRANSIENT),
    *_postgres("psycopg"),
    *_database("sqlite3"),
    *_database("pymysql.err"),
    *_database("MySQLdb"),
    *_database("oracledb.exceptions"),
    *_database("pyodbc"),
)

HTTP: Final = (
    *_rows(
        _in(
            "requests.exceptions",
            "InvalidURL MissingSchema InvalidSchema InvalidHeader InvalidProxyURL",
        ),
        CONTRACT,
    ),
    ShippedRule("requests.exceptions.SSLError", r"certificate", PERMISSION),
    *_rows(_in("requests.exceptions", "SSLError ConnectTimeout ReadTimeout"), TRANSIENT),
    *_rows(_in("requests.exceptions", "TooManyRedirects"), CONTRACT),
    *_rows(_in("requests.exceptions", "JSONDecodeError ContentDecodingError"), UNREADABLE),
    *_rows(_in("requests.exceptions", "InvalidJSONError"), BUG),
    ShippedRule("requests.exceptions.ConnectionError", r"refused|resolve|unreachable", DOWN),
    *_rows(_in("requests.exceptions", "ProxyError"), DOWN),
    *_rows(("requests",), TRANSIENT),
    *_rows(("httpx.InvalidURL",), CONTRACT),
    *_rows(_in("httpx", "UnsupportedProtocol TooManyRedirects"), CONTRACT),
    *_rows(("httpx.DecodingError",), UNREADABLE),
    *_rows(_in("httpx", "StreamError StreamConsumed StreamClosed ResponseNotRead"), BUG),
    *_rows(_in("httpx", "RequestNotRead CookieConflict LocalProtocolError"), BUG),
    ShippedRule("httpx.ConnectError", r"certificate", PERMISSION),
    ShippedRule("httpcore.ConnectError", r"certificate", PERMISSION),
    *_rows(("httpx.ConnectError", "httpx.ProxyError"), DOWN),
    *_rows(("httpcore.ConnectError", "httpcore.ProxyError"), DOWN),
    *_rows(("httpx", "httpcore"), TRANSIENT),
    *_rows(_in("urllib3.exceptions", "NameResolutionError ProxyError"), DOWN),
    ShippedRule("urllib3.exceptions.NewConnectionError", r"refused|unreachable", DOWN),
    ShippedRule("urllib3.exceptions.SSLError", r"certificate", PERMISSION),
    *_rows(_in("urllib3.exceptions", "LocationParseError LocationValueError"), CONTRACT),
    # It repeats in words what lies below it.
    *_rows(_in("urllib3.exceptions", "MaxRetryError"), DOWN, Weight.WRAPPER),
    *_rows(("urllib3",), TRANSIENT),
    *_rows(("aiohttp.client_exceptions.InvalidURL",), CONTRACT),
    *_rows(_in("aiohttp.client_exceptions", "ClientConnectorCertificateError"), PERMISSION),
    *_rows(
        _in("aiohttp.client_exceptions", "ClientConnectorError ClientConnectorDNSError"),
        DOWN,
    ),
    *_rows(("aiohttp",), TRANSIENT),
)

_ANSWERED: Final = r"an error occurred \({}\)"
_CLOUD_CODES: Final = (
    (r"Throttl\w+|RequestThrottled\w*|TooManyRequestsException|SlowDown", RATE_LIMITED),
    (r"\w*LimitExceeded|\w*LimitExceededException", RATE_LIMITED),
    (r"ProvisionedThroughputExceededException", RATE_LIMITED),
    (r"AccessDenied\w*|AllAccessDisabled|UnauthorizedOperation|AuthFailure|40[13]", PERMISSION),
    (r"ExpiredToken\w*|Invalid\w*Token\w*|InvalidAccessKeyId|RequestTimeTooSkewed", PERMISSION),
    (r"SignatureDoesNotMatch|UnrecognizedClientException|KMS\.\w+", PERMISSION),
    (r"NoSuchBucket|InvalidBucketName|PermanentRedirect", CONTRACT),
    (r"AuthorizationHeaderMalformed|ResourceNotFoundException", CONTRACT),
    (r"NoSuchKey|NoSuchVersion|404|ServiceUnavailable\w*|503", DOWN),
    (r"RequestTimeout\w*|Internal\w*Error|OperationAborted|5\d\d", TRANSIENT),
)

CLOUD: Final = (
    *(
        ShippedRule("botocore.exceptions.ClientError", _ANSWERED.format(codes), failure_class)
        for codes, failure_class in _CLOUD_CODES
    ),
    *_rows(_in("botocore.exceptions", "ClientError"), REFUSED),
    *_rows(
        _in(
            "botocore.exceptions",
            "NoCredentialsError PartialCredentialsError CredentialRetrievalError SSLError "
            "TokenRetrievalError SSOTokenLoadError UnauthorizedSSOTokenError NoAuthTokenError",
        ),
        PERMISSION,
    ),
    *_rows(_in("botocore.exceptions", "EndpointConnectionError ProxyConnectionError"), DOWN),
    *_rows(_in("botocore.exceptions", "ParamValidationError"), BUG),
    *_rows(
        _in(
            "botocore.exceptions",
            "ProfileNotFound NoRegionError InvalidRegionError ConfigNotFound ConfigParseError "
            "InvalidEndpointConfigurationError UnknownServiceError",
        ),
        CONTRACT,
    ),
    *_rows(("botocore", "boto3", "aiobotocore"), TRANSIENT),
    *_rows(_in("fsspec.exceptions", "FSTimeoutError"), TRANSIENT),
    *_rows(_in("fsspec.exceptions", "BlocksizeMismatchError"), BUG),
    ShippedRule("gcsfs.retry.HttpError", r"forbidden|invalid credentials|anonymous", PERMISSION),
    ShippedRule("gcsfs.retry.HttpError", r"rate ?limit|too many requests", RATE_LIMITED),
    *_rows(_in("gcsfs.retry", "HttpError NonRetriableError"), TRANSIENT, Weight.WRAPPER),
    *_rows(_in("gcsfs.retry", "ChecksumError"), TRANSIENT),
    *_rows(_in("google.auth.exceptions", "TransportError"), TRANSIENT),
    *_rows(("google.auth.exceptions",), PERMISSION),
    *_rows(_in("google.api_core.exceptions", "Forbidden Unauthorized Unauthenticated"), PERMISSION),
    *_rows(_in("google.api_core.exceptions", "TooManyRequests ResourceExhausted"), RATE_LIMITED),
    *_rows(_in("google.api_core.exceptions", "ServiceUnavailable"), DOWN),
    *_rows(_in("google.api_core.exceptions", "NotFound BadRequest InvalidArgument"), REFUSED),
    *_rows(("google.api_core.exceptions",), TRANSIENT),
    *_rows(_in("azure.core.exceptions", "ClientAuthenticationError"), PERMISSION),
    *_rows(_in("azure.core.exceptions", "ResourceNotFoundError"), DOWN),
    *_rows(("azure.core.exceptions",), TRANSIENT),
    *_rows(
        _in(
            "paramiko.ssh_exception",
            "AuthenticationException BadAuthenticationType BadHostKeyException "
            "PartialAuthentication PasswordRequiredException",
        ),
        PERMISSION,
    ),
    *_rows(_in("paramiko.ssh_exception", "NoValidConnectionsError"), DOWN),
    *_rows(("paramiko",), TRANSIENT),
)

POLARS: Final = (
    ShippedRule("polars.exceptions.ComputeError", _NOT_ALLOWED, PERMISSION),
    ShippedRule("polars.exceptions.ComputeError", r"no space left|out of memory", DOWN),
    ShippedRule("polars.exceptions.ComputeError", r"sending request|timed out", TRANSIENT),
    *_rows(_in("polars.exceptions", "ComputeError NoDataError"), UNREADABLE),
    *_rows(
        _in(
            "polars.exceptions",
            "SchemaError ColumnNotFoundError SchemaFieldNotFoundError StructFieldNotFoundError "
            "ShapeError DuplicateError InvalidOperationError SQLInterfaceError SQLSyntaxError",
        ),
        CONTRACT,
    ),
    *_rows(("polars", "pyo3_runtime"), BUG),
    *_rows(_in("pandera.errors", "SchemaErrors SchemaError SchemaDefinitionError"), CONTRACT),
    *_rows(_in("pandera.errors", "SchemaInitError"), CONTRACT),
    *_rows(_in("pydantic_core._pydantic_core", "ValidationError"), CONTRACT),
)

_DAGSTER: Final = "dagster._core.errors"

DAGSTER: Final = (
    # DagsterExecutionStepExecutionError and its like have no row: they only say where.
    *_rows(_in(_DAGSTER, "DagsterExecutionInterruptedError"), TRANSIENT, Weight.DECISIVE),
    *_rows(
        _in("dagster._core.executor.child_process_executor", "ChildProcessCrashException"),
        TRANSIENT,
    ),
    *_rows(_in(_DAGSTER, "DagsterSubprocessError"), TRANSIENT, Weight.WRAPPER),
    *_rows(
        _in(
            _DAGSTER,
            "DagsterUserCodeUnreachableError DagsterUserCodeUnreachableTimeoutError "
            "DagsterLaunchFailedError DagsterObjectStoreError",
        ),
        DOWN,
        Weight.WRAPPER,
    ),
    # The run is not in this instance, and no attempt will put it there.
    *_rows(_in(_DAGSTER, "DagsterRunNotFoundError DagsterHomeNotSetError"), CONTRACT),
    *_rows(
        _in(
            _DAGSTER,
            "DagsterInvalidDefinitionError DagsterInvalidConfigError DagsterInvalidSubsetError "
            "DagsterInvalidConfigDefinitionError DagsterUnknownResourceError "
            "DagsterCodeLocationNotFoundError DagsterUnmetExecutorRequirementsError "
            "DagsterTypeCheckDidNotPass DagsterAssetCheckFailedError DagsterUnknownPartitionError",
        ),
        CONTRACT,
        Weight.WRAPPER,
    ),
    *_rows(
        _in(
            _DAGSTER,
            "DagsterInvariantViolationError DagsterInvalidInvocationError DagsterInvalidMetadata "
            "DagsterStepOutputNotFoundError",
        ),
        BUG,
        Weight.WRAPPER,
    ),
    # A run that died without an exception leaves a sentence only; these fit nothing else.
    ShippedRule(None, r"terminated by signal|unexpectedly exited|run worker|OOMKilled", TRANSIENT),
    ShippedRule(None, r"exceeded maximum runtime|interrupted|timed out", TRANSIENT),
)

SHIPPED: Final = (*OWN, *PYTHON, *DATABASES, *HTTP, *CLOUD, *POLARS, *DAGSTER)
