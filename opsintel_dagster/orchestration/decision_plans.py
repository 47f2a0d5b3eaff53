"""What a decision would do to the open rows of a case; shown before it is made, done by the drain.

Nothing here writes. The drain plans anew when it carries the decision out, with the references
and the rows of then.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from opsintel_dagster.ledger.cases import OTHER_CAUSES
from opsintel_dagster.ledger.decisions import AMENDMENTS, DECISION, DecisionKind
from opsintel_dagster.orchestration.amending import Amending, InForce
from opsintel_dagster.orchestration.case_rows import CaseRows
from opsintel_dagster.orchestration.changed_cells import AMENDED, added, typed
from opsintel_dagster.orchestration.compiled import HOLDING_RULES, Compiled
from opsintel_dagster.orchestration.edits import Edited
from opsintel_dagster.orchestration.judging_again import ACCEPTED, NOW, JudgingAgain
from opsintel_dagster.outcome import NOWHERE, Repair
from opsintel_dagster.outcome.acceptance import obstacle
from opsintel_dagster.outcome.findings import did_you_mean
from opsintel_dagster.outcome.names import UNROUTED
from opsintel_dagster.routing import SENT_TO
from opsintel_dagster.store import as_text

_LIST: Final = pl.List(pl.String)

ValueMap = Mapping[str, Mapping[str, str]]
"""Column to what a value becomes; an empty text is an empty cell."""


Leaves = Callable[[pl.DataFrame, pl.DataFrame], None]
"""Is told of each part: its rows, and those of them that leave, as they would."""


def nobody_asks(_rows: pl.DataFrame, _gone: pl.DataFrame) -> None:
    """For who only wants the plan."""


@dataclass(frozen=True)
class Plan:
    """What would become of the rows a decision is about.

    Attributes:
        rows: How many rows it is about.
        leave: How many of them leave quarantine.
        routes: Where those that pass would go.
        others: The rules because of which others would become another case.
        staying: The rules because of which rows stay; a row may break several.
        refusal: Why nothing of it can be done; None: it can.
        problems: The same row by row, for an edited export.
        untouched: How many rows the decision says nothing about, and so stay.
    """

    rows: int
    leave: int = 0
    routes: Mapping[str, int] | None = None
    others: Mapping[str, int] | None = None
    staying: Mapping[str, int] | None = None
    refusal: str | None = None
    problems: Sequence[str] = ()
    untouched: int = 0

    def told(self) -> str:
        """What it comes to, in one line."""
        said = [f"{self.leave:,} of {self.rows:,} rows leave quarantine"]
        stay = self.rows - self.leave
        if stay:
            why = ", ".join(f"{rule} ({count:,})" for rule, count in (self.staying or {}).items())
            said.append(f"{stay:,} stay" + (f": {why}" if why else ""))
        return "; ".join(said)


def discarded(parts: CaseRows, leaves: Leaves) -> Plan:
    """All rows leave for good."""
    rows = 0
    for part in parts:
        rows += part.height
        leaves(part, part)
    return Plan(rows, rows)


def replayed(again: JudgingAgain, parts: CaseRows, failure_mode: str, leaves: Leaves) -> Plan:
    """Rows that are no longer this case's leave, as they are."""
    return _judged(again, parts, failure_mode, leaves, lambda part: part)


def accepted(
    again: JudgingAgain, parts: CaseRows, failure_mode: str, cause: str, leaves: Leaves
) -> Plan:
    """Rows leave that only this case holds back, where there is a row to deliver."""

    def accepting(part: pl.DataFrame) -> pl.DataFrame:
        return _accepting(again.compiled, part, failure_mode, cause)

    plan = _judged(again, parts, failure_mode, leaves, accepting)
    if plan.leave:
        return plan
    why = [f"{rule}: {obstacle(rule)}" if obstacle(rule) else rule for rule in plan.staying or {}]
    reason = f"none of its {plan.rows:,} rows can be delivered ({'; '.join(why)})"
    return replace(plan, refusal=f"{reason}: nothing to accept")


def repaired(
    again: JudgingAgain,
    parts: CaseRows,
    failure_mode: str,
    arguments: Mapping[str, Any],
    leaves: Leaves,
) -> Plan:
    """Rows get other values, by a map or an expression; those that are mended by it leave."""
    values: ValueMap = arguments.get("values", {})
    columns: set[str] = set()

    def changing(part: pl.DataFrame) -> pl.DataFrame:
        columns.update(name for name in part.columns if not name.startswith("_"))
        return _mapped(part, values) if values else _expressed(part, arguments)

    try:
        plan = _judged(again, parts, failure_mode, leaves, changing)
    except ValueError as error:
        return Plan(parts.rows, refusal=str(error))
    rows = plan.rows
    unknown = [name for name in (*values, arguments.get("column")) if name and name not in columns]
    if unknown:
        there = ", ".join(sorted(columns))
        return Plan(rows, refusal=f"its rows have no column `{unknown[0]}`; they have {there}")
    touched = rows - plan.untouched
    if not touched:
        return Plan(rows, refusal=_untouched(rows, arguments))
    if plan.leave:
        return plan
    why = ", ".join(f"{rule} ({count:,})" for rule, count in (plan.staying or {}).items())
    return Plan(
        rows, staying=plan.staying, refusal=f"all {touched:,} changed rows still break {why}"
    )


