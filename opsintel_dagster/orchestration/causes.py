"""Which case a row of quarantine belongs to: its failure mode, and its cause where they differ.

`_cause` is the failure mode, `_group` the cause within it. `_tail` says that the cause has no case
of its own: of a failure mode that has ten thousand, people look at the hundred most frequent ones.
Files from before there were causes have neither; their rows are about their whole failure mode.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import polars as pl
from sqlalchemy import Connection

from opsintel_dagster.ledger import case_listing
from opsintel_dagster.ledger.cases import CAUSES_KEPT, OTHER_CAUSES, About
from opsintel_dagster.orchestration.compiled import HOLDING_RULES, Compiled
from opsintel_dagster.outcome.names import CRASHED
from opsintel_dagster.store import as_text

FAILURE_MODE: Final = "_cause"
GROUP: Final = "_group"
TAIL: Final = "_tail"
CASE: Final = [FAILURE_MODE, "_about"]
NO_VALUE: Final = "(empty)"
LONGEST_VALUE: Final = 200
BETWEEN: Final = " · "
_NO_CAUSE: Final = pl.lit("", dtype=pl.String)
_VALUE: Final = "…"
_IN_MESSAGES: Final = (
    (r"'[^']*'|\"[^\"]*\"|`[^`]*`", _VALUE),
    (r"=\([^)]*\)", f"=({_VALUE})"),  # PostgreSQL: Key (name)=(value)
    (r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", _VALUE),
    (r"(?i)\b0x[0-9a-f]+\b", _VALUE),
    (r"(?i)\b(?:[a-f]+[0-9]|[0-9]+[a-f])[0-9a-f]{4,}\b", _VALUE),
    (r"[0-9]+(?:[.,:][0-9]+)*", _VALUE),
)
"""What differs between two sayings of the same: quoted values, ids, numbers."""


def with_causes(compiled: Compiled, rows: pl.DataFrame, files: Mapping[str, str]) -> pl.DataFrame:
    """Add `_cause`, the failure mode each row belongs to, and `_group`, the cause within it.

    `files` names the file of each arrival.
    """
    said = _message(rows, compiled.contract.columns)
    if compiled.contract.pii:  # a check that breaks down may say anything of the value it is at
        is_crash = pl.col("_rules").list.contains(CRASHED)
        said = pl.when(is_crash).then(said.str.extract(r"^([\w.]+)")).otherwise(said)
    return _told_apart(compiled, rows, "_rules", files, said)


def with_causes_now(
    compiled: Compiled, rows: pl.DataFrame, rules: str, files: Mapping[str, str]
) -> pl.DataFrame:
    """The same for rows of quarantine by the rules they break now; null for those that pass.

    What was said of a row is no property of it, and stays its cause.
    """
    said = pl.col("_said")
    own = pl.col(GROUP).fill_null("") if GROUP in rows.columns else _NO_CAUSE
    bare = rows.with_columns(own.alias("_said")).drop(FAILURE_MODE, GROUP, strict=False)
    return _told_apart(compiled, bare, rules, files, said).drop("_said")


def _told_apart(
    compiled: Compiled, rows: pl.DataFrame, rules: str, files: Mapping[str, str], said: pl.Expr
) -> pl.DataFrame:
    """One look-up per combination of rules, and one expression per failure mode."""
    combinations = rows[rules].unique().to_list()
    modes = [compiled.failure_mode_of(one) if one else None for one in combinations]
    lookup = pl.DataFrame(
        {rules: combinations, FAILURE_MODE: modes},
        schema={rules: pl.List(pl.String), FAILURE_MODE: pl.String},
    )
    found = rows.join(lookup, on=rules, how="left", maintain_order="left")
    cause = _NO_CAUSE
    for failure_mode in dict.fromkeys(mode for mode in modes if mode is not None):
        per = compiled.per_of(failure_mode)
        if per == "rule":
            text = _first_rule(compiled, failure_mode, combinations, rules)
        elif per == "file":
            name = pl.col("_arrival").replace_strict(
                dict(files), default=None, return_dtype=pl.String
            )
            text = name.str.head(LONGEST_VALUE)
        elif per == "message":
            text = said
        elif isinstance(per, tuple):
            text = pl.concat_str(
                [shown(compiled, rows, column) for column in per], separator=BETWEEN
            )
        else:
            continue
        cause = pl.when(pl.col(FAILURE_MODE) == failure_mode).then(text).otherwise(cause)
    text = cause.fill_null("").str.replace_all("\0", "\\x00", literal=True)  # PostgreSQL takes none
    return found.with_columns(text.alias(GROUP))


def _first_rule(
    compiled: Compiled, failure_mode: str, combinations: Sequence[Sequence[str]], rules: str
) -> pl.Expr:
    first = {
        " ".join(one): next(rules_about(compiled, failure_mode, one), "") for one in combinations
    }
    joined = pl.col(rules).list.join(" ")
    return joined.replace_strict(first, default="", return_dtype=pl.String)


def rules_about(compiled: Compiled, failure_mode: str, rules: Collection[str]) -> Iterator[str]:
    """Those of a row's rules because of which it is this failure, in their order."""
    holding = [rule for rule in rules if rule in HOLDING_RULES]
    for rule in holding or rules:
        if compiled.failure_mode_of([rule]) == failure_mode:
            yield rule


