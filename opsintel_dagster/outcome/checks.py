"""Checks of a declaration against its contract and its neighbours, when definitions load."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

import polars as pl

from opsintel_dagster.outcome.amendment_checks import amendment_problems
from opsintel_dagster.outcome.declaration import Outcome
from opsintel_dagster.outcome.failure_modes import FailureMode, GoOn, Quarantine
from opsintel_dagster.outcome.findings import (
    FieldPath,
    Finding,
    Positions,
    Problem,
    did_you_mean,
    place,
)
from opsintel_dagster.outcome.names import (
    CONTROL_PREFIX,
    KEY_REPEAT,
    KEY_UNIQUE,
    RESERVED_RULES,
    UNROUTED,
)
from opsintel_dagster.outcome.routes import Route
from opsintel_dagster.outcome.sources import UpstreamSource
from opsintel_dagster.outcome.symptoms import SYMPTOM_RULES
from opsintel_dagster.outcome.table_checks import condition_problems, receiver_problems


class ContractFacts(Protocol):
    """What a compiled contract tells about itself."""

    @property
    def rules(self) -> Mapping[str, str]:
        """The severity of each rule, `error` or `warning`, by the rule's id."""

    @property
    def columns(self) -> Mapping[str, pl.DataType]:
        """The type of each column, in the contract's order."""

    @property
    def references(self) -> frozenset[str]:
        """The outcomes whose records the contract looks values up in."""

    @property
    def pii(self) -> frozenset[str]:
        """The columns that are personal data."""


def check(
    outcome: Outcome,
    contract: ContractFacts | None,
    known: Collection[str],
    *,
    routes: Sequence[Route] | None = None,
    positions: Positions | None = None,
    unsound: Collection[str] = (),
) -> list[Finding]:
    """Find everything that is wrong with a valid outcome in its surroundings.

    Args:
        outcome: The outcome.
        contract: Its compiled contract; None where that could not be compiled: what needs it is
            left out then.
        known: The names of all outcomes that are declared.
        routes: The decision table, if `outcome.routes` is the path of a file; None: that file
            could not be read, and what needs it is left out.
        positions: From `read_positions`, where it was read from a text.
        unsound: Fields that are already known to be wrong (`Draft.unsound`); what needs them is
            left out, so that nobody is told what follows from another finding.
    """
    table = routes if routes is not None or isinstance(outcome.routes, str) else outcome.routes
    sound = {name for name in Outcome.model_fields if name not in unsound}
    problems: list[Problem] = []
    if "source" in sound:
        problems += _source_problems(outcome, known)
    if {"repeats", "key"} <= sound:
        problems += _repeat_problems(outcome)
    if {"routes", "handoff"} <= sound and table is not None:
        people_route = any(UNROUTED in mode.rules for mode in outcome.failure_modes)
        problems += receiver_problems(table, outcome.handoff, people_route=people_route)
    if "references" in sound:
        problems += _policy_problems(outcome, contract)
    if contract is not None:
        problems += _contract_problems(contract, known)
        if "key" in sound:
            problems += _key_problems(outcome, contract)
        if "failure_modes" in sound:
            problems += _failure_mode_problems(outcome, contract, known)
        if "routes" in sound and table is not None:
            problems += condition_problems(table, contract.columns)
        if {"amendments", "handoff", "source"} <= sound:
            problems += _amendment_problems(outcome, contract)
    return place(problems, root=outcome.name, positions=positions)


def _amendment_problems(outcome: Outcome, contract: ContractFacts) -> Iterator[Problem]:
    for index, one in enumerate(outcome.amendments):
        found = amendment_problems(one, contract.columns, outcome.handoff, outcome.source)
        for problem in found:
            yield Problem(("amendments", index, *problem.path), problem.what, problem.fix)


def _source_problems(outcome: Outcome, known: Collection[str]) -> Iterator[Problem]:
    source = outcome.source
    if not isinstance(source, UpstreamSource):
        return
    name = source.outcome
    if name == outcome.name:
        yield Problem(
            ("source", "asset"),
            "the outcome would wait for what it delivers itself",
            "name the outcome or asset whose records arrive here",
        )
    elif source.path is None and (name is None or name not in known):
        told = did_you_mean(name or source.asset, known, plural="outcomes") if known else ""
        yield Problem(
            ("source", "asset"),
            f"`{source.asset}` is not what an outcome delivers",
            f"write `path` to say where its data lies, or `<outcome>/delivered`; {told}".rstrip(
                "; "
            ),
        )


def _repeat_problems(outcome: Outcome) -> Iterator[Problem]:
    if outcome.repeats != "deliver" and not outcome.key:
        yield Problem(
            ("repeats",),
            f"`{outcome.repeats}` asks whether a key was delivered before, and there is no key",
            "write `key` with the columns that name one record, or `repeats: deliver`",
        )


def _policy_problems(outcome: Outcome, contract: ContractFacts | None) -> Iterator[Problem]:
    if contract is None:
        return
    for name in outcome.references:
        if name not in contract.references:
            yield Problem(
                ("references", name),
                f"no rule of the contract looks anything up in `{name}`",
                did_you_mean(name, contract.references, plural="references"),
            )


