"""What a later arrival means for an earlier one: corrections, and keys that come again.

A correction supersedes what is still open of the arrival it corrects; rows equal to what was
delivered already are unchanged, and only rows that differ go on. A key that another arrival has
delivered, or is about to, goes on, is unchanged or is held, as the outcome's `repeats` says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.ledger import arrivals, batches, cases
from opsintel_dagster.ledger.batches import BatchKind, BatchState, Role
from opsintel_dagster.orchestration.case_rows import CaseRows
from opsintel_dagster.orchestration.leaving import Leaving
from opsintel_dagster.orchestration.taken import scan_taken
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.store import together

REPEAT = "key.repeat"
ROUTING = {"_route": pl.String, "_route_rule": pl.String}
ALIKE = "_is_alike"
_BEFORE = "_before {}"
REPEATED: dict[str, pl.DataType] = {
    "_arrival": pl.String(),
    "_row": pl.Int64(),
    "_rules": pl.List(pl.String),
}

Replaces = list[tuple[str, list[str]]]
"""Corrections with the arrivals each replaces."""


def replaced_by(work: Work, batch: Row[Any], members: Sequence[Row[Any]]) -> Replaces:
    """The corrections in this batch, each with the arrivals it replaces."""
    if batch.kind != BatchKind.ARRIVALS:
        return []
    with work.installation.ledger.read() as connection:
        return [
            (member.id, arrivals.predecessors(connection, member.id))
            for member in members
            if member.supersedes is not None
        ]


def is_too_early(work: Work, replaces: Replaces) -> bool:
    """Whether rows of a replaced arrival are still on their way: what it said is not settled."""
    olds = [old for _, predecessors in replaces for old in predecessors]
    with work.installation.ledger.read() as connection:
        return arrivals.has_open_batches(connection, olds)


def compare(
    work: Work,
    batch: Row[Any],
    members: Sequence[Row[Any]],
    verified: pl.DataFrame,
    held: Mapping[str, object],
    accepted: pl.DataFrame,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Split verified rows into those that go on, those that repeat a key, and unchanged ones.

    `accepted` names, by `_arrival` and `_row`, those that go on although they repeat one.

    Returns:
        The rows that go on; `_arrival`, `_row`, `_rules` of rows held for a repeated key; and the
        unchanged rows with the route (`_route`, `_route_rule`) they had taken before.
    """
    no_repeats = pl.DataFrame(schema=REPEATED)
    unchanged = verified.clear().with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in ROUTING.items()
    )
    replaces = [pair for pair in replaced_by(work, batch, members) if pair[0] not in held]
    for new, olds in replaces:
        before = _current_rows(work, olds, verified)
        if not before.is_empty():
            verified, same = _without_equal(verified, new, before)
            unchanged = pl.concat([unchanged, same.select(unchanged.columns)])
    outcome = work.compiled.outcome
    if outcome.repeats == "deliver" or not outcome.key or verified.is_empty():
        return verified, no_repeats, unchanged
    marked = _mark_repeats(work, batch, members, verified)
    if outcome.repeats == "hold":
        rules = pl.lit([REPEAT], dtype=pl.List(pl.String)).alias("_rules")
        repeated = marked.filter("_repeats").select("_arrival", "_row", rules)
        repeated = _minus(repeated, accepted)
        return _minus(verified, repeated), repeated, unchanged
    same = verified.join(
        marked.filter("_equal").select("_arrival", "_row"), on=["_arrival", "_row"], how="semi"
    )
    without_route = same.with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in ROUTING.items()
    )
    return _minus(verified, same), no_repeats, pl.concat([unchanged, without_route])


def settle(work: Work, connection: Connection, replaces: Replaces) -> int:
    """Supersede what is open of the replaced arrivals, in the transaction of the verdict."""
    olds = [old for _, predecessors in replaces for old in predecessors]
    if not olds:
        return 0
    groups = cases.open_groups(connection, work.name, arrivals=olds)
    affected = [
        (case, CaseRows.of(work.installation, connection, case))
        for identity in dict.fromkeys(group.case_id for group in groups)
        if (case := cases.find(connection, identity)) is not None
    ]
    for new, predecessors in replaces:
        arrivals.settle(connection, predecessors, new)
    superseded = 0
    for case, rows in affected:
        leaving = Leaving(work.compiled, case)
        for part in rows:
            gone = part.filter(pl.col("_arrival").is_in(olds))
            leaving.add(part, gone)
            superseded += gone.height
        leaving.resolve(connection, "a correction of the arrival")
    return superseded


def _current_rows(work: Work, olds: Sequence[str], like: pl.DataFrame) -> pl.DataFrame:
    """What the replaced arrivals have delivered, or had repeated unchanged.

    What a receiver refused is not among it: it lies in quarantine until a correction replaces it,
    and one that says the same is refused again. Rows from before the contract gained a column, or
    gave one another type, are left out: no row `like` ours is equal to them.
    """
    with work.installation.ledger.read() as connection:
        files = [
            file
            for batch_id in arrivals.batches_of(connection, olds)
            for file in batches.files_of(
                connection, batch_id, Role.ROUTED, Role.UNCHANGED, Role.REFUSED
            )
            if file.rows
        ]
    frames = scan_taken(work.installation.store, files)
    alike = [
        frame.select(like.columns + list(ROUTING)) for frame in frames if _is_alike(frame, like)
    ]
    if not alike:
        return pl.DataFrame()
    return together(alike).filter(pl.col("_arrival").is_in(list(olds))).collect()


