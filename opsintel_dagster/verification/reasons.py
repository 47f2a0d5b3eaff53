"""Who breaks what: one bit a rule and row, turned into a list only once per distinct set.

Most rows break nothing, and those that do break the same few sets of rules; so lists are built
for distinct sets and looked up. Sets are kept in as many 63-bit words as the rules need.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

_BITS: Final = 63
_WORD: Final = "_word{}"
_ALONE, _STANDING = "_alone", "_standing"
_SEPARATOR: Final = "\x1f"


def words(masks: Mapping[str, pl.Series], rules: Sequence[str], some: pl.Series) -> pl.DataFrame:
    """The broken rules of the rows of `some`, as integers.

    Args:
        masks: Rule to the mask of rows that break it; rules nobody breaks are left out.
        rules: All rules, whose order numbers the bits.
        some: Mask of the rows wanted.
    """
    number = {rule: i for i, rule in enumerate(rules)}
    nothing = pl.Series([0], dtype=pl.UInt64).new_from_index(0, int(some.sum()))
    found = [nothing] * word_count(rules)
    for rule, mask in masks.items():
        word, bit = divmod(number[rule], _BITS)
        found[word] = found[word] | mask.filter(some).cast(pl.UInt64) * (1 << bit)
    return pl.DataFrame({_WORD.format(i): word for i, word in enumerate(found)})


def word_count(rules: Sequence[str]) -> int:
    """How many words hold a bit for each of `rules`; one, if there are none."""
    return max(-(-len(rules) // _BITS), 1)


def list_reasons(broken: pl.DataFrame, rules: Sequence[str]) -> pl.Series:
    """The lists `_rules` of rows that carry words, a reason that stands alone, standing rules.

    Args:
        broken: The words and, where a row has such, `_alone` (Utf8) and `_standing` (Utf8, joined),
            any of them null.
        rules: All rules, in the order of the bits.
    """
    distinct = broken.unique(maintain_order=True)
    lists = [_decoded(row, rules) for row in distinct.iter_rows(named=True)]
    table = distinct.with_columns(pl.Series("_rules", lists, dtype=pl.List(pl.String)))
    keys = broken.columns
    found = broken.join(table, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return found.get_column("_rules")


def joined(standing: pl.Series) -> pl.Series:
    """Lists of rule ids as one text each, to be compared and looked up; null for none."""
    lists = standing.list.eval(pl.element().sort()).list.join(_SEPARATOR)
    return lists.replace("", None)


def _decoded(row: Mapping[str, int | str | None], rules: Sequence[str]) -> list[str]:
    if row.get(_ALONE) is not None:
        reasons = [str(row[_ALONE])]
    else:
        bits = [int(row[_WORD.format(i)] or 0) for i in range(word_count(rules))]
        reasons = [rule for i, rule in enumerate(rules) if bits[i // _BITS] >> (i % _BITS) & 1]
    standing = str(row[_STANDING]).split(_SEPARATOR) if row.get(_STANDING) else []
    return reasons + [rule for rule in standing if rule not in reasons]
