"""The two outputs: each row of the batch in exactly one of them, in the order in which it came."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import polars as pl

from opsintel_dagster.verification.judging import Judgement
from opsintel_dagster.verification.reasons import joined, list_reasons, words
from opsintel_dagster.verification.rules import ARRIVAL_COLUMNS
from opsintel_dagster.verification.verdict import Verdict


def split(
    raw: pl.DataFrame,
    unjudged: pl.Series,
    typed: pl.DataFrame,
    *,
    judgement: Judgement,
    rules: Sequence[str],
    held_columns: Mapping[str, str],
) -> Verdict:
    """Send every row to one side.

    Args:
        raw: The batch as it came.
        unjudged: Per row of `raw` the one reason why it was not judged; null if it was.
        typed: The contract's columns of the judged rows.
        judgement: The masks over the judged rows.
        rules: Ids of the contract's rules, in order.
        held_columns: Arrivals held for their columns, with the sentence that says why.
    """
    judged_at = unjudged.is_null().arg_true()
    standing = _standing(raw)
    goes_on = ~_any(judgement.broken, typed.height)
    if standing is not None:
        goes_on &= standing.gather(judged_at).is_null()
    front = [name for name in ("_arrival", "_row", "_line") if name in raw.columns]
    came = raw.select(front) if len(judged_at) == raw.height else raw.select(front)[judged_at]
    valid = pl.concat([came, typed], how="horizontal").filter(goes_on)
    broken = _broken(
        unjudged, judged_at, goes_on, judgement=judgement, rules=rules, standing=standing
    )
    reasons = list_reasons(broken, rules)
    quarantine = raw[reasons.get_column("_at")].with_columns(reasons.get_column("_rules"))
    held, why = _holds(judgement, held_columns)
    return Verdict(valid, quarantine, held, why, _warned(judgement, goes_on))


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
    unjudged: pl.Series,
    judged_at: pl.Series,
    goes_on: pl.Series,
    *,
    judgement: Judgement,
    rules: Sequence[str],
    standing: pl.Series | None,
) -> pl.DataFrame:
    """The rows that stay behind, by position, with what `list_reasons` needs to know."""
    bad = (~goes_on).arg_true()
    judged = words(judgement.broken, rules, bad).with_columns(
        judged_at.gather(bad).alias("_at"), pl.lit(None, dtype=pl.String).alias("_alone")
    )
    alone_at = unjudged.is_not_null().arg_true()
    alone = pl.DataFrame({"_at": alone_at, "_alone": unjudged.gather(alone_at)})
    both = pl.concat([judged, alone], how="diagonal").sort("_at")
    if standing is None:
        return both.with_columns(pl.lit(None, dtype=pl.String).alias("_standing"))
    return both.with_columns(standing.gather(both.get_column("_at")).alias("_standing"))


def _warned(judgement: Judgement, goes_on: pl.Series) -> dict[str, int]:
    warned = Counter(judgement.table_warnings)
    for rule, mask in judgement.warned.items():
        warned[rule] += int((mask & goes_on).sum())
    return {rule: count for rule, count in warned.items() if count}


def _holds(
    judgement: Judgement, held_columns: Mapping[str, str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    rules: dict[str, list[str]] = defaultdict(list)
    why: dict[str, list[str]] = defaultdict(list)
    columns = [(arrival, ARRIVAL_COLUMNS, said) for arrival, said in held_columns.items()]
    for arrival, rule, said in (*columns, *judgement.holds):
        rules[arrival].append(rule)
        why[arrival].append(f"{rule}: {said}")
    return (
        {arrival: tuple(dict.fromkeys(ids)) for arrival, ids in rules.items()},
        {arrival: tuple(said) for arrival, said in why.items()},
    )