def sent(again: JudgingAgain, parts: CaseRows, to: str, leaves: Leaves) -> Plan:
    """Rows that keep the contract and that no route takes go where somebody says."""
    receivers = [*again.compiled.outcome.handoff, NOWHERE]
    if to not in receivers:
        fix = did_you_mean(to, receivers, plural="receivers")
        return Plan(parts.rows, refusal=f"there is no route to `{to}`; {fix}")
    only_unrouted = (pl.col("_rules").list.len() == 1) & (pl.col("_rules").list.first() == UNROUTED)
    rows = count = 0
    for part in parts:
        rows += part.height
        mine = part.filter(only_unrouted).with_columns(pl.lit(to).alias(SENT_TO))
        gone = mine if mine.is_empty() else again.judge(mine).filter(pl.col(NOW).list.len() == 0)
        leaves(part, gone)
        count += gone.height
    if not count:
        why = "they break other rules; a route is for records that keep the contract"
        return Plan(rows, refusal=f"none of its {rows:,} rows can be sent to `{to}`: {why}")
    return Plan(rows, count, {to: count}, untouched=rows - count)


def kept(
    again: JudgingAgain,
    parts: CaseRows,
    kind: DecisionKind,
    arguments: Mapping[str, Any],
    labels: Collection[str],
) -> Plan:
    """Rows that are no longer this failure leave; `again` judges with what is to be kept.

    `labels` are what the new amendments are called there. Where they mend nothing, it says why.
    """
    failed: list[str] = []
    fired: set[str] = set()

    def looking(part: pl.DataFrame) -> pl.DataFrame:
        if kind is DecisionKind.REPAIR:
            done = again.amended(part)
            failed.extend(why for label, why in done.failed.items() if label in labels)
            fired.update(done.changes["by"].unique())
        return part

    plan = _judged(again, parts, parts.failure_mode, nobody_asks, looking)
    rows = plan.rows
    if failed:
        return Plan(rows, refusal=f"it cannot be worked out: {failed[0]}")
    if kind is DecisionKind.REPAIR and not fired & {*labels}:
        return Plan(rows, refusal=_untouched(rows, arguments))
    if kind is DecisionKind.ROUTE and not (plan.routes or {}).get(arguments["to"]):
        return Plan(rows, refusal=f"no row of it would go to `{arguments['to']}` by that")
    if plan.leave:
        return plan
    why = ", ".join(f"{rule} ({count:,})" for rule, count in (plan.staying or {}).items())
    return Plan(rows, staying=plan.staying, refusal=f"all {rows:,} rows still break {why}")


def _untouched(rows: int, arguments: Mapping[str, Any]) -> str:
    values: ValueMap = arguments.get("values", {})
    wanted = ", ".join(f"{name}={old!r}" for name, pairs in values.items() for old in pairs)
    return f"none of its {rows:,} rows {f'has {wanted}' if values else 'is changed by it'}"


def edited(again: JudgingAgain, parts: CaseRows, edits: Edited, leaves: Leaves) -> Plan:
    """Edited rows leave if every one of them keeps the contract and has a route; else none does."""
    rows = touched = 0
    problems = list(edits.problems)
    found: set[str] = set()
    routes: Counter[str] = Counter()
    if parts.is_held:
        again = again.over(edits.applied(part, [], set()) for part in parts)
    for part in parts:
        rows += part.height
        changed = edits.applied(part, problems, found)
        judged = changed if changed.is_empty() else again.judge(changed)
        leaves(part, judged)
        if judged.is_empty():
            continue
        touched += judged.height
        broken = judged.filter(pl.col(NOW).list.len() > 0)
        for arrival, row, rules in broken.select("_arrival", "_row", NOW).iter_rows():
            place = edits.place_of(f"{arrival}:{row}")
            problems.append(f"{place}: still breaks {', '.join(rules)}")
        routes.update(dict(judged.group_by("_route").len().iter_rows()))
    problems += edits.unknown(found)
    if problems:
        refusal = "; ".join(problems[:3]) + (" …" if len(problems) > 3 else "")
        return Plan(rows, refusal=refusal, problems=problems)
    if not touched:
        return Plan(rows, refusal="no row of the file was changed")
    return Plan(rows, touched, _most_first(routes), untouched=rows - touched)


