"""What stands in messages besides words: an HTTP status, a wait, a number of the system."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

LONGEST_WAIT: Final = timedelta(days=1)
LONGEST_SEARCHED: Final = 10_000
_STATEMENT: Final = re.compile(r"\n\[SQL: |\n\(Background on this error")
"""Where SQLAlchemy begins to quote the statement and the values."""

_PHRASES: Final = "|".join(re.escape(one.phrase) for one in HTTPStatus if one >= 400)
_STATUS: Final = re.compile(
    # requests and httpx, any line of an answer, urllib, aiohttp, urllib3, botocore, prose
    rf"\b([45]\d\d) (?:(?:client|server) error\b|(?:{_PHRASES})\b)"
    r"|\bHTTP(?:/[\d.]+)?(?: error| status)?(?: code)?[ :]+([45]\d\d)\b"
    r"|^([45]\d\d), message="
    r"|\btoo many ([45]\d\d) error responses"
    r"|\ban error occurred \(([45]\d\d)\) when calling"
    r"|\bstatus(?:[ _]code)?[ :=]+([45]\d\d)\b",
    re.IGNORECASE,
)
_RETRY_AFTER: Final = re.compile(
    r"\bretry[- ]after\b['\"]?\s*[:=]?\s*['\"]?"
    r"(\d+|\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)(?![\w.])(?!\s*(?:ms|milli|min|hour))",
    re.IGNORECASE,
)
_ERRNO: Final = re.compile(r"\[Errno (\d{1,3})\]")


@dataclass(frozen=True)
class Facts:
    """What a message says in numbers."""

    status: int | None
    retry_after: timedelta | None
    errno: int | None


def words_of(message: str) -> str:
    """What is searched of a message: no statement, no values, and not what goes on for ever."""
    return _STATEMENT.split(message[:LONGEST_SEARCHED], maxsplit=1)[0]


def facts_of(message: str) -> Facts:
    """The numbers of a message.

    A status counts in the first line only: databases quote the values of a record below it, and
    a record may well hold the words `HTTP 503`.
    """
    text = words_of(message)
    status = _STATUS.search(text.partition("\n")[0])
    after, errno = _RETRY_AFTER.search(text), _ERRNO.search(text)
    return Facts(
        status=int(next(filter(None, status.groups()))) if status else None,
        retry_after=wait_of(after[1]) if after else None,
        errno=int(errno[1]) if errno else None,
    )


def wait_of(value: object, now: datetime | None = None) -> timedelta | None:
    """How long a value of `Retry-After` asks to wait: seconds or an HTTP date, a day at most.

    Garbage is no wait; neither is a date in the past.
    """
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text):
        return min(timedelta(seconds=float(text)), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    wait = at - (now or datetime.now(UTC))
    return min(wait, LONGEST_WAIT) if wait > timedelta(0) else None
