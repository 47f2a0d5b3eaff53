"""The map of an outcome: its declaration as a page a person reads, in Markdown."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from opsintel_dagster.outcome.amendments import Rename, Repair
from opsintel_dagster.outcome.declaration import Outcome
from opsintel_dagster.outcome.durations import format_duration
from opsintel_dagster.outcome.environment import shown
from opsintel_dagster.outcome.failure_modes import FailureMode, GoOn
from opsintel_dagster.outcome.masking import mask
from opsintel_dagster.outcome.names import NOWHERE, UNMAPPED
from opsintel_dagster.outcome.receivers import ReceiverSpec, TableReceiver
from opsintel_dagster.outcome.routes import Route, effective_routes
from opsintel_dagster.outcome.sources import FilesSource, Source

_RULES_SHOWN = 5
_NOTHING = "—"
_COUNTED = "rows go on, counted"
_UNDECIDED = "quarantine until somebody decides"


def describe(
    outcome: Outcome,
    *,
    rules: Mapping[str, str] | None = None,
    routes: Sequence[Route] | None = None,
) -> str:
    """Write the map of an outcome: what is promised, what is correct, what may go wrong.

    It becomes the description of the outcome's assets, so that the Dagster UI is readable without
    any other page. Passwords in URLs are masked, variables are shown by name.

    Args:
        outcome: The outcome.
        rules: The severity of each rule of its contract; those no failure mode names are listed
            as `unmapped`.
        routes: The decision table, if `outcome.routes` is the path of a file.
    """
    sections = [
        f"**{_line(outcome.promise)}**",
        _facts(outcome),
        outcome.description.strip(),
        _correct(outcome, tuple(rules or ())),
        _failure_modes(outcome, rules or {}),
        _amendments(outcome),
        _routes(outcome, routes),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _facts(outcome: Outcome) -> str:
    facts = [
        f"- **within** {format_duration(outcome.within)} of the record being available",
        f"- **owner** {_code(outcome.owner)}",
        f"- **source** {_source(outcome.source)}",
    ]
    if outcome.cost_per_hour:
        facts.insert(1, f"- **a broken hour costs** {_number(outcome.cost_per_hour)}")
    return "\n".join(facts)


def _source(source: Source) -> str:
    if isinstance(source, FilesSource):
        text = f"files {_code(shown(source.path))}"
    else:
        text = f"asset {_code(source.asset)}"
    if source.expect is not None:
        text += f", at least every {format_duration(source.expect)}"
    return text


def _correct(outcome: Outcome, rules: Sequence[str]) -> str:
    lines = ["### What correct looks like", ""]
    if outcome.key:
        lines.append(f"- one record per {_codes(outcome.key, ' · ')}")
    own = [rule for rule in rules if "." not in rule]
    if own:
        lines.append(f"- keeps {_codes(own)}")
    if len(own) < len(rules):
        others = len(rules) - len(own)
        count = f"{others} rule{'s' if others > 1 else ''}"
        lines.append(f"- types, empty cells, allowed values as the contract says ({count})")
    if outcome.tolerance < 1:
        lines.append(
            f"- an arrival of which more than {outcome.tolerance * 100:g} % is quarantined is held"
        )
    held_for = [name.replace("_", " ") for name in outcome.symptoms.holding()]
    if held_for:
        lines.append(f"- an arrival unlike those before it is held: {', '.join(held_for)}")
    return "\n".join(lines) if len(lines) > 2 else ""


def _failure_modes(outcome: Outcome, rules: Mapping[str, str]) -> str:
    rows: list[tuple[str, ...]] = [
        (
            _code(mode.name)
            + _apart(mode)
            + (f" {_line(mode.description)}" if mode.description else ""),
            _some(mode.rules),
            _human_step(mode),
            _remedy(mode),
            _code(mode.owner or outcome.owner),
        )
        for mode in outcome.failure_modes
    ]
    rows += _unnamed(outcome, rules)
    if not rows:
        return ""
    head = ("failure mode", "rules", "a person today", "the system instead", "owner")
    return "### What may go wrong\n\n" + _table(head, rows)


def _apart(mode: FailureMode) -> str:
    """What each of its cases is about."""
    if mode.per is None:
        return ""
    words = (mode.per,) if isinstance(mode.per, str) else mode.per
    return f", a case per {', '.join(map(_code, words))}"


def _unnamed(outcome: Outcome, rules: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Rules no failure mode names: what happens to the rows that break them all the same."""
    named = {rule for mode in outcome.failure_modes for rule in mode.rules}
    owner = _code(outcome.owner)
    unmapped = [rule for rule in rules if rule not in named and rules[rule] != "warning"]
    if unmapped:
        yield _code(UNMAPPED), _some(unmapped), _NOTHING, _UNDECIDED, owner
    warnings = [rule for rule in rules if rule not in named and rules[rule] == "warning"]
    if warnings:
        yield _NOTHING, _some(warnings), _NOTHING, _COUNTED, owner


