"""What a rule is: its id, what it looks at, how it is judged and what breaking it means."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

READABLE: Final = "readable"
ARRIVAL_COLUMNS: Final = "arrival.columns"
KEY_UNIQUE: Final = "key.unique"
KEY_NOT_NULL: Final = "key.not_null"

RESERVED_RULES: Final = frozenset(
    {
        READABLE,
        ARRIVAL_COLUMNS,
        KEY_UNIQUE,
        KEY_NOT_NULL,
        "arrival.drift",
        "arrival.null_rate",
        "arrival.tolerance",
        "arrival.volume",
        "key.repeat",
        "route.none",
        "refused",
    }
)
"""Ids that mean something of their own; no check of a contract may be called so."""


def rule_of_column(column: str, short: str) -> str:
    """The id of a rule of one column; a column called `key` must not pose as the key."""
    wanted = f"{column}.{short}"
    return f"column.{wanted}" if wanted in RESERVED_RULES else wanted


class Severity(StrEnum):
    """What a broken rule does to its row."""

    ERROR = "error"
    """The row goes to quarantine."""
    WARNING = "warning"
    """The row goes on and is counted (`raise_warning=True` in the contract)."""


class Tier(StrEnum):
    """How a rule is judged; the first tier that is provably exact is taken, never guessed."""

    ROW = "row"
    """T1: an expression over one row; judged for the whole batch in one pass."""
    FRAME = "frame"
    """T2: an expression over the rows of an arrival (uniqueness, windows)."""
    OPAQUE = "opaque"
    """T3: Python that cannot be looked into; Pandera runs it on each arrival."""
    TABLE = "table"
    """T4: one answer for an arrival, no row verdict; broken, it holds the arrival."""


@dataclass(frozen=True, slots=True)
class ReferenceUse:
    """The columns of another outcome in which a rule looks values up."""

    outcome: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.outcome}.{'+'.join(self.columns)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a contract.

    `columns` are the contract's columns it looks at, the judged one first; empty for Python over
    the whole frame, where nobody can know. `is_about_arrival` says that one row alone does not
    decide it: a part of an arrival cannot be judged by it again.
    """

    id: str
    columns: tuple[str, ...]
    severity: Severity
    tier: Tier
    reference: ReferenceUse | None
    description: str
    is_about_arrival: bool = False
