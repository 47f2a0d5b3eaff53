"""All outcomes of a code location compiled together, so that all findings come at once."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from opsintel_dagster.errors import ContractError, DeclarationError
from opsintel_dagster.orchestration.compiled import Compiled, compile_outcomes, facts_of
from opsintel_dagster.outcome import Finding, Outcome, Positions, check
from opsintel_dagster.outcome.findings import FieldPath, position_of
from opsintel_dagster.verification import Contract


@dataclass(frozen=True)
class Declaration:
    """An outcome as far as it could be understood, with what is wrong in it.

    `unsound` are the fields of `outcome` that hold a placeholder; `positions` say where the
    parts stand in their file.
    """

    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    unsound: frozenset[str] = frozenset()
    positions: Positions = field(default_factory=dict)
    produced_elsewhere: tuple[str, ...] = ()


def compile_location(
    declarations: Sequence[Declaration], location: str, others: Collection[str] = ()
) -> dict[str, Compiled]:
    """Compile the outcomes of a code location, checked against each other.

    `others` are outcomes of the same location that are compiled elsewhere.

    Raises:
        DeclarationError: with every finding of every outcome, those of broken ones included.
    """
    elsewhere = {name for one in declarations for name in one.produced_elsewhere} | set(others)
    broken = [one for one in declarations if one.findings]
    known = elsewhere | {one.outcome.name for one in declarations}
    findings = [finding for one in broken for finding in _of_broken(one, known)]
    compiled: tuple[Compiled, ...] = ()
    try:
        compiled = compile_outcomes(
            [one.outcome for one in declarations if not one.findings],
            location=location,
            produced_elsewhere=elsewhere | {one.outcome.name for one in broken},
        )
    except DeclarationError as error:
        positions = {one.outcome.name: one.positions for one in declarations}
        findings += [_placed(finding, positions) for finding in error.findings]
    if findings:
        raise DeclarationError(findings)
    return {one.name: one for one in compiled}


def _of_broken(one: Declaration, known: Collection[str]) -> list[Finding]:
    """What is wrong with a declaration, and with the rest of it, where that can be told."""
    facts = None
    if not {"contract", "key"} & one.unsound:
        try:
            facts = facts_of(Contract.compile(one.outcome.contract, key=one.outcome.key))
        except ContractError as error:
            more = [Finding(f"{one.outcome.name}.contract", str(error), "mend the contract")]
            return [*one.findings, *more]
    more = check(one.outcome, facts, known, positions=one.positions, unsound=one.unsound)
    return [*one.findings, *more]


def _placed(finding: Finding, positions: Mapping[str, Positions]) -> Finding:
    """A finding of the check against the contract, with the position of what it is about."""
    name, _, rest = finding.where.partition(".")
    if finding.position is not None or name not in positions:
        return finding
    at = position_of(_path(rest), positions[name])
    return Finding(finding.where, finding.what, finding.fix, at)


def _path(text: str) -> FieldPath:
    """`routes[1].when` as a path."""
    parts = re.findall(r"\[(\d+)\]|([^.\[\]]+)", text)
    return tuple(int(index) if index else name for index, name in parts)
