"""What leaves a case and what stays in it, counted part by part.

Of the rows themselves nothing is kept, and of their values no more than so many different ones:
a case shows a hundred.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.ledger import cases
from opsintel_dagster.ledger.cases import OTHER_CAUSES, OTHER_VALUES
from opsintel_dagster.orchestration.causes import GROUP
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.quarantine import ROW, resolved_groups, values_of

MOST_VALUES: Final = 20_000


@dataclass
class Leaving:
    """Rows that leave one case, by what the case counts; and what is at fault in those that stay.

    Beyond `MOST_VALUES` different values the rarer half is counted together, so that the count of a
    value that was rare in one part may be too low.
    """

    compiled: Compiled
    case: Row[Any]
    groups: Counter[tuple[str, str, tuple[str, ...]]] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    causes: list[int] = field(default_factory=list)
    """How many different causes the rows of each part have that stay."""

    def add(self, rows: pl.DataFrame, gone: pl.DataFrame) -> None:
        """Count one part of the case: its open rows, and those of them that leave."""
        self.groups.update(resolved_groups(gone))
        left = rows
        if not gone.is_empty():
            left = rows.join(gone, on=ROW, how="anti", maintain_order="left")
        if left.is_empty():
            return
        self.values.update(values_of(self.compiled, self.case.failure_mode, left))
        if len(self.values) > MOST_VALUES:
            ranked = self.values.most_common()
            self.values = Counter(dict(ranked[: MOST_VALUES // 2]))
            self.values[OTHER_VALUES] += sum(count for _, count in ranked[MOST_VALUES // 2 :])
        if self.case.cause == OTHER_CAUSES:
            self.causes.append(left[GROUP].n_unique())

    def resolve(self, connection: Connection, why: str) -> bool:
        """Take them out of the case; true if that closed it."""
        if not self.groups:
            return False
        causes = None
        if self.case.cause == OTHER_CAUSES:
            causes = {"count": max(self.causes, default=0), "is_exact": len(self.causes) <= 1}
        return cases.resolve_rows(connection, self.case.id, self.groups, self.values, why, causes)