def _human_step(mode: FailureMode) -> str:
    if mode.human_step is None:
        return _NOTHING
    return f"{_line(mode.human_step.does)} ({mode.human_step.minutes:g} min)"


def _remedy(mode: FailureMode) -> str:
    if isinstance(mode.remedy, GoOn):
        return _COUNTED
    told = _UNDECIDED
    if mode.remedy.replay_when:
        told = f"quarantine; replay when {_code(mode.remedy.replay_when)} changes"
    if mode.answer_within is None:
        return told
    clock = f"answered within {format_duration(mode.answer_within)}"
    return f"{told}; {clock}" + (f", else: {mode.default}" if mode.default else "")


def _amendments(outcome: Outcome) -> str:
    """What is changed before the verdict; values are counted, since some may be personal."""
    lines = []
    for one in outcome.amendments:
        if isinstance(one, Repair):
            count = f"other values instead of {len(one.values)}"
            said = f"{_code(one.column)}: {_code(one.expression) if one.expression else count}"
            lines.append(said + (f", where {_code(one.when)}" if one.when else ""))
        elif isinstance(one, Rename):
            lines += [f"column {_code(new)} is {_code(name)}" for new, name in one.columns.items()]
        else:
            lines.append(f"to {_code(one.to)}, where {_code(one.when)}, before all routes")
    head = ["### What is amended first", ""] if lines else []
    return "\n".join([*head, *(f"- {line}" for line in lines)])


def _routes(outcome: Outcome, routes: Sequence[Route] | None) -> str:
    table = routes
    if table is None:
        if isinstance(outcome.routes, str):
            return f"### Where it goes\n\nas the decision table {_code(outcome.routes)} says"
        table = outcome.routes
    rows: list[tuple[str, ...]] = [
        (
            str(number),
            _code(route.when) if route.when else "always",
            _code(route.to),
            "no action, on purpose"
            if route.to == NOWHERE
            else _receiver(outcome.handoff.get(route.to)),
        )
        for number, route in enumerate(effective_routes(table, outcome.handoff), start=1)
    ]
    if not rows:
        return ""
    return "### Where it goes\n\nThe first that holds takes the record.\n\n" + _table(
        ("#", "when", "to", "receiver"), rows
    )


def _receiver(receiver: ReceiverSpec | None) -> str:
    if receiver is None:
        return _NOTHING
    if isinstance(receiver, TableReceiver):
        taken = ", its users take rows away" if receiver.consumed else ""
        return f"table {_code(receiver.table)} in {_code(shown(receiver.url))}{taken}"
    return f"{receiver.format} files in {_code(shown(receiver.path))}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    """Keep a text inside its cell; a pipe ends a cell even within a code span."""
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split())


def _code(text: str) -> str:
    """Write a text as code; the fence is longer than any run of backticks inside it."""
    line = mask(_line(text))
    if "`" not in line:
        return f"`{line}`"
    fence = "`" * (1 + max(len(run) for run in re.findall("`+", line)))
    return f"{fence} {line} {fence}"


def _codes(texts: Iterable[str], separator: str = ", ") -> str:
    return separator.join(_code(text) for text in texts)


def _some(rules: Sequence[str]) -> str:
    """Name rules, the first few where there are many; each has a check that says more."""
    if len(rules) <= _RULES_SHOWN:
        return _codes(rules)
    shown_first = rules[: _RULES_SHOWN - 1]
    return f"{_codes(shown_first)} and {len(rules) - len(shown_first)} more"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
