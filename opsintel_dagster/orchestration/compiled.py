"""An outcome made ready to run: declaration, contract and decision table, checked together."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from opsintel_dagster.errors import ContractError, DeclarationError
from opsintel_dagster.ledger.cases import About
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.orchestration.amending import NOTHING_AMENDED, Amending, InForce
from opsintel_dagster.outcome import (
    SYMPTOM_RULES,
    UNMAPPED,
    FailureMode,
    Finding,
    Outcome,
    Quarantine,
    Route,
    check,
    content_of,
    declaration_fingerprint,
    effective_routes,
)
from opsintel_dagster.outcome.amendment_checks import amendment_problems
from opsintel_dagster.outcome.fingerprint import fingerprint_with
from opsintel_dagster.outcome.names import CRASHED, OWN_MODES, REFUSED_RULE
from opsintel_dagster.routing import DecisionTable, read_routes_csv
from opsintel_dagster.verification import Contract, Tier

TOLERANCE = "arrival.tolerance"
_NOTHING_UNFIT: Mapping[str, str] = MappingProxyType({})
HOLDING_RULES = frozenset({"arrival.columns", TOLERANCE, *SYMPTOM_RULES.values()})


@dataclass(frozen=True)
class Facts:
    """What the checks of a declaration need to know of its contract."""

    rules: Mapping[str, str]
    columns: Mapping[str, pl.DataType]
    references: frozenset[str]
    pii: frozenset[str]


@dataclass(frozen=True)
class Compiled:
    """One outcome, checked and ready to drain.

    `location` is the code location that owns it; `fingerprint` changes with everything that
    changes a verdict or a route, and with nothing else. `routes` are those of the decision table;
    `table` has those of the amendments in front.
    """

    outcome: Outcome
    contract: Contract
    routes: tuple[Route, ...]
    table: DecisionTable
    fingerprint: str
    location: str
    amending: Amending = NOTHING_AMENDED
    declared: "Compiled | None" = None
    """The outcome as it is declared, where amendments that were kept in the ledger apply."""

    @property
    def name(self) -> str:
        """The outcome's name."""
        return self.outcome.name

    def amended(
        self, kept: Sequence[InForce], unfit: Mapping[str, str] = _NOTHING_UNFIT
    ) -> "Compiled":
        """The outcome with amendments that were kept in the ledger, oldest first.

        They come before what is declared. One that is declared, too, is not applied twice; one
        that no longer fits is left out, and `amending.unfit` says why. Those that were kept before
        this call count no more.
        """
        base = self.declared or self
        said = [content_of(one) for one in base.outcome.amendments]
        fitting: list[InForce] = []
        twice: list[str] = []
        unfit = dict(unfit)
        for one in kept:
            if content_of(one.amendment) in said:
                twice.append(one.label)
                continue
            outcome = base.outcome
            problem = next(
                amendment_problems(
                    one.amendment, base.contract.columns, outcome.handoff, outcome.source
                ),
                None,
            )
            if problem is not None:
                unfit[one.label] = problem.what
            else:
                fitting.append(one)
        if not (fitting or unfit or twice):
            return base
        amending = Amending((*fitting, *base.amending.in_force), unfit, tuple(twice))
        told = [content_of(one.amendment) for one in fitting]
        return replace(
            base,
            table=DecisionTable.compile((*amending.routes, *base.routes), base.contract.columns),
            fingerprint=fingerprint_with(base.fingerprint, told) if told else base.fingerprint,
            amending=amending,
            declared=base,
        )

    @cached_property
    def _mode_of_rule(self) -> dict[str, str]:
        return {rule: mode.name for mode in self.outcome.failure_modes for rule in mode.rules}

    @cached_property
    def _order(self) -> dict[str, int]:
        modes = self.outcome.failure_modes
        return {mode.name: place for place, mode in enumerate(modes)}

    def failure_mode_of(self, rules: Iterable[str]) -> str:
        """The first failure mode, in declaration order, that names one of the broken rules.

        The rows of an arrival that is held belong together, whatever else they break.
        """
        rules = tuple(rules)
        rules = [rule for rule in rules if rule in HOLDING_RULES] or rules
        modes = {
            self._mode_of_rule.get(rule, rule if rule in OWN_MODES else UNMAPPED) for rule in rules
        }
        return min(modes, key=lambda mode: self._order.get(mode, len(self._order)))

    def per_of(self, failure_mode: str) -> str | tuple[str, ...] | None:
        """What records of a failure mode are told apart by: a word, columns, or nothing.

        What nobody named has nothing in common but its rule; of what was said of a record (by a
        receiver, by a check that broke down), each saying is a cause.
        """
        place = self._order.get(failure_mode)
        if place is not None:
            return self.outcome.failure_modes[place].per
        return {UNMAPPED: "rule", REFUSED_RULE: "message", CRASHED: "message"}.get(failure_mode)

    def about(self, rule: str) -> About:
        """The case about what breaks a rule and is no record: a file, a batch, a delivery."""
        failure_mode = self.failure_mode_of([rule])
        return About(failure_mode, rule if self.per_of(failure_mode) == "rule" else "")

    def owner_of(self, failure_mode: str) -> str:
        """Who answers for a failure mode's cases."""
        for mode in self.outcome.failure_modes:
            if mode.name == failure_mode and mode.owner:
                return mode.owner
        return self.outcome.owner

    def minutes_of(self, failure_mode: str) -> float | None:
        """How many minutes a person needs for one of its records; None: nobody said."""
        for mode in self.outcome.failure_modes:
            if mode.name == failure_mode and mode.human_step:
                return mode.human_step.minutes
        return None

    def replayed_when(self) -> dict[str, str]:
        """Failure modes whose rows are judged again when a reference changes: mode → reference."""
        return {
            mode.name: mode.remedy.replay_when
            for mode in self.outcome.failure_modes
            if isinstance(mode.remedy, Quarantine) and mode.remedy.replay_when
        }

    def defaults(self) -> dict[str, FailureMode]:
        """Failure modes whose cases are decided by default when nobody answers in time."""
        return {mode.name: mode for mode in self.outcome.failure_modes if mode.default}

    def rules_of(self, failure_mode: str) -> frozenset[str]:
        """The rules whose breaking is this failure."""
        for mode in self.outcome.failure_modes:
            if mode.name == failure_mode:
                return frozenset(mode.rules)
        return frozenset({failure_mode} & OWN_MODES)

    def holding(self, rules: Iterable[str]) -> tuple[str, ...]:
        """Those of the rules because of which an arrival is held as a whole."""
        of_tables = {rule.id for rule in self.contract.rules if rule.tier is Tier.TABLE}
        return tuple(rule for rule in rules if rule in HOLDING_RULES or rule in of_tables)

    def facts(self) -> dict[str, Any]:
        """What other outcomes, the CLI and the watcher need to know without this code location."""
        outcome = self.outcome
        replayed_when = self.replayed_when()
        return {
            "promise": outcome.promise,
            "owner": outcome.owner,
            "within_seconds": outcome.within.total_seconds(),
            "cost_per_hour": outcome.cost_per_hour,
            "key": list(outcome.key),
            "pii": sorted(self.contract.pii),
            "columns": list(self.contract.columns),
            "routes": [route.to for route in self.routes],
            "failure_modes": {
                mode.name: {
                    "rules": list(mode.rules),
                    "human_step": mode.human_step.does if mode.human_step else None,
                    "minutes": self.minutes_of(mode.name),
                    "replay_when": replayed_when.get(mode.name),
                    "answer_within_seconds": mode.answer_within.total_seconds()
                    if mode.answer_within
                    else None,
                    "default": mode.default,
                }
                for mode in outcome.failure_modes
            },
            "references": sorted({use.outcome for use in self.contract.references}),
            "source": outcome.source.place,
            "follows": getattr(outcome.source, "outcome", None),
            "healing": outcome.healing.model_dump(mode="json"),
            "receivers": {route: receiver.place for route, receiver in outcome.handoff.items()},
            "takes_corrections": getattr(outcome.source, "same_name", None) == "correction",
        }

    def pinned_routes(self) -> list[dict[str, Any]]:
        """The routes as they are kept in the ledger for batches pinned to this declaration."""
        return [route.model_dump(mode="json") for route in (*self.amending.routes, *self.routes)]


