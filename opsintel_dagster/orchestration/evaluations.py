"""What each check says after a stage has drained.

WARN: records were quarantined and the rest went on. ERROR: something is held, or the law is
broken. The number of every check is what is open now; this drain's counts stand beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import dagster as dg

from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.keys import check_name
from opsintel_dagster.orchestration.metadata import (
    MetadataDict,
    count_table,
    failing_table,
    reason_table,
)
from opsintel_dagster.orchestration.reports import (
    ArrivalsReport,
    DeliveredReport,
    PromiseReport,
    RoutedReport,
    VerifiedReport,
)

WARN = dg.AssetCheckSeverity.WARN
ERROR = dg.AssetCheckSeverity.ERROR

SOURCE_DOWN: Final = "source_down"
"""Metadata of a `readable` that failed because the source was away: over as soon as it is back."""


@dataclass(frozen=True)
class Evaluation:
    """What one check says now; `open` is the number it is about, which the UI plots."""

    name: str
    passed: bool
    severity: dg.AssetCheckSeverity
    open: int
    description: str
    metadata: MetadataDict = field(default_factory=dict)

    def result(self, key: dg.AssetKey) -> dg.AssetCheckResult:
        """The same as Dagster wants it."""
        return dg.AssetCheckResult(
            asset_key=key,
            check_name=self.name,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata={"open": self.open, **self.metadata},
        )


def readable_evaluation(report: ArrivalsReport) -> Evaluation:
    """`readable`, about what this drain claimed."""
    problems = sum(report.problems.values())
    is_held = bool(report.unreadable or report.source_down or report.failures)
    return Evaluation(
        "readable",
        passed=not (is_held or problems),
        severity=ERROR if is_held else WARN,
        open=problems + len(report.unreadable),
        description=sentence(
            (report.source_down, "the source cannot be reached: {}"),
            (len(report.unreadable), "arrivals that could not be read at all: {:,}"),
            (problems, "records that could not be read and went to quarantine: {:,}"),
            (len(report.failures), "arrivals that failed and will be tried again: {:,}"),
            otherwise="Everything could be read",
        ),
        metadata={
            **({SOURCE_DOWN: report.source_down} if report.source_down else {}),
            **count_table("problems", "problem", report.problems),
            **reason_table("unreadable", "arrival", {**report.unreadable, **report.failures}),
        },
    )


def rule_evaluations(compiled: Compiled, report: VerifiedReport) -> list[Evaluation]:
    """One check a contract rule: what lies in quarantine for it now, beside this drain's counts."""
    held_by = {rule for rules in report.held.values() for rule in rules}
    evaluations = []
    for rule in compiled.contract.rules:
        is_open = report.open_by_rule.get(rule.id, 0)
        broken = report.broken.get(rule.id, 0)
        warned = report.warned.get(rule.id, 0)
        is_held = rule.id in held_by
        evaluations.append(
            Evaluation(
                check_name(rule.id),
                passed=not (is_open or warned or is_held),
                severity=ERROR if is_held else WARN,
                open=is_open,
                description=sentence(
                    (is_held, "it holds an arrival"),
                    (is_open, "records in quarantine by this rule: {:,}"),
                    (broken, "broke it in this drain: {:,}"),
                    (warned, "broke it in this drain and went on: {:,}"),
                    otherwise="No record breaks it",
                ),
                metadata={"broken": broken, "warned": warned},
            )
        )
    return evaluations


def unresolved_evaluation(report: VerifiedReport, downstream: MetadataDict) -> Evaluation:
    """What stays open until somebody decides or the cause heals; `downstream` waits for it."""
    troubles = report.troubles
    given_up = troubles.given_up
    failing = {name: why for name, why in report.failures.items() if name not in given_up}
    stopped = len(report.held) + len(report.waiting) + len(failing) + len(given_up)
    held = {
        report.held_names.get(arrival, arrival): f"held because of {', '.join(rules)}"
        for arrival, rules in report.held.items()
    }
    modes: dict[str, int] = {}
    for case in report.cases:
        modes[case.failure_mode] = modes.get(case.failure_mode, 0) + case.rows
    return Evaluation(
        "unresolved",
        passed=not (report.cases or stopped or troubles.stopped),
        severity=ERROR if stopped or troubles.stopped else WARN,
        open=len(report.cases),
        description=sentence(
            (troubles.stopped, "it has stopped and waits for a decision ({})"),
            (len(given_up), "batches that wait for a decision: {:,}"),
            (_most(modes), "records in quarantine: {}"),
            (len(report.cases), "open cases: {:,}"),
            (len(report.held), "arrivals held: {:,}"),
            (len(report.waiting), "batches that wait: {:,}"),
            (len(failing), "batches that failed and will be tried again: {:,}"),
            otherwise="Nothing is open",
        ),
        metadata={
            "open_records": sum(case.rows for case in report.cases),
            **count_table("failure_modes", "failure mode", modes),
            **reason_table("stopped", "what", {**held, **report.waiting, **given_up, **failing}),
            **(_next_action(report.outcome) if given_up or troubles.stopped else {}),
            **(downstream if report.held else {}),
        },
    )


