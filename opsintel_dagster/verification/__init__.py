"""Contracts: Pandera schemas compiled to one verdict a row, and the split that follows from it."""

from opsintel_dagster.verification.contract import Contract
from opsintel_dagster.verification.masking import mask_pii
from opsintel_dagster.verification.references import in_reference, references
from opsintel_dagster.verification.rules import (
    RESERVED_RULES,
    ReferenceUse,
    Rule,
    Severity,
    Tier,
)
from opsintel_dagster.verification.verdict import FilesVerdict, Verdict

__all__ = [
    "RESERVED_RULES",
    "Contract",
    "FilesVerdict",
    "ReferenceUse",
    "Rule",
    "Severity",
    "Tier",
    "Verdict",
    "in_reference",
    "mask_pii",
    "references",
]
