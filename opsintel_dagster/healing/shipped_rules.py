r"""The shipped table: what an exception's class, and its message, say about trying again.

A row is a class path or a package, a pattern that is searched in the message (case ignored) or
None, and the class of the failure. Its weight says how much it counts beside other links of the
same chain; `classification` says how. Names are texts: nothing is imported to be recognized.

Every class that a library raises and that means something else than its package has a row of its
own, and does not lean on its ancestors: of a pasted traceback only the name is known.
"""

from typing import Final

from opsintel_dagster.healing.shipped_databases import DATABASES
from opsintel_dagster.healing.shipped_row import NOT_ALLOWED, ShippedRule, Weight, named, rows
from opsintel_dagster.outcome.healing import FailureClass
from opsintel_dagster.outcome.symptoms import SYMPTOM_RULES

TRANSIENT = FailureClass.TRANSIENT
RATE_LIMITED = FailureClass.RATE_LIMITED
DOWN = FailureClass.DEPENDENCY_DOWN
PERMISSION = FailureClass.PERMISSION
UNREADABLE = FailureClass.UNREADABLE
CONTRACT = FailureClass.CONTRACT
DRIFT = FailureClass.DRIFT
REFUSED = FailureClass.REFUSED
IN_DOUBT = FailureClass.IN_DOUBT
BUG = FailureClass.BUG


_OURS: Final = "opsintel_dagster.errors"

OWN: Final = (
    *rows(named(_OURS, "DeliveryRefused"), REFUSED, Weight.DECISIVE),
    *rows(named(_OURS, "DeliveryInDoubt"), IN_DOUBT, Weight.DECISIVE),
    *rows(named(_OURS, "SourceUnreadable"), UNREADABLE, Weight.DECISIVE),
    # A variable that is not set is not a lock on a door: what is declared does not fit the
    # environment it is applied to, and whoever declared it knows the value. So: contract.
    *rows(
        named(
            _OURS,
            "ContractError ContractNotTranslated DeclarationError SettingsError UnknownName "
            "OutcomeClaimed DecisionRefused EditsRefused",
        ),
        CONTRACT,
        Weight.DECISIVE,
    ),
    ShippedRule(f"{_OURS}.ReceiverUnfit", NOT_ALLOWED, PERMISSION, Weight.DECISIVE),
    *rows(named(_OURS, "ReceiverUnfit"), CONTRACT, Weight.DECISIVE),
    *rows(named(_OURS, "LeaseLost SourceVanished"), TRANSIENT, Weight.DECISIVE),
    ShippedRule(f"{_OURS}.StoreError", r"not what was written|differs|is not there", UNREADABLE),
    ShippedRule(f"{_OURS}.LedgerError", r"is at revision", CONTRACT, Weight.DECISIVE),
    *(
        row
        for name in named(
            _OURS,
            "ReceiverDown SourceDown ReferenceDown LedgerError StoreError ReceiverError "
            "SourceError",
        )
        for row in (
            ShippedRule(name, NOT_ALLOWED, PERMISSION, Weight.WRAPPER),
            ShippedRule(name, None, DOWN, Weight.WRAPPER),
        )
    ),
)

SYMPTOMS: Final = (
    # Of a symptom the rule it breaks stands where the class path does.
    *rows((*SYMPTOM_RULES.values(), "arrival.tolerance"), DRIFT, Weight.DECISIVE),
    *rows(("arrival.columns",), CONTRACT, Weight.DECISIVE),
)

PYTHON: Final = (
    # An OSError without a row of its own is judged by its number, see `shipped_numbers`.
    *rows(("PermissionError",), PERMISSION),
    *rows(("ConnectionRefusedError",), DOWN),
    *rows(
        ("ConnectionError", "ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError"),
        TRANSIENT,
    ),
    *rows(("TimeoutError", "InterruptedError", "BlockingIOError", "MemoryError"), TRANSIENT),
    *rows(("FileNotFoundError",), DOWN, Weight.WRAPPER),
    *rows(("IsADirectoryError", "NotADirectoryError", "FileExistsError"), CONTRACT),
    *rows(("OSError", "EOFError"), DOWN, Weight.WRAPPER),
    ShippedRule("socket.gaierror", r"temporary failure", TRANSIENT),
    *rows(("socket.gaierror", "socket.herror"), DOWN),
    *rows(("ssl.SSLCertVerificationError", "ssl.CertificateError"), PERMISSION),
    ShippedRule("ssl.SSLError", r"certificate", PERMISSION),
    *rows(("ssl",), TRANSIENT),
    *rows(("concurrent.futures.process.BrokenProcessPool",), TRANSIENT),
    *rows(named("http.client", "RemoteDisconnected IncompleteRead BadStatusLine"), TRANSIENT),
    *rows(named("urllib.error", "URLError HTTPError"), DOWN, Weight.WRAPPER),
    *rows(("json.decoder.JSONDecodeError", "UnicodeDecodeError", "zlib.error"), UNREADABLE),
    *rows(("gzip.BadGzipFile", "zipfile.BadZipFile", "csv.Error", "_csv.Error"), UNREADABLE),
    # Somebody or something stopped the process, not the work.
    *rows(("KeyboardInterrupt", "SystemExit", "GeneratorExit"), TRANSIENT, Weight.DECISIVE),
    *rows(("asyncio.exceptions.CancelledError",), TRANSIENT, Weight.DECISIVE),
    *rows(
        (
            *("TypeError", "LookupError", "KeyError", "IndexError", "AttributeError", "NameError"),
            *("ArithmeticError", "ZeroDivisionError", "OverflowError", "FloatingPointError"),
            *("AssertionError", "NotImplementedError", "RecursionError", "UnboundLocalError"),
            *("SyntaxError", "IndentationError", "ValueError"),
            *("UnicodeEncodeError", "UnicodeTranslateError", "UnicodeError"),
            *("StopIteration", "StopAsyncIteration", "BufferError", "ReferenceError", "TabError"),
        ),
        BUG,
        Weight.PROGRAMMING,
    ),
    # What is not installed is missing like a variable that is not set.
    *rows(("ImportError", "ModuleNotFoundError"), CONTRACT, Weight.PROGRAMMING),
)

