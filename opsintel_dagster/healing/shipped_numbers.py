"""The shipped rules over numbers: of the operating system, of databases, of HTTP."""

import errno
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from opsintel_dagster.outcome.healing import FailureClass

_ERRNO_NAMES: Final = {
    FailureClass.TRANSIENT: (
        *("EAGAIN", "EALREADY", "EBUSY", "ECONNABORTED", "ECONNRESET", "EDEADLK", "EINPROGRESS"),
        *("EINTR", "EMFILE", "ENETRESET", "ENFILE", "ENOBUFS", "ENOMEM", "EPIPE", "ESTALE"),
        *("ETIMEDOUT", "ETXTBSY", "ENOLCK"),
    ),
    # A full disk is waited for like a server that is away: somebody frees it, we go on.
    FailureClass.DEPENDENCY_DOWN: (
        *("ECONNREFUSED", "EDQUOT", "EHOSTDOWN", "EHOSTUNREACH", "EIO", "ENETDOWN"),
        *("ENETUNREACH", "ENODEV", "ENOENT", "ENOSPC", "ENOTCONN", "ENXIO", "EREMOTEIO"),
    ),
    FailureClass.PERMISSION: ("EACCES", "EPERM", "EROFS", "EKEYREJECTED", "EKEYEXPIRED", "ENOKEY"),
    FailureClass.CONTRACT: ("EFBIG", "EISDIR", "ELOOP", "ENAMETOOLONG", "ENOTDIR", "EXDEV"),
    FailureClass.BUG: ("EBADF", "EFAULT", "EINVAL", "ENOTSOCK", "EDESTADDRREQ"),
}

# Not every system has every number.
OF_ERRNO: Final[Mapping[int, FailureClass]] = MappingProxyType(
    {
        number: failure_class
        for failure_class, names in _ERRNO_NAMES.items()
        for name in names
        if (number := getattr(errno, name, None)) is not None
    }
)

OF_SQLSTATE: Final[Mapping[str, FailureClass]] = MappingProxyType(
    {
        "08": FailureClass.DEPENDENCY_DOWN,  # connection
        "08006": FailureClass.TRANSIENT,  # broken while in use
        "0A": FailureClass.CONTRACT,  # feature not supported
        "21": FailureClass.BUG,  # cardinality
        "22": FailureClass.REFUSED,  # a value does not fit its column
        "23": FailureClass.REFUSED,  # integrity
        "25": FailureClass.BUG,  # state of the transaction
        "25006": FailureClass.PERMISSION,  # read-only
        "28": FailureClass.PERMISSION,  # who we are
        "3D": FailureClass.CONTRACT,  # no such database
        "3F": FailureClass.CONTRACT,  # no such schema
        "40": FailureClass.TRANSIENT,  # serialization, deadlock
        "42": FailureClass.BUG,  # what was said to it
        "42501": FailureClass.PERMISSION,
        "42703": FailureClass.CONTRACT,  # no such column
        "42804": FailureClass.CONTRACT,  # another type
        "42P01": FailureClass.CONTRACT,  # no such table
        "53": FailureClass.DEPENDENCY_DOWN,  # disk, memory
        "53300": FailureClass.TRANSIENT,  # too many connections
        "55": FailureClass.TRANSIENT,  # in use, locked
        "57": FailureClass.DEPENDENCY_DOWN,  # shutdown, crash, starting up
        "57014": FailureClass.TRANSIENT,  # cancelled: a timeout
        "58": FailureClass.DEPENDENCY_DOWN,  # the system below it
        "XX": FailureClass.DEPENDENCY_DOWN,  # its own bug
    }
)
"""By class or by whole code; the whole code wins."""

OF_STATUS: Final[Mapping[int, FailureClass]] = MappingProxyType(
    {
        401: FailureClass.PERMISSION,
        403: FailureClass.PERMISSION,
        407: FailureClass.PERMISSION,
        408: FailureClass.TRANSIENT,
        423: FailureClass.TRANSIENT,
        425: FailureClass.TRANSIENT,
        429: FailureClass.RATE_LIMITED,
        503: FailureClass.DEPENDENCY_DOWN,  # rate_limited where it says when to come back
        507: FailureClass.DEPENDENCY_DOWN,
        511: FailureClass.PERMISSION,
    }
)


def class_of_status(status: int, *, says_when: bool) -> FailureClass:
    """What an HTTP status means; `says_when` is whether it came with `Retry-After`."""
    if status == 503 and says_when:
        return FailureClass.RATE_LIMITED
    default = FailureClass.REFUSED if status < 500 else FailureClass.TRANSIENT
    return OF_STATUS.get(status, default)


def class_of_sqlstate(sqlstate: str) -> tuple[str, FailureClass] | None:
    """The code or class of codes that decides, and what it means."""
    for known in (sqlstate, sqlstate[:2]):
        if known in OF_SQLSTATE:
            return known, OF_SQLSTATE[known]
    return None
