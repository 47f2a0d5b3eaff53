"""What a row of the shipped table is, and how rows are written."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from opsintel_dagster.outcome.healing import FailureClass

NOT_ALLOWED = (
    r"permission denied|access denied|not permitted|not authori[sz]ed|unauthorized"
    r"|authentication failed|no pg_hba\.conf entry|read-?only (database|file system)"
)
"""How a refusal to let us in is worded, whoever says it."""


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


def rows(
    names: Iterable[str], failure_class: FailureClass, weight: Weight = Weight.CAUSE
) -> tuple[ShippedRule, ...]:
    """Rows without a message, of one class for many names."""
    return tuple(ShippedRule(name, None, failure_class, weight) for name in names)


def named(package: str, names: str) -> tuple[str, ...]:
    """The class paths of some names, written with blanks between them."""
    return tuple(f"{package}.{name}" for name in names.split())