HTTP: Final = (
    *rows(
        named(
            "requests.exceptions",
            "InvalidURL MissingSchema InvalidSchema InvalidHeader InvalidProxyURL",
        ),
        CONTRACT,
    ),
    ShippedRule("requests.exceptions.SSLError", r"certificate", PERMISSION),
    *rows(named("requests.exceptions", "SSLError ConnectTimeout ReadTimeout"), TRANSIENT),
    *rows(named("requests.exceptions", "TooManyRedirects"), CONTRACT),
    *rows(named("requests.exceptions", "JSONDecodeError ContentDecodingError"), UNREADABLE),
    *rows(named("requests.exceptions", "InvalidJSONError"), BUG),
    ShippedRule("requests.exceptions.ConnectionError", r"refused|resolve|unreachable", DOWN),
    *rows(named("requests.exceptions", "ProxyError"), DOWN),
    *rows(("requests",), TRANSIENT),
    *rows(("httpx.InvalidURL",), CONTRACT),
    *rows(named("httpx", "UnsupportedProtocol TooManyRedirects"), CONTRACT),
    *rows(("httpx.DecodingError",), UNREADABLE),
    *rows(named("httpx", "StreamError StreamConsumed StreamClosed ResponseNotRead"), BUG),
    *rows(named("httpx", "RequestNotRead CookieConflict LocalProtocolError"), BUG),
    ShippedRule("httpx.ConnectError", r"certificate", PERMISSION),
    ShippedRule("httpcore.ConnectError", r"certificate", PERMISSION),
    *rows(("httpx.ConnectError", "httpx.ProxyError"), DOWN),
    *rows(("httpcore.ConnectError", "httpcore.ProxyError"), DOWN),
    *rows(("httpx", "httpcore"), TRANSIENT),
    *rows(named("urllib3.exceptions", "NameResolutionError ProxyError"), DOWN),
    ShippedRule("urllib3.exceptions.NewConnectionError", r"refused|unreachable", DOWN),
    ShippedRule("urllib3.exceptions.SSLError", r"certificate", PERMISSION),
    *rows(named("urllib3.exceptions", "LocationParseError LocationValueError"), CONTRACT),
    # It repeats in words what lies below it.
    *rows(named("urllib3.exceptions", "MaxRetryError"), DOWN, Weight.WRAPPER),
    *rows(("urllib3",), TRANSIENT),
    *rows(("aiohttp.client_exceptions.InvalidURL",), CONTRACT),
    *rows(named("aiohttp.client_exceptions", "ClientConnectorCertificateError"), PERMISSION),
    *rows(
        named("aiohttp.client_exceptions", "ClientConnectorError ClientConnectorDNSError"),
        DOWN,
    ),
    *rows(("aiohttp",), TRANSIENT),
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
    *rows(named("botocore.exceptions", "ClientError"), REFUSED),
    *rows(
        named(
            "botocore.exceptions",
            "NoCredentialsError PartialCredentialsError CredentialRetrievalError SSLError "
            "TokenRetrievalError SSOTokenLoadError UnauthorizedSSOTokenError NoAuthTokenError",
        ),
        PERMISSION,
    ),
    *rows(named("botocore.exceptions", "EndpointConnectionError ProxyConnectionError"), DOWN),
    *rows(named("botocore.exceptions", "ParamValidationError"), BUG),
    *rows(
        named(
            "botocore.exceptions",
            "ProfileNotFound NoRegionError InvalidRegionError ConfigNotFound ConfigParseError "
            "InvalidEndpointConfigurationError UnknownServiceError",
        ),
        CONTRACT,
    ),
    *rows(("botocore", "boto3", "aiobotocore"), TRANSIENT),
    *rows(named("fsspec.exceptions", "FSTimeoutError"), TRANSIENT),
    *rows(named("fsspec.exceptions", "BlocksizeMismatchError"), BUG),
    ShippedRule("gcsfs.retry.HttpError", r"forbidden|invalid credentials|anonymous", PERMISSION),
    ShippedRule("gcsfs.retry.HttpError", r"rate ?limit|too many requests", RATE_LIMITED),
    *rows(named("gcsfs.retry", "HttpError NonRetriableError"), TRANSIENT, Weight.WRAPPER),
    *rows(named("gcsfs.retry", "ChecksumError"), TRANSIENT),
    *rows(named("google.auth.exceptions", "TransportError"), TRANSIENT),
    *rows(("google.auth.exceptions",), PERMISSION),
    *rows(
        named("google.api_core.exceptions", "Forbidden Unauthorized Unauthenticated"),
        PERMISSION,
    ),
    *rows(named("google.api_core.exceptions", "TooManyRequests ResourceExhausted"), RATE_LIMITED),
    *rows(named("google.api_core.exceptions", "ServiceUnavailable"), DOWN),
    *rows(named("google.api_core.exceptions", "NotFound BadRequest InvalidArgument"), REFUSED),
    *rows(("google.api_core.exceptions",), TRANSIENT),
    *rows(named("azure.core.exceptions", "ClientAuthenticationError"), PERMISSION),
    *rows(named("azure.core.exceptions", "ResourceNotFoundError"), DOWN),
    *rows(("azure.core.exceptions",), TRANSIENT),
    *rows(
        named(
            "paramiko.ssh_exception",
            "AuthenticationException BadAuthenticationType BadHostKeyException "
            "PartialAuthentication PasswordRequiredException",
        ),
        PERMISSION,
    ),
    *rows(named("paramiko.ssh_exception", "NoValidConnectionsError"), DOWN),
    *rows(("paramiko",), TRANSIENT),
)