def _is_alike(rows: pl.LazyFrame, like: pl.DataFrame) -> bool:
    """Whether `rows` have the columns of `like`, in its types."""
    schema = rows.collect_schema()
    return all(schema.get(name) == dtype for name, dtype in like.schema.items())


def _without_equal(
    verified: pl.DataFrame, new: str, before: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take out the rows of `new` that `before` holds already, as often as it holds them."""
    columns = [name for name in verified.columns if not name.startswith("_")]
    nth = pl.int_range(pl.len()).over(columns).alias("_nth")
    known = before.with_columns(nth).select(*columns, "_nth", *ROUTING)
    mine = verified.filter(pl.col("_arrival") == new).with_columns(nth)
    same = mine.join(
        known, on=[*columns, "_nth"], how="inner", nulls_equal=True, maintain_order="left"
    )
    return _minus(verified, same), same.drop("_nth")


def _mark_repeats(
    work: Work,
    batch: Row[Any],
    members: Sequence[Row[Any]],
    verified: pl.DataFrame,
) -> pl.DataFrame:
    """Say of each row whether an earlier arrival has its key, and whether with equal values.

    A correction does not repeat what it corrects; to every other arrival they are the same one.
    """
    with work.installation.ledger.read() as connection:
        versions = {
            old: member.id
            for member in members
            if member.supersedes is not None
            for old in arrivals.versions_before(connection, member.id)
        }
    key = list(work.compiled.outcome.key)
    values = [name for name in verified.columns if not name.startswith("_")]
    sequence = pl.DataFrame(
        {"_arrival": [m.id for m in members], "_seq": [m.seq for m in members]},
        schema={"_arrival": pl.String, "_seq": pl.Int64},
    )
    mine = verified.join(sequence, on="_arrival", how="left", maintain_order="left")
    mine = mine.with_columns(pl.col("_arrival").alias("_whose"), pl.col("_row").alias("_nth"))
    before = _earlier_rows(work, batch, mine, versions)
    rows = pl.concat([before, mine], how="diagonal")
    rows = rows.filter(pl.all_horizontal(pl.col(key).is_not_null())).sort("_seq", "_nth")
    begins = (pl.col("_whose") != pl.col("_whose").shift(1)).over(key).fill_null(value=True)
    rows = rows.with_columns(begins.cum_sum().over(key).alias("_run"))
    told = [*values, ALIKE]
    last = [pl.col(name).shift(1).over(key).alias(_BEFORE.format(name)) for name in told]
    rows = rows.with_columns(last)
    first = [pl.col(_BEFORE.format(name)).first().over([*key, "_run"]) for name in told]
    rows = rows.with_columns(first)
    is_repeat = pl.col("_run") > 1
    equal = [pl.col(name).eq_missing(pl.col(_BEFORE.format(name))) for name in values]
    equal.append(pl.col(_BEFORE.format(ALIKE)).fill_null(value=True))
    marked = rows.with_columns(
        is_repeat.alias("_repeats"),
        (is_repeat & pl.all_horizontal(equal)).alias("_equal"),
    )
    return marked.filter(pl.col("_seq") >= 0)


def _earlier_rows(
    work: Work, batch: Row[Any], mine: pl.DataFrame, versions: Mapping[str, str]
) -> pl.DataFrame:
    """The newest row of each of our keys that earlier batches have delivered or will deliver.

    Earlier versions of a correction in this batch are kept apart: they are `_whose` it is. The
    routed files are the index of keys: Parquet reads only the key columns to find them. A row
    from before the contract gained a column, or gave one another type, is not `ALIKE`: of it there
    is the key, and no other row is equal to it.
    """
    key = list(work.compiled.outcome.key)
    with work.installation.ledger.read() as connection:
        routed = batches.files_of_outcome(
            connection,
            work.name,
            Role.ROUTED,
            Role.REFUSED,
            states=(BatchState.ROUTED, BatchState.CLOSED),
        )
        waiting = batches.files_of_outcome(
            connection, work.name, Role.VERIFIED, states=(BatchState.VERIFIED,)
        )
    earlier = sorted(
        (file for file in (*routed, *waiting) if file.rows and file.batch_id != batch.id),
        key=lambda file: file.seq,
    )
    like = mine.drop("_seq", "_whose", "_nth")
    found = []
    for rows in scan_taken(work.installation.store, earlier):
        if _is_alike(rows, mine.select(key)):  # keys of another type are other keys
            is_alike = _is_alike(rows, like)
            kept = like.columns if is_alike else ["_arrival", "_row", *key]
            found.append(rows.select(*kept, pl.lit(is_alike).alias(ALIKE)))
    if not found:
        return mine.clear().with_columns(pl.lit(None, dtype=pl.Boolean).alias(ALIKE))
    whose = pl.col("_arrival").replace_strict(dict(versions), default="", return_dtype=pl.String)
    return (
        pl.concat(found, how="diagonal")
        .filter(~pl.col("_arrival").is_in(mine["_arrival"].unique().to_list()))
        .join(mine.lazy().select(key), on=key, how="semi", maintain_order="left")
        .with_columns(whose.alias("_whose"), pl.lit(-1, dtype=pl.Int64).alias("_seq"))
        .collect()
        .unique([*key, "_whose"], keep="last", maintain_order=True)
        .with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("_nth"))
    )


def _minus(rows: pl.DataFrame, gone: pl.DataFrame) -> pl.DataFrame:
    return rows.join(gone, on=["_arrival", "_row"], how="anti", maintain_order="left")
