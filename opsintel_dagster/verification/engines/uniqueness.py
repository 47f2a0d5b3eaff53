"""Which rows share values with another, in an engine: counted in a window, or joined.

A window carries every column of every row through a sort. Where an engine hashes a join in which
null equals null, only the values that occur twice are looked up instead, and rows stream by.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import and_

import ibis

from opsintel_dagster.verification.compiled import UniqueRule
from opsintel_dagster.verification.engines.engine import Value
from opsintel_dagster.verification.engines.refusals import NotTranslatedError
from opsintel_dagster.verification.engines.values import Cell

_TIMES = "times"


def taking_part(
    cells: Mapping[str, Cell], judged: Value | None, columns: Iterable[str]
) -> Value | None:
    """Rows whose values are there to be compared; None if all are."""
    parts = [~failed for failed in (cells[name].failed for name in columns) if failed is not None]
    if judged is not None:
        parts.append(judged)
    return reduce(and_, parts) if parts else None


def join_repeats(
    table: ibis.Table, values: Sequence[str], part: Value | None, at: str
) -> ibis.Table:
    """`table` with a column `at` that says whether another row has the same `values`."""
    compared = table if part is None else table.filter(part)
    keys = {f"{at}_{i}": compared[name] for i, name in enumerate(values)}
    counted = compared.group_by(**keys).aggregate(**{_TIMES: compared.count()})
    twice = counted.filter(counted[_TIMES] > 1).mutate(**{at: ibis.literal(True)})
    pairs = [table[name].identical_to(twice[key]) for name, key in zip(values, keys, strict=True)]
    joined = table.left_join(twice, pairs).select(*table.columns, at)
    return joined.mutate(**{at: joined[at].notnull()})


def in_window(
    one: UniqueRule, values: Sequence[Value], part: Value | None, row: Value | None
) -> Value:
    """The same as a column over the rows, and where the rule spares one of equal rows.

    Raises:
        NotTranslatedError: Which one that is depends on an order the table does not have.
    """
    same = [*values] if part is None else [*values, part]
    if one.report == "all":
        # A null is counted as any other value: what is counted is whether it is one.
        return same[0].isnull().count().over(group_by=same) > 1
    if row is None:
        reason = f"which of equal rows is spared ({one.report}) is said by `_row`"
        fix = "Number the rows in the table: table.mutate(_row=...)"
        raise NotTranslatedError(reason, fix)
    order = row if one.report == "exclude_first" else row.desc()
    return ibis.row_number().over(group_by=same, order_by=order) > 0
