"""Which link of a chain decides what a failure is, and by which rule.

1. The outcome's own rules come first, in their order. The first that fits any link decides; of
   several links it fits, the innermost.
2. Else a link that is decisive: whoever raised `DeliveryRefused`, `ContractError`, `LeaseLost` or
   stopped the process knew the cause and said what it is. Of several, the outermost.
3. Else the innermost link that says what happened: a root cause says more than what wraps it.
   But below a place that is down, nothing is a bug or a misfit of ours: what looks like one (a file
   where the folder should be mounted) is over when the place is back.
4. Else the innermost that says where it happened, such as `ReceiverDown` or a file that is absent.
5. Else the innermost error of Python itself, such as a KeyError: often it is only what was tried
   first, as in `except KeyError: fetch()`.
6. Else it is unknown.

A link that says of itself that trying again changes nothing (`dagster.Failure` with
`allow_retries=False`) turns a class that would be tried again into `bug`.

The members of an ExceptionGroup stand one after the other, so the last of them is the innermost.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from opsintel_dagster.healing.chains import links_of
from opsintel_dagster.healing.failure import Failure, Link, reason_of
from opsintel_dagster.healing.message_facts import LONGEST_SEARCHED
from opsintel_dagster.healing.retry_plan import LATER
from opsintel_dagster.healing.shipped_row import Weight
from opsintel_dagster.healing.shipped_table import builtin_ancestors, verdict_of
from opsintel_dagster.outcome.healing import FailureClass, FailureRule

__all__ = ["Decision", "classify", "classify_links", "decide", "links_of"]

_ONLY_OURS_TO_SAY: Final = frozenset({FailureClass.CONTRACT, FailureClass.BUG})
NO_RULE: Final = "no rule fits"


@dataclass(frozen=True)
class Decision:
    """What was decided, by which rule, because of which link; None: there is none."""

    failure_class: FailureClass
    rule: str
    place: int | None


def classify(error: BaseException, rules: Sequence[FailureRule] = ()) -> Failure:
    """What an exception is, by the outcome's own rules and then by the shipped ones."""
    return classify_links(links_of(error), rules)


def classify_links(links: Sequence[Link], rules: Sequence[FailureRule] = ()) -> Failure:
    """The same of a chain, outermost first, whatever it was read from."""
    decision = decide(links, rules)
    if decision.place is None:
        reason = reason_of(links[-1]) if links else "nothing is known about it"
        return Failure(decision.failure_class, reason, decision.rule, _wait(links))
    deciding = links[decision.place]
    return Failure(
        decision.failure_class,
        reason_of(deciding),
        decision.rule,
        deciding.retry_after or _wait(links),
    )


def decide(links: Sequence[Link], rules: Sequence[FailureRule] = ()) -> Decision:
    """Which link decides, and what."""
    own = _by_own_rules(links, rules)
    if own is not None:
        return own
    decision = _by_shipped_rules(links)
    if decision.failure_class in LATER:
        for place, link in enumerate(links):
            if link.is_final:
                rule = "shipped: it says that it must not be tried again"
                return Decision(FailureClass.BUG, rule, place)
    return decision


def _by_own_rules(links: Sequence[Link], rules: Sequence[FailureRule]) -> Decision | None:
    for number, rule in enumerate(rules):
        for place in reversed(range(len(links))):
            if fits(rule, links[place]):
                return Decision(rule.failure_class, f"healing.failures[{number}]", place)
    return None


def _by_shipped_rules(links: Sequence[Link]) -> Decision:
    found = [
        (verdict.weight, place if verdict.weight is Weight.DECISIVE else -place, place, verdict)
        for place, link in enumerate(links)
        if (verdict := verdict_of(link)) is not None
    ]
    if not found:
        return Decision(FailureClass.UNKNOWN, NO_RULE, None)
    _, _, place, verdict = min(found, key=lambda one: one[:2])
    if verdict.weight is not Weight.DECISIVE and verdict.failure_class in _ONLY_OURS_TO_SAY:
        for _, _, above, wrapper in found:
            if above < place and wrapper.failure_class is FailureClass.DEPENDENCY_DOWN:
                return Decision(wrapper.failure_class, wrapper.rule, place)
    return Decision(verdict.failure_class, verdict.rule, place)


def fits(rule: FailureRule, link: Link) -> bool:
    """Whether an outcome's own rule fits a link.

    A package fits every class below it. `requests.Timeout` fits `requests.exceptions.Timeout`,
    because a name is written as it is imported. Of a class whose module nobody kept, the bare
    name must fit.
    """
    if rule.message is not None:
        said = link.message[:LONGEST_SEARCHED]  # all of it: whoever wrote the rule knows why
        if re.search(rule.message, said, re.IGNORECASE) is None:
            return False
    return rule.exception is None or any(_names(rule.exception, path) for path in _known(link))


def _known(link: Link) -> tuple[str, ...]:
    if len(link.paths) == 1:
        return builtin_ancestors(link.paths[0]) or link.paths
    return link.paths


def _names(written: str, path: str) -> bool:
    if path == written or path.startswith(f"{written}."):
        return True
    package, _, name = written.rpartition(".")
    if "." not in path:
        return path == name and not builtin_ancestors(path)
    return bool(package) and path.startswith(f"{package}.") and path.endswith(f".{name}")


def _wait(links: Sequence[Link]) -> timedelta | None:
    return next((one.retry_after for one in reversed(links) if one.retry_after), None)
