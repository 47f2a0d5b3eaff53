"""Why a schema is refused: one entry a problem, collected so that all are shown at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ContractProblem:
    """One thing of a schema that cannot be verified exactly."""

    where: str
    """The column, rule or option, as the user wrote it."""
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}. {self.fix}"
