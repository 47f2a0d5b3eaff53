"""The two outputs: each row of the batch in exactly one of them, in the order in which it came."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import polars as pl

from opsintel_dagster.verification.batch_verification import Prepared
from opsintel_dagster.verification.judging import Judgement
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
    raw, unjudged, typed = prepared.raw, prepared.unjudged, prepared.cells.frame
    standing = _standing(raw)
    judged_at = None if unjudged is None else unjudged.is_null().arg_true()
    goes_on = ~_any(judgement.broken, typed.height)
    if standing is not None:
        own = standing if judged_at is None else standing.gather(judged_at)
        goes_on &= own.is_null()
    front = [name for name in ("_arrival", "_row", "_line") if name in raw.columns]
    came = raw.select(front) if judged_at is None else raw.select(front)[judged_at]
    both = pl.concat([came, typed], how="horizontal")
    valid = both if goes_on.all() else both.filter(goes_on)
    ids = [rule.id for rule in rules]
    broken = _broken(
        unjudged, judged_at, goes_on, judgement=judgement, rules=ids, standing=standing
    )
    reasons = list_reasons(broken, ids)
    quarantine = raw[reasons.get_column("_at")].with_columns(reasons.get_column("_rules"))
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


def _any(masks: Mapping[str, pl.Series], height: int) -> pl.Series:
    if not masks:
        return pl.zeros(height, dtype=pl.Boolean, eager=True)
    return pl.DataFrame(masks).select(pl.any_horizontal(pl.all())).to_series()


def _broken(
    unjudged: pl.Series | None,
    judged_at: pl.Series | None,
    goes_on: pl.Series,
    *,
    judgement: Judgement,
    rules: Sequence[str],
    standing: pl.Series | None,
) -> pl.DataFrame:
    """The rows that stay behind, by position, with what `list_reasons` needs to know."""
    bad = (~goes_on).arg_true()
    at = bad if judged_at is None else judged_at.gather(bad)
    both = words(judgement.broken, rules, bad).with_columns(
        at.alias("_at"), pl.lit(None, dtype=pl.String).alias("_alone")
    )
    if unjudged is not None:
        alone_at = unjudged.is_not_null().arg_true()
        alone = pl.DataFrame({"_at": alone_at, "_alone": unjudged.gather(alone_at)})
        both = pl.concat([both, alone], how="diagonal").sort("_at")
    if standing is None:
        return both.with_columns(pl.lit(None, dtype=pl.String).alias("_standing"))
    return both.with_columns(standing.gather(both.get_column("_at")).alias("_standing"))


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
