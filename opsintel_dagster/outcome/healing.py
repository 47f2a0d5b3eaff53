"""Healing as declared: which failures are of which class, and how much is tried before a case."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from opsintel_dagster.outcome.declared import Declared
from opsintel_dagster.outcome.durations import Duration
from opsintel_dagster.outcome.findings import refusal


class FailureClass(StrEnum):
    """What kind of failure it is; the class decides whether and when it is tried again."""

    TRANSIENT = "transient"
    """Over in a moment: a connection reset, a lock, a timeout."""
    RATE_LIMITED = "rate_limited"
    """The other side asked us to wait."""
    DEPENDENCY_DOWN = "dependency_down"
    """A source, a reference, a receiver or the ledger cannot be reached."""
    PERMISSION = "permission"
    """Somebody has to let us in; trying again changes nothing."""
    UNREADABLE = "unreadable"
    """What came in cannot be read."""
    CONTRACT = "contract"
    """The declaration or the contract does not fit what it is applied to."""
    DRIFT = "drift"
    """What came in is no longer what used to come in."""
    REFUSED = "refused"
    """The receiver answered, and will not take these records."""
    IN_DOUBT = "in_doubt"
    """It may have happened and cannot be asked about."""
    BUG = "bug"
    """Code did what its author did not mean; the same input will do it again."""
    UNKNOWN = "unknown"
    """No rule of the table knows it."""


def _checked_pattern(text: str | None) -> str | None:
    try:
        re.compile(text or "")
    except re.error as error:
        raise refusal(f"`{text}` is no regular expression: {error}", "mend the pattern") from None
    return text


class FailureRule(Declared):
    """One row of the table by which failures are classified.

    Attributes:
        exception: The class path of an exception, such as `requests.exceptions.Timeout`, or its
            package, such as `requests`; None: any.
        message: A regular expression that is searched in the message, case ignored; None: any.
        failure_class: What it is.
    """

    exception: str | None = Field(default=None, min_length=1)
    message: Annotated[str | None, AfterValidator(_checked_pattern)] = None
    failure_class: FailureClass

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.exception is None and self.message is None:
            raise refusal(
                "a rule without exception and message fits every failure",
                "write `exception: package.Class`, `message: pattern`, or both",
            )
        return self


class Healing(Declared):
    """How failures are told apart, and the bounds within which an outcome helps itself.

    Attributes:
        failures: Rules that come before the shipped ones; the first that fits decides.
        retry_within: How long one drain may spend on trying again in place, for all its batches.
        attempts_per_batch: How often a batch is tried across runs before it becomes a case.
        attempts_per_hour: How many failed attempts an outcome may make in an hour; then it stops
            and asks.
        deliveries_per_batch: How many deliveries may be spent on finding the records of a batch
            that a receiver refuses.
    """

    failures: tuple[FailureRule, ...] = ()
    retry_within: Duration = timedelta(seconds=10)
    attempts_per_batch: int = Field(default=10, ge=1)
    attempts_per_hour: int = Field(default=60, ge=1)
    deliveries_per_batch: int = Field(default=200, ge=1)
