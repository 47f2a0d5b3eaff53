"""Finds what the shipped table says of one link, without looking at every row."""

import builtins
import errno
import re
from dataclasses import dataclass
from functools import cache, lru_cache

from opsintel_dagster.healing.failure import Link
from opsintel_dagster.healing.message_facts import words_of
from opsintel_dagster.healing.shipped_numbers import OF_ERRNO, class_of_sqlstate, class_of_status
from opsintel_dagster.healing.shipped_row import ShippedRule, Weight
from opsintel_dagster.healing.shipped_rules import SHIPPED
from opsintel_dagster.outcome.healing import FailureClass


@dataclass(frozen=True)
class Verdict:
    """What the table says of one link."""

    failure_class: FailureClass
    weight: Weight
    rule: str


def verdict_of(link: Link) -> Verdict | None:
    """What the shipped table says of the link, looked at alone.

    A decisive row comes first. Else the first row that fits, of the class and then of its
    ancestors; the row of a package comes after those of its classes, and before ancestors from
    other packages. A row without a message gives way to what a number says more exactly: the
    SQLSTATE, the HTTP status, and, where it is that of any OSError, the number of the system.
    """
    said = words_of(link.message)
    fitting = [row for row in _rows_for(link.paths) if _fits(row, said)]
    first = fitting[0] if fitting else None
    decisive = next((row for row in fitting if row.weight is Weight.DECISIVE), None)
    if decisive is not None:
        return _of(decisive)
    if first is not None and first.message is not None:
        return _of(first)
    numbered = _of_sqlstate(link) or _of_status(link)
    if numbered is None and (first is None or first.exception == "OSError"):
        numbered = _of_errno(link)
    return numbered or (_of(first) if first is not None else None)


def _of(row: ShippedRule) -> Verdict:
    words = [row.exception] if row.exception else []
    words += [f"message ~ {row.message}"] if row.message else []
    return Verdict(row.failure_class, row.weight, f"shipped: {', '.join(words)}")


def _of_sqlstate(link: Link) -> Verdict | None:
    found = class_of_sqlstate(link.sqlstate) if link.sqlstate else None
    return found and Verdict(found[1], Weight.CAUSE, f"shipped: SQLSTATE {found[0]}")


def _of_status(link: Link) -> Verdict | None:
    if link.status is None:
        return None
    says_when = link.retry_after is not None
    failure_class = class_of_status(link.status, says_when=says_when)
    after = " with Retry-After" if says_when else ""
    return Verdict(failure_class, Weight.CAUSE, f"shipped: HTTP status {link.status}{after}")


def _of_errno(link: Link) -> Verdict | None:
    if link.errno is None or link.errno not in OF_ERRNO:
        return None
    # A file that was not there is often only what was tried first.
    weight = Weight.WRAPPER if link.errno == errno.ENOENT else Weight.CAUSE
    return Verdict(OF_ERRNO[link.errno], weight, f"shipped: errno {errno.errorcode[link.errno]}")


def _fits(row: ShippedRule, said: str) -> bool:
    return row.message is None or re.search(row.message, said, re.IGNORECASE) is not None


@cache
def _table() -> tuple[dict[str | None, list[ShippedRule]], dict[str, list[ShippedRule]]]:
    """The rows by class path or package, and by the bare name of the class."""
    by_path: dict[str | None, list[ShippedRule]] = {}
    by_name: dict[str, list[ShippedRule]] = {}
    for row in SHIPPED:
        by_path.setdefault(row.exception, []).append(row)
        if row.exception and "." in row.exception:
            by_name.setdefault(row.exception.rpartition(".")[2], []).append(row)
    return by_path, by_name


@lru_cache(maxsize=1024)
def _rows_for(paths: tuple[str, ...]) -> tuple[ShippedRule, ...]:
    """The rows of a class and of its ancestors, the most specific first.

    Of a bare name only the rows of a class can be found, not those of its package; a name that
    Python itself has is Python's.
    """
    by_path, by_name = _table()
    if not paths:
        return tuple(by_path[None])
    if len(paths) == 1 and "." not in paths[0]:
        ancestors = builtin_ancestors(paths[0])
        if not ancestors:  # Dagster stores the name of a class apart from its module
            return tuple(by_name.get(paths[0], ()))
        paths = ancestors
    rows: list[ShippedRule] = []
    for place, path in enumerate(paths):
        rows += by_path.get(path, ())
        after = paths[place + 1] if place + 1 < len(paths) else ""
        if _top(path) != _top(after):
            rows += _of_packages(path, by_path)
    return tuple(rows)


def _of_packages(path: str, by_path: dict[str | None, list[ShippedRule]]) -> list[ShippedRule]:
    rows: list[ShippedRule] = []
    package = path.rpartition(".")[0]
    while package:
        rows += by_path.get(package, ())
        package = package.rpartition(".")[0]
    return rows


def _top(path: str) -> str:
    return path.partition(".")[0]


def builtin_ancestors(name: str) -> tuple[str, ...]:
    """The MRO of an exception of Python itself; empty if the name is none of them."""
    found = getattr(builtins, name, None)
    if not isinstance(found, type) or not issubclass(found, BaseException):
        return ()
    return tuple(one.__name__ for one in found.__mro__ if one is not object)
