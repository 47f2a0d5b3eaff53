"""Who breaks what: one bit a rule and row, turned into a list only once per distinct set.

Most rows break nothing, and those that do break the same few sets of rules; so lists are built
for distinct sets and looked up. Sets are kept in as many 63-bit words as the rules need.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

_BITS: Final = 63
_WORD: Final = "_word{}"
_AT, _ALONE, _STANDING = "_at", "_alone", "_standing"
_SEPARATOR: Final = "\x1f"


def words(masks: Mapping[str, pl.Series], rules: Sequence[str], rows: pl.Series) -> pl.DataFrame:
    """The broken rules of `rows` as integers, with the positions of the rows.

    Args:
        masks: Rule to the mask of rows that break it; rules nobody breaks are left out.
        rules: All rules, whose order numbers the bits.
        rows: Positions of the rows wanted.
    """
    number = {rule: i for i, rule in enumerate(rules)}
    bits: list[list[pl.Expr]] = [[] for _ in range(word_count(rules))]
    for i, rule in enumerate(masks):
        word, bit = divmod(number[rule], _BITS)
        bits[word].append(pl.col(str(i)).cast(pl.UInt64) * pl.lit(1 << bit, dtype=pl.UInt64))
    broken = pl.DataFrame([mask.alias(str(i)) for i, mask in enumerate(masks.values())])
    nothing = pl.lit(0, dtype=pl.UInt64)
    of_rows = broken[rows] if masks else pl.DataFrame(rows.alias(_AT))
    return of_rows.select(
        pl.lit(rows).alias(_AT),
        *(
            (pl.sum_horizontal(part) if part else nothing).alias(_WORD.format(i))
            for i, part in enumerate(bits)
        ),
    )


def word_count(rules: Sequence[str]) -> int:
    """How many words hold a bit for each of `rules`."""
    return -(-len(rules) // _BITS)


def list_reasons(broken: pl.DataFrame, rules: Sequence[str]) -> pl.DataFrame:
    """Add `_rules` to rows that carry words, a reason that stands alone, or standing rules.

    Args:
        broken: `_at`, the words, `_alone` (Utf8) and `_standing` (Utf8, joined), any of them null.
        rules: All rules, in the order of the bits.
    """
    keys = [name for name in broken.columns if name != _AT]
    distinct = broken.select(keys).unique(maintain_order=True)
    lists = [_decoded(row, rules) for row in distinct.iter_rows(named=True)]
    table = distinct.with_columns(pl.Series("_rules", lists, dtype=pl.List(pl.String)))
    return broken.join(table, on=keys, how="left", nulls_equal=True, maintain_order="left")


def joined(standing: pl.Series) -> pl.Series:
    """Lists of rule ids as one text each, to be compared and looked up; null for none."""
    lists = standing.list.eval(pl.element().sort()).list.join(_SEPARATOR)
    return lists.replace("", None)


def _decoded(row: Mapping[str, int | str | None], rules: Sequence[str]) -> list[str]:
    if row[_ALONE] is not None:
        reasons = [str(row[_ALONE])]
    else:
        bits = [int(row[_WORD.format(i)] or 0) for i in range(word_count(rules))]
        reasons = [rule for i, rule in enumerate(rules) if bits[i // _BITS] >> (i % _BITS) & 1]
    standing = str(row[_STANDING]).split(_SEPARATOR) if row[_STANDING] else []
    return reasons + [rule for rule in standing if rule not in reasons]