def all_routed_evaluation(report: RoutedReport) -> Evaluation:
    """Records no row of the decision table takes."""
    return Evaluation(
        "all_routed",
        passed=not (report.open_unrouted or report.failures),
        severity=ERROR if report.failures else WARN,
        open=report.open_unrouted,
        description=sentence(
            (report.open_unrouted, "records in quarantine that no route takes: {:,}"),
            (len(report.failures), "batches that failed and will be tried again: {:,}"),
            otherwise="Every record has a route",
        ),
        metadata={
            "unrouted": report.unrouted,
            **reason_table("failures", "batch", report.failures),
        },
    )


def confirmed_evaluation(report: DeliveredReport) -> Evaluation:
    """Deliveries that a receiver has not confirmed."""
    return Evaluation(
        "confirmed",
        passed=not (report.unconfirmed or report.failures),
        severity=ERROR,
        open=report.unconfirmed,
        description=sentence(
            (report.unconfirmed, "deliveries that are not confirmed: {:,}"),
            (_told(report.failures, names=False), "{}"),
            otherwise="Every delivery is confirmed",
        ),
        metadata={
            "refused": report.refused,
            "attempts_failed_within_the_hour": report.troubles.spent,
            "attempts_allowed_an_hour": report.troubles.budget,
            **reason_table("failures", "batch", report.failures),
            **failing_table(report.troubles.failing),
        },
    )


def dependencies_evaluation(report: DeliveredReport) -> Evaluation:
    """Breakers that hold the outcome back: nothing is asked of what stands behind them."""
    opened = report.troubles.breakers
    return Evaluation(
        "dependencies",
        passed=not opened,
        severity=ERROR,
        open=len(opened),
        description=sentence(
            (_told(opened), "left alone: {}"),
            otherwise="Source, store and receivers can be used",
        ),
        metadata=reason_table("breakers", "breaker", opened),
    )


def _next_action(outcome: str) -> MetadataDict:
    return {"next_action": f"mend the reason, then: opsintel heal {outcome}"}


def promise_evaluations(report: PromiseReport) -> list[Evaluation]:
    """`deadline`, and `conservation` where this drain could count."""
    evaluations = [
        Evaluation(
            "deadline",
            passed=not report.is_late,
            severity=ERROR,
            open=report.outstanding_batches,
            description=sentence(
                (report.is_late, "something outstanding is older than promised"),
                (report.outstanding_batches, "batches outstanding: {:,}"),
                otherwise="Nothing is outstanding",
            ),
            metadata={
                "within_seconds": report.within_seconds,
                "oldest_seconds": report.oldest_seconds or 0.0,
                "late_arrivals": report.late_arrivals,
            },
        )
    ]
    law = report.conservation
    if law is not None:
        missing = abs(law.received - law.accounted)
        evaluations.insert(
            0,
            Evaluation(
                "conservation",
                passed=law.holds,
                severity=ERROR,
                open=missing,
                description=(
                    f"All {law.received:,} records that arrived are in exactly one place."
                    if law.holds
                    else f"{law.received:,} records arrived and {law.accounted:,} were found."
                ),
                metadata={
                    "received": law.received,
                    "accounted": law.accounted,
                    **reason_table("problems", "#", _numbered(law.problems)),
                },
            ),
        )
    return evaluations


def _told(reasons: Mapping[str, str], *, shown: int = 2, names: bool = True) -> str:
    """The first reasons in words; Markdown would be folded away beside a check."""
    said = [f"{name}, {why}" if names else why for name, why in reasons.items()][:shown]
    rest = len(reasons) - len(said)
    return "; ".join([*said, *([f"and {rest:,} more"] if rest else [])])


def _numbered(texts: Iterable[str]) -> dict[str, str]:
    return {str(number): text for number, text in enumerate(texts, start=1)}


def _most(counts: Mapping[str, int], *, shown: int = 5) -> str:
    """The largest counts with their names; Markdown would be folded away beside a check."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{name} {count:,}" for name, count in ordered[:shown])
    return f"{text}, …" if len(ordered) > shown else text


def sentence(*parts: tuple[object, str], otherwise: str) -> str:
    """Join what applies; the first part of each pair says whether it does, and fills the text."""
    said = [text.format(value) for value, text in parts if value]
    text = "; ".join(said) or otherwise
    return f"{text[:1].upper()}{text[1:]}."
