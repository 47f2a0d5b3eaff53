"""Reads the chain of an exception that is at hand, whatever library raised it.

Nothing is imported to recognize anything: attributes are asked for by name, and one that raises,
or holds something else than expected, is as good as absent.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from opsintel_dagster.healing.failure import Link
from opsintel_dagster.healing.message_facts import facts_of, wait_of

MOST_LINKS: Final = 200


def links_of(error: BaseException) -> tuple[Link, ...]:
    """The chain of an exception, outermost first.

    After an exception comes its `__cause__`, or else its `__context__` unless that is suppressed;
    then the members of a group, one chain after the other; then what SQLAlchemy keeps as `orig`.
    An exception that is met again is left out.
    """
    links: list[Link] = []
    seen: set[int] = set()
    ahead = [error]
    while ahead and len(links) < MOST_LINKS:
        one = ahead.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        links.append(_link(one))
        ahead += reversed(_below(one))
    return tuple(links)


def _below(error: BaseException) -> list[BaseException]:
    below: list[BaseException] = []
    if error.__cause__ is not None:
        below.append(error.__cause__)
    elif error.__context__ is not None and not error.__suppress_context__:
        below.append(error.__context__)
    if isinstance(error, BaseExceptionGroup):
        below += error.exceptions
    orig = _ask(error, "orig")
    return [*below, orig] if isinstance(orig, BaseException) else below


def _link(error: BaseException) -> Link:
    message = _message(error)
    facts = facts_of(message)
    response = _ask(error, "response")
    status = _status((error, response)) or _answered(response, "HTTPStatusCode")
    number = _ask(error, "errno") if isinstance(error, OSError) else None
    return Link(
        paths=tuple(class_path(one) for one in type(error).__mro__ if one is not object),
        message=message,
        status=status if status is not None else facts.status,
        retry_after=_retry_after(error, response) or facts.retry_after,
        errno=number if _is_number(number) else facts.errno,
        sqlstate=_sqlstate(error),
        is_final=_ask(error, "allow_retries") is False,
    )


def class_path(one: type) -> str:
    """The path of a class as a traceback shows it."""
    module = one.__module__
    return one.__qualname__ if module == "builtins" else f"{module}.{one.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # whatever its author did; the class is still worth knowing
        return ""


def _ask(subject: object, name: str) -> Any:
    try:
        return getattr(subject, name, None)
    except Exception:  # noqa: BLE001  # a property of somebody else's class
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _status(subjects: Iterable[object]) -> int | None:
    for subject in subjects:
        for name in ("status_code", "status", "code"):
            value = _ask(subject, name)
            if _is_number(value) and 400 <= value <= 599:
                return int(value)
    return None


def _answered(response: object, name: str) -> Any:
    """What botocore keeps of an answer."""
    metadata = _get(response, "ResponseMetadata")
    value = _get(metadata, name)
    if name == "HTTPStatusCode":
        return value if _is_number(value) and 400 <= value <= 599 else None
    return value


def _retry_after(error: BaseException, response: object) -> timedelta | None:
    for headers in (
        _ask(response, "headers"),
        _ask(error, "headers"),
        _answered(response, "HTTPHeaders"),
    ):
        for name in ("Retry-After", "retry-after"):
            wait = wait_of(_get(headers, name))
            if wait is not None:
                return wait
    return wait_of(_ask(error, "retry_after"))


def _get(mapping: object, name: str) -> Any:
    """A value of something like a mapping; headers seldom are real ones."""
    get = _ask(mapping, "get")
    if not callable(get):
        return None
    try:
        return get(name)
    except Exception:  # noqa: BLE001  # it only looked like one
        return None


def _sqlstate(error: BaseException) -> str | None:
    for name in ("sqlstate", "pgcode"):
        value = _ask(error, name)
        if isinstance(value, str) and len(value) == 5:
            return value
    return None