def _judged(
    again: JudgingAgain,
    parts: CaseRows,
    failure_mode: str,
    leaves: Leaves,
    change: Callable[[pl.DataFrame], pl.DataFrame],
) -> Plan:
    """Judge part by part what `change` makes of the rows, and tell `leaves` of each part."""
    rows = leave = touched = 0
    routes: Counter[str] = Counter()
    others: Counter[str] = Counter()
    staying: Counter[str] = Counter()
    if parts.is_held:
        again = again.over(change(part) for part in parts)
    for part in parts:
        changed = change(part)
        rows += part.height
        touched += changed.height
        if changed.is_empty():
            leaves(part, changed)
            continue
        judged = again.judge(changed)
        gone = again.leaving(judged, failure_mode)
        leaves(part, gone)
        leave += gone.height
        stay = judged.join(gone, on=["_arrival", "_row"], how="anti")
        passing = gone.filter(pl.col(NOW).list.len() == 0)
        routes.update(dict(passing.group_by("_route").len().iter_rows()))
        others.update(_by_rule(gone))
        staying.update(_by_rule(stay))
    return Plan(
        rows,
        leave,
        _most_first(routes),
        _most_first(others),
        _most_first(staying),
        untouched=rows - touched,
    )


def _by_rule(rows: pl.DataFrame) -> dict[str, int]:
    counted = rows.select(pl.col(NOW).explode()).drop_nulls().group_by(NOW).len()
    return dict(counted.iter_rows())


def _most_first(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))))


def _accepting(
    compiled: Compiled, rows: pl.DataFrame, failure_mode: str, cause: str
) -> pl.DataFrame:
    """Add to `_accepted` what somebody accepts who accepts this case.

    A row of an arrival that is held is accepted in spite of that; what it breaks itself is not.
    Where a rule is a case, only that rule is.
    """
    declared = [rule for rule in compiled.rules_of(failure_mode) if obstacle(rule) is None]
    is_rule = compiled.per_of(failure_mode) == "rule" and cause not in ("", OTHER_CAUSES)
    sets = rows.select("_rules").unique()
    named = []
    for (rules,) in sets.iter_rows():
        holding = [rule for rule in rules if rule in HOLDING_RULES]
        mine = holding or [*rules, *declared]
        named.append(
            sorted(
                {
                    rule
                    for rule in mine
                    if obstacle(rule) is None
                    and compiled.failure_mode_of([rule]) == failure_mode
                    and (not is_rule or rule == cause)
                }
            )
        )
    accepts = sets.with_columns(pl.Series("_accepts", named, dtype=_LIST))
    found = rows.join(accepts, on="_rules", how="left", maintain_order="left")
    return added(found, ACCEPTED, pl.col("_accepts")).drop("_accepts")


def _mapped(rows: pl.DataFrame, values: ValueMap) -> pl.DataFrame:
    """The rows that have one of the values, with the other one and `_amended`.

    Raises:
        ValueError: a new value is none of its column's type.
    """
    amended = pl.lit([], dtype=_LIST)
    news: list[pl.Expr] = []
    for column, pairs in values.items():
        if column not in rows.columns:
            continue
        dtype = rows.schema[column]
        text = as_text(column, dtype).fill_null("")
        cell = pl.col(column)
        for old, new in pairs.items():
            cell = pl.when(text == old).then(typed(column, new, dtype)).otherwise(cell)
        news.append(cell.alias(column))
        is_old = text.is_in(list(pairs))
        amended = amended.list.concat(
            pl.when(is_old).then(pl.lit([column], dtype=_LIST)).otherwise(pl.lit([], dtype=_LIST))
        )
    changed = rows.with_columns(*news, amended.alias("_changes"))
    changed = changed.filter(pl.col("_changes").list.len() > 0)
    return added(changed, AMENDED, pl.col("_changes")).drop("_changes")


def _expressed(rows: pl.DataFrame, arguments: Mapping[str, Any]) -> pl.DataFrame:
    """The rows that an expression changes, with what it gives and `_amended`.

    Raises:
        ValueError: it cannot be worked out for one of the rows.
    """
    repair = Repair(kind="repair", **arguments)
    done = Amending((InForce(DECISION, repair),)).apply(rows, {})
    if done.failed:
        raise ValueError(f"`{repair.expression}`: {done.failed[DECISION]}")
    where = done.changes.select("_arrival", "_row")
    changed = done.rows.join(where, on=["_arrival", "_row"], how="semi", maintain_order="left")
    return added(changed, AMENDED, pl.lit([repair.column], dtype=_LIST))


def plan_of(
    again: JudgingAgain | None,
    parts: CaseRows,
    kind: DecisionKind,
    arguments: Mapping[str, Any],
    edits: Edited | None = None,
    leaves: Leaves = nobody_asks,
) -> Plan:
    """What a decision of this kind would do; only to discard needs no verdict (`again`).

    `leaves` is told of every part: its rows, and those of them that leave, as they would.
    """
    if kind is DecisionKind.DISCARD or again is None:
        return discarded(parts, leaves)
    failure_mode = parts.failure_mode
    if kind is DecisionKind.ACCEPT:
        return accepted(again, parts, failure_mode, parts.cause, leaves)
    if kind is DecisionKind.REPLAY or AMENDMENTS in arguments:  # what was kept is in force by now
        return replayed(again, parts, failure_mode, leaves)
    if kind is DecisionKind.ROUTE:
        return sent(again, parts, arguments["to"], leaves)
    if edits is not None:
        return edited(again, parts, edits, leaves)
    return repaired(again, parts, failure_mode, arguments, leaves)