def compile_outcomes(
    outcomes: Sequence[Outcome],
    *,
    location: str,
    produced_elsewhere: Collection[str] = (),
    folder: Path | None = None,
) -> tuple[Compiled, ...]:
    """Check all outcomes of a code location against their contracts and each other.

    `produced_elsewhere` names outcomes of other code locations that may be referred to; `folder`
    is where CSV decision tables with a relative path lie. Opens no ledger, store or network.

    Raises:
        DeclarationError: with every finding of every outcome.
    """
    names = [outcome.name for outcome in outcomes]
    known = {*names, *produced_elsewhere}
    findings = [
        Finding(
            where=f"{name}.name",
            what=f"{names.count(name)} outcomes of this code location are called `{name}`",
            fix="rename all but one of them",
        )
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    compiled = []
    for outcome in outcomes:
        try:
            compiled.append(_compile(outcome, location, known, folder))
        except DeclarationError as error:
            findings.extend(error.findings)
    if findings:
        raise DeclarationError(findings)
    return tuple(compiled)


def facts_of(contract: Contract) -> Facts:
    """What the checks of a declaration need to know of a compiled contract."""
    return Facts(
        rules={rule.id: rule.severity for rule in contract.rules},
        columns=contract.columns,
        references=frozenset(use.outcome for use in contract.references),
        pii=contract.pii,
    )


def _compile(
    outcome: Outcome, location: str, known: Collection[str], folder: Path | None
) -> Compiled:
    findings: list[Finding] = []
    contract: Contract | None = None
    routes: tuple[Route, ...] | None = None
    null_values = getattr(outcome.source, "null_values", ())
    try:
        contract = Contract.compile(outcome.contract, key=outcome.key, null_values=null_values)
    except ContractError as error:
        findings += [
            Finding(
                where=f"{outcome.name}.contract",
                what=f"{one.where}: {one.reason}",
                fix=one.fix[:1].lower() + one.fix[1:].rstrip("."),
            )
            for one in error.problems
        ]
    try:
        declared = outcome.routes
        if isinstance(declared, str):
            declared = read_routes_csv((folder or Path.cwd()) / declared)
        routes = effective_routes(declared, outcome.handoff)
    except DeclarationError as error:
        findings.extend(error.findings)
    facts = None if contract is None else facts_of(contract)
    findings += check(outcome, facts, known, routes=routes)
    if findings or contract is None or routes is None:
        raise DeclarationError(findings)
    amending = Amending(
        tuple(
            InForce(f"declared amendment {number}", one)
            for number, one in enumerate(outcome.amendments, start=1)
        )
    )
    return Compiled(
        outcome=outcome,
        contract=contract,
        routes=routes,
        table=DecisionTable.compile((*amending.routes, *routes), contract.columns),
        fingerprint=declaration_fingerprint(outcome, contract.fingerprint, routes=routes),
        location=location,
        amending=amending,
    )


def delivery_id(batch: str, route: str, routed_sha256: str, part: str = "") -> str:
    """Names one delivery by what is in it, so that sending it twice is sending it once."""
    about = (batch, route, routed_sha256)
    return stable_id("delivery", *about, part) if part else stable_id("delivery", *about)
