"""The two outputs: each row of the batch in exactly one of them, in the order in which it came."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import polars as pl

from opsintel_dagster.verification.batch_verification import Prepared
from opsintel_dagster.verification.judging import Judgement
from opsintel_dagster.verification.masks import any_of, within
from opsintel_dagster.verification.reasons import joined, list_reasons, words
from opsintel_dagster.verification.rules import ARRIVAL_COLUMNS, Rule
from opsintel_dagster.verification.verdict import Verdict


def split(
    prepared: Prepared,
    judgement: Judgement,
    *,
    rules: Sequence[Rule],
    references: Mapping[str, str],
) -> Verdict:
    """Send every row to one side.

    Args:
        prepared: The batch as it came, and its typed rows.
        judgement: The masks over the judged rows.
        rules: The contract's rules, in order.
        references: The versions of the references that were looked into.
    """
    raw, typed = prepared.raw, prepared.cells.frame
    unjudged, standing = prepared.unjudged, _standing(raw)
    is_judged = None if unjudged is None else unjudged.is_null()
    stays = any_of(judgement.broken.values(), typed.height)
    if standing is not None:
        stays |= (standing if is_judged is None else standing.filter(is_judged)).is_not_null()
    goes_on = ~stays
    front = raw[[name for name in ("_arrival", "_row", "_line") if name in raw.columns]]
    came = front if is_judged is None else front.filter(is_judged)
    both = came.hstack(typed)
    valid = both.filter(goes_on) if stays.any() else both
    ids = [rule.id for rule in rules]
    broken = words(judgement.broken, ids, stays)
    behind = stays
    if unjudged is not None and is_judged is not None:
        behind = within(is_judged, stays) | ~is_judged
        broken = _beside(broken, unjudged.filter(behind))
    if standing is not None:
        broken = broken.with_columns(standing.filter(behind).alias("_standing"))
    quarantine = raw.filter(behind).with_columns(list_reasons(broken, ids))
    held, why = holds(judgement, prepared.presence.held, ids)
    return Verdict(
        valid,
        quarantine,
        held,
        why,
        _warned(judgement, goes_on),
        references,
        tuple(rules),
        prepared.presence.absent,
    )


def _standing(raw: pl.DataFrame) -> pl.Series | None:
    if "_standing" not in raw.columns:
        return None
    standing = joined(raw.get_column("_standing"))
    return None if standing.null_count() == raw.height else standing


def _beside(broken: pl.DataFrame, alone: pl.Series) -> pl.DataFrame:
    """The words of judged rows between rows that have a reason of their own, or null."""
    judged_at, alone_at = alone.is_null().arg_true(), alone.is_not_null().arg_true()
    judged = broken.with_columns(judged_at.alias("_at"))
    others = pl.DataFrame({"_at": alone_at, "_alone": alone.drop_nulls()})
    return pl.concat([judged, others], how="diagonal").sort("_at").drop("_at")


def _warned(judgement: Judgement, goes_on: pl.Series) -> dict[str, int]:
    warned = Counter(rule for rule, _ in judgement.table_warnings)
    for rule, mask in judgement.warned.items():
        warned[rule] += int((mask & goes_on).sum())
    return {rule: count for rule, count in warned.items() if count}


def holds(
    judgement: Judgement, held_columns: Mapping[str, str], order: Sequence[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Arrival to the rules that hold it, and to a sentence for each, in the contract's order.

    In which order rules were found to hold depends on the way an input was read, in parts or whole.
    """
    found = sorted(judgement.holds, key=lambda hold: order.index(hold[1]))
    rules: dict[str, list[str]] = defaultdict(list)
    why: dict[str, list[str]] = defaultdict(list)
    columns = [(arrival, ARRIVAL_COLUMNS, said) for arrival, said in held_columns.items()]
    for arrival, rule, said in (*columns, *found):
        rules[arrival].append(rule)
        why[arrival].append(f"{rule}: {said}")
    return (
        {arrival: tuple(dict.fromkeys(ids)) for arrival, ids in rules.items()},
        {arrival: tuple(said) for arrival, said in why.items()},
    )
