"""Every error of the package: what is wrong, where, and how to fix it.

OpsintelError
├── DeclarationError      findings in one or more declarations, all at once
├── ContractError         a schema that cannot be verified exactly; every problem at once
│   └── ContractNotTranslated  the same of an engine, which may have no exact words for it
├── SettingsError         the environment lacks or garbles something
├── UnknownName           a person asked for something by a name that nothing here has
├── SourceError
│   ├── SourceDown        the place the arrivals come from cannot be reached
│   ├── SourceVanished    a file was there at the poll and is gone at the read
│   └── SourceUnreadable  nothing of it can be read, whenever it is tried
├── ReferenceDown         a reference cannot be trusted now; the batch waits
├── ReceiverError
│   ├── ReceiverDown      could not be reached, or answered that it is busy
│   ├── ReceiverUnfit     answered that it can take no rows as it is
│   ├── DeliveryRefused   answered, and will not take these rows
│   └── DeliveryInDoubt   may or may not have taken them, and cannot be asked
├── LedgerError
│   ├── LeaseLost         another drain took over; what this one writes no longer counts
│   └── OutcomeClaimed    the outcome's name is bound to another code location
├── DecisionRefused       what was answered to a case cannot be done, or was answered already
│   └── EditsRefused      an edited export, row by row
├── StoreError            a file the ledger names is missing or is not what was written
└── RunFailed             a run of Dagster that a command started did not succeed
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsintel_dagster.outcome.findings import Finding
    from opsintel_dagster.verification.problems import ContractProblem

EDITS_SHOWN = 50


class OpsintelError(Exception):
    """Base of all errors of this package; its text is meant to be read by the user."""


class DeclarationError(OpsintelError):
    """One or more declarations cannot be compiled; carries every finding, not just the first."""

    def __init__(self, findings: "Sequence[Finding]") -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        head = f"{count} problem{'s' if count != 1 else ''} in the declaration of outcomes:"
        super().__init__("\n".join([head, *(f"  - {finding}" for finding in self.findings)]))


class ContractError(OpsintelError):
    """A schema cannot be verified exactly; carries every problem, not just the first."""

    def __init__(
        self, contract: str, problems: "Sequence[ContractProblem]", where: str = ""
    ) -> None:
        self.contract = contract
        self.problems = tuple(problems)
        head = f"contract {contract} cannot be verified exactly{where}:"
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in self.problems)]))


class ContractNotTranslated(ContractError):
    """Rules or columns have no expression in an engine that provably says the same."""

    def __init__(self, contract: str, problems: "Sequence[ContractProblem]", engine: str) -> None:
        self.engine = engine
        super().__init__(contract, problems, where=f" in {engine}")


class SettingsError(OpsintelError):
    """The environment does not hold what a declaration or the package needs."""

    def __init__(self, name: str, reason: str, fix: str) -> None:
        self.name = name
        super().__init__(f"{name}: {reason}. {fix}")


class UnknownName(OpsintelError):
    """Nothing here is called that; says what is."""

    def __init__(self, kind: str, name: str, fix: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"there is no {kind} `{name}` here; {fix}")


class SourceError(OpsintelError):
    """Reading from a source failed."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"{source}: {reason}")


class SourceDown(SourceError):
    """The place itself cannot be reached; nothing is known about its arrivals."""


class SourceVanished(SourceError):
    """The arrival was there at the poll and is gone now; it was never received."""


class SourceUnreadable(SourceError):
    """Nothing can be read from this arrival; `detail` says what was found instead."""


class ReferenceDown(OpsintelError):
    """A reference is absent, empty, stale or shrunk: no row is judged by it."""

    def __init__(self, reference: str, reason: str) -> None:
        self.reference = reference
        self.reason = reason
        super().__init__(f"reference {reference}: {reason}; the batch waits until it is back")


class ReceiverError(OpsintelError):
    """Handing rows to a receiver failed."""

    def __init__(self, receiver: str, reason: str) -> None:
        self.receiver = receiver
        self.reason = reason
        super().__init__(f"receiver {receiver}: {reason}")


class ReceiverDown(ReceiverError):
    """The receiver could not be reached or was busy; nothing was taken."""


class ReceiverUnfit(ReceiverError):
    """The receiver has no such table or column, or does not let us in; nothing was taken."""


class DeliveryRefused(ReceiverError):
    """The receiver answered and will not take these rows; nothing was taken."""


class DeliveryInDoubt(ReceiverError):
    """The receiver may have taken the rows and cannot be asked; never sent again."""


class LedgerError(OpsintelError):
    """The ledger cannot do what was asked of it."""


class LeaseLost(LedgerError):
    """Another drain of the outcome has taken over; this one must stop writing."""

    def __init__(self, outcome: str, epoch: int) -> None:
        self.outcome = outcome
        self.epoch = epoch
        super().__init__(
            f"{outcome}: the lease of epoch {epoch} was taken over by another drain; "
            "nothing of this drain counts from here on, the other one goes on with the work"
        )


class OutcomeClaimed(LedgerError):
    """Two code locations declare an outcome of the same name."""

    def __init__(self, outcome: str, owner: str, claimant: str) -> None:
        super().__init__(
            f"outcome {outcome} belongs to code location {owner!r} in this ledger and is also "
            f"declared by {claimant!r}; rename one of them, or run `opsintel release {outcome}` "
            f"if {owner!r} is gone"
        )


class DecisionRefused(OpsintelError):
    """A decision about a case cannot be carried out; nothing of it was."""

    def __init__(self, case: str, reason: str) -> None:
        self.case = case
        self.reason = reason
        super().__init__(f"{case}: {reason}")


class EditsRefused(DecisionRefused):
    """Rows of an edited export cannot be taken; carries a sentence for each, and takes none."""

    def __init__(self, case: str, problems: "Sequence[str]") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''}, so nothing of the file was taken:"
        shown = [f"  - {problem}" for problem in self.problems[:EDITS_SHOWN]]
        more = [f"  … and {count - EDITS_SHOWN:,} more"] if count > EDITS_SHOWN else []
        super().__init__(case, "\n".join([head, *shown, *more]))


class StoreError(OpsintelError):
    """A file named by the ledger is missing or differs from what was written."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class RunFailed(OpsintelError):
    """A run of Dagster that a command started did not succeed; what came before it stays done."""

    def __init__(self, outcome: str, run_id: str, reason: str) -> None:
        super().__init__(
            f"run {run_id} of {outcome} failed: {reason}; its log in the UI says more. Mend the "
            "cause and start the command again: it goes on where this one stopped"
        )