def _message(rows: pl.DataFrame, columns: Collection[str]) -> pl.Expr:
    """What was said, without what differs from record to record; a column's name is no value."""
    if "_problem" not in rows.columns:
        return _NO_CAUSE
    text = pl.col("_problem").str.replace_all(r"\s+", " ").str.strip_chars()
    names = "|".join(re.escape(name) for name in columns)
    text = text.str.replace_all(f"['\"`]({names})['\"`]", "${1}")
    for pattern, instead in _IN_MESSAGES:
        text = text.str.replace_all(pattern, instead)
    return text.str.head(LONGEST_VALUE)


def shown(compiled: Compiled, rows: pl.DataFrame, column: str) -> pl.Expr:
    """A value as a case shows it: a case is a row of the ledger, and keeps a text's beginning."""
    texts = [as_text(name, rows.schema[name]) for name in called(compiled, rows, column)]
    text = pl.coalesce(texts) if texts else pl.lit(None, dtype=pl.String)
    return text.str.head(LONGEST_VALUE).fill_null(NO_VALUE)


def called(compiled: Compiled, rows: pl.DataFrame, column: str) -> list[str]:
    """What the column of the contract is called in rows as they came in; it may be there twice."""
    names = (column, *compiled.amending.renames.sources_of(column))
    return [name for name in names if name in rows.columns]


def with_tail(
    connection: Connection, outcome: str, rows: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Add `_tail`; with how many causes of each failure mode have no case of their own.

    A cause that has an open case keeps it. New ones get one, the most frequent first, as long as a
    failure mode has not more than a hundred.
    """
    counted = rows.group_by(FAILURE_MODE, GROUP).len().filter(pl.col(GROUP) != "")
    known = case_listing.causes_of_open(connection, outcome) if counted.height else {}
    rest: list[tuple[str, str]] = []
    for (failure_mode,), found in counted.sort(FAILURE_MODE).group_by(
        FAILURE_MODE, maintain_order=True
    ):
        have = known.get(str(failure_mode), set())
        new = found.filter(~pl.col(GROUP).is_in(list(have)))
        new = new.sort("len", GROUP, descending=[True, False])
        room = max(CAUSES_KEPT - len(have), 0)
        rest += [(str(failure_mode), cause) for cause in new[GROUP][room:].to_list()]
    tail = pl.DataFrame(rest, schema={FAILURE_MODE: pl.String, GROUP: pl.String}, orient="row")
    more = {str(name): int(count) for name, count in tail.group_by(FAILURE_MODE).len().iter_rows()}
    marked = rows.join(
        tail.with_columns(pl.lit(True).alias(TAIL)),
        on=[FAILURE_MODE, GROUP],
        how="left",
        maintain_order="left",
    )
    return marked.with_columns(pl.col(TAIL).fill_null(False)), more


def about_of(columns: Collection[str]) -> pl.Expr:
    """The cause of the case that each row belongs to, in rows that have these columns."""
    if GROUP not in columns:  # from before there were causes
        return _NO_CAUSE
    group = pl.col(GROUP).fill_null("")
    if TAIL not in columns:
        return group
    return pl.when(pl.col(TAIL).fill_null(False)).then(pl.lit(OTHER_CAUSES)).otherwise(group)


def by_case(rows: pl.DataFrame) -> Iterator[tuple[About, pl.DataFrame]]:
    """The rows of each case."""
    marked = rows.with_columns(about_of(rows.columns).alias(CASE[1]))
    for (failure_mode, cause), part in marked.group_by(CASE, maintain_order=True):
        yield About(str(failure_mode), str(cause)), part.drop(CASE[1])