POLARS: Final = (
    ShippedRule("polars.exceptions.ComputeError", NOT_ALLOWED, PERMISSION),
    ShippedRule("polars.exceptions.ComputeError", r"no space left|out of memory", DOWN),
    ShippedRule("polars.exceptions.ComputeError", r"sending request|timed out", TRANSIENT),
    *rows(named("polars.exceptions", "ComputeError NoDataError"), UNREADABLE),
    *rows(
        named(
            "polars.exceptions",
            "SchemaError ColumnNotFoundError SchemaFieldNotFoundError StructFieldNotFoundError "
            "ShapeError DuplicateError InvalidOperationError SQLInterfaceError SQLSyntaxError",
        ),
        CONTRACT,
    ),
    *rows(("polars", "pyo3_runtime"), BUG),
    *rows(named("pandera.errors", "SchemaErrors SchemaError SchemaDefinitionError"), CONTRACT),
    *rows(named("pandera.errors", "SchemaInitError"), CONTRACT),
    *rows(named("pydantic_core._pydantic_core", "ValidationError"), CONTRACT),
)

_DAGSTER: Final = "dagster._core.errors"

DAGSTER: Final = (
    # DagsterExecutionStepExecutionError and its like have no row: they only say where.
    *rows(named(_DAGSTER, "DagsterExecutionInterruptedError"), TRANSIENT, Weight.DECISIVE),
    *rows(
        named("dagster._core.executor.child_process_executor", "ChildProcessCrashException"),
        TRANSIENT,
    ),
    *rows(named(_DAGSTER, "DagsterSubprocessError"), TRANSIENT, Weight.WRAPPER),
    *rows(
        named(
            _DAGSTER,
            "DagsterUserCodeUnreachableError DagsterUserCodeUnreachableTimeoutError "
            "DagsterLaunchFailedError DagsterObjectStoreError",
        ),
        DOWN,
        Weight.WRAPPER,
    ),
    # The run is not in this instance, and no attempt will put it there.
    *rows(named(_DAGSTER, "DagsterRunNotFoundError DagsterHomeNotSetError"), CONTRACT),
    *rows(
        named(
            _DAGSTER,
            "DagsterInvalidDefinitionError DagsterInvalidConfigError DagsterInvalidSubsetError "
            "DagsterInvalidConfigDefinitionError DagsterUnknownResourceError "
            "DagsterCodeLocationNotFoundError DagsterUnmetExecutorRequirementsError "
            "DagsterTypeCheckDidNotPass DagsterAssetCheckFailedError DagsterUnknownPartitionError",
        ),
        CONTRACT,
        Weight.WRAPPER,
    ),
    *rows(
        named(
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

SHIPPED: Final = (*OWN, *SYMPTOMS, *PYTHON, *DATABASES, *HTTP, *CLOUD, *POLARS, *DAGSTER)