def _contract_problems(contract: ContractFacts, known: Collection[str]) -> Iterator[Problem]:
    for column in contract.columns:
        if column.startswith(CONTROL_PREFIX):
            yield Problem(
                ("contract",),
                f"column `{column}` begins with `_`, as only the package's own columns do",
                f"write `{column.lstrip(CONTROL_PREFIX) or 'another name'}`",
            )
    for name in sorted(contract.references):
        if name not in known:
            yield Problem(
                ("contract",),
                f"no outcome `{name}` produces the reference its rules look up",
                f"declare it, or {did_you_mean(name, known, plural='outcomes')}",
            )
    # A rule of this name would be taken for the package's own in every count.
    for rule in sorted(set(contract.rules) & (RESERVED_RULES - {KEY_UNIQUE, KEY_REPEAT})):
        what = f"rule `{rule}` has the name of a rule every outcome has already"
        yield Problem(("contract",), what, "rename it")


def _key_problems(outcome: Outcome, contract: ContractFacts) -> Iterator[Problem]:
    for index, column in enumerate(outcome.key):
        if column not in contract.columns:
            fix = did_you_mean(column, contract.columns, plural="columns")
            yield Problem(("key", index), f"the contract has no column `{column}`", fix)


def _failure_mode_problems(
    outcome: Outcome, contract: ContractFacts, known: Collection[str]
) -> Iterator[Problem]:
    for index, mode in enumerate(outcome.failure_modes):
        path: FieldPath = ("failure_modes", index)
        for at, rule in enumerate(mode.rules):
            yield from _rule_problems(outcome, contract, mode, rule, (*path, "rules", at))
        yield from _per_problems(contract, mode, (*path, "per"))
        if isinstance(mode.remedy, Quarantine) and mode.remedy.replay_when:
            yield from _replay_problems(
                mode.remedy.replay_when, contract, known, (*path, "remedy", "replay_when")
            )


def _rule_problems(
    outcome: Outcome, contract: ContractFacts, mode: FailureMode, rule: str, path: FieldPath
) -> Iterator[Problem]:
    severity = contract.rules.get(rule)
    if severity is None and rule not in RESERVED_RULES:
        fix = did_you_mean(rule, [*contract.rules, *RESERVED_RULES], plural="rules")
        yield Problem(path, f"the contract has no rule `{rule}`", fix)
    elif rule == KEY_UNIQUE and not outcome.key:
        yield Problem(path, f"`{rule}` is never broken, there is no key", "write `key`")
    elif rule == KEY_REPEAT and outcome.repeats != "hold":
        what = f"`{rule}` is never broken, `repeats` is `{outcome.repeats}`"
        yield Problem(path, what, "write `repeats: hold`, or remove the rule")
    elif rule in SYMPTOM_RULES.values() and rule not in outcome.symptoms.holding().values():
        symptom = rule.removeprefix("arrival.")
        what = f"`{rule}` is never broken, arrivals go on with a warning"
        yield Problem(path, what, f"write `symptoms: {{{symptom}: hold}}`, or remove the rule")
    elif isinstance(mode.remedy, GoOn) and severity != "warning":
        yield Problem(
            path,
            f"rows that break `{rule}` cannot go on, it is no warning in the contract",
            "write `remedy: {kind: quarantine}`, or `raise_warning=True` at the rule",
        )
    elif isinstance(mode.remedy, Quarantine) and severity == "warning":
        yield Problem(
            path,
            f"rows that break only `{rule}` are never quarantined, it is a warning in the contract",
            "write `remedy: {kind: go_on}`, or take `raise_warning=True` from the rule",
        )


def _per_problems(contract: ContractFacts, mode: FailureMode, path: FieldPath) -> Iterator[Problem]:
    if not isinstance(mode.per, tuple):
        return
    for index, column in enumerate(mode.per):
        if column not in contract.columns:
            fix = did_you_mean(column, contract.columns, plural="columns")
            yield Problem((*path, index), f"the contract has no column `{column}`", fix)
        elif column in contract.pii:
            what = f"`{column}` is personal data, which names no case"
            yield Problem((*path, index), what, "name another column, or remove `per`")
    whole = [rule for rule in mode.rules if rule in RESERVED_RULES and rule.startswith("arrival.")]
    if whole:
        what = f"`{whole[0]}` holds all rows of an arrival together, whatever their values"
        fix = "write `per: file`, or move the rule to a failure mode of its own"
        yield Problem(path, what, fix)


def _replay_problems(
    reference: str, contract: ContractFacts, known: Collection[str], path: FieldPath
) -> Iterator[Problem]:
    if reference not in contract.references:
        yield Problem(
            path,
            f"no rule of the contract looks anything up in `{reference}`",
            did_you_mean(reference, contract.references, plural="references"),
        )
    elif reference not in known:
        what = f"no outcome `{reference}` is declared"
        yield Problem(path, what, did_you_mean(reference, known, plural="outcomes"))
