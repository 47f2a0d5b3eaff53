"""The open rows of one case in bounded parts, so that memory does not grow with their number.

A part holds rows of as many quarantine files as fit, or a stretch of a large one; a column has one
type in it, so that a verdict does not depend on what else lies in quarantine.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Row, select

from opsintel_dagster.ledger import arrivals, batches, cases
from opsintel_dagster.ledger.arrivals import ArrivalState
from opsintel_dagster.ledger.batches import QUARANTINE_ROLES, BatchKind, Role
from opsintel_dagster.ledger.tables import batch, batch_arrival
from opsintel_dagster.orchestration.causes import FAILURE_MODE, about_of
from opsintel_dagster.orchestration.compiled import TOLERANCE
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.quarantine import ROW, Part

PART_ROWS: Final = 100_000


@dataclass(frozen=True)
class _File:
    """A quarantine file that holds open rows of the case."""

    path: str
    batch_id: str
    rows: int


@dataclass(frozen=True)
class CaseRows:
    """The open rows of a case as the ledger knew them; every iteration reads them anew.

    Attributes:
        rows: How many they are.
        is_held: Whether arrivals lie among them of which too large a share was wrong: what becomes
            of one row then depends on all of its arrival.
    """

    installation: Installation
    failure_mode: str
    cause: str
    groups: Sequence[Row[Any]]
    files: Sequence[_File]
    superseded: Sequence[str]
    moved: Sequence[tuple[str, frozenset[str]]]
    """Files of rows that left the case, each with the arrivals whose rows they are."""
    excluded: Sequence[str] = ()
    only: Sequence[str] | None = None

    @classmethod
    def of(cls, installation: Installation, connection: Connection, case: Row[Any]) -> "CaseRows":
        """Those of a case; the ledger is not asked again."""
        groups = cases.groups_of_case(connection, case.id)
        batch_ids = {group.batch_id for group in groups}
        files = [
            _File(file.path, file.batch_id, file.rows)
            for file in batches.files_of_outcome(connection, case.outcome, *QUARANTINE_ROLES)
            if file.rows and file.batch_id in batch_ids
        ]
        return cls(
            installation,
            case.failure_mode,
            case.cause,
            groups,
            files,
            arrivals.ids_in_state(connection, case.outcome, ArrivalState.SUPERSEDED),
            _moved_files(connection, case.id),
        )

    @property
    def rows(self) -> int:
        """How many they are, by the ledger."""
        return sum(group.rows - group.resolved for group in self._groups())

    @property
    def is_held(self) -> bool:
        """Whether what becomes of a row depends on rows of other parts."""
        return self.rows > PART_ROWS and any(
            TOLERANCE in group.rules.split(cases.RULES_SEPARATOR) for group in self._groups()
        )

    def seen_at(self, revision: int) -> "CaseRows":
        """Only those that the case had by this revision."""
        return replace(self, excluded=self._after(revision))

    def come_since(self, revision: int) -> "CaseRows":
        """Only those that it had not."""
        return replace(self, only=self._after(revision))

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """In parts, none of them empty.

        Raises:
            StoreError: a file the ledger names is missing.
        """
        if not self.rows:
            return
        parts: list[Part] = []
        for file in self.files:
            for rows in self._stretches(file):
                part = next((part for part in parts if part.takes(rows)), None)
                if part is not None and part.height + rows.height > PART_ROWS:
                    yield from self._open(part)
                    parts.remove(part)
                    part = None
                if part is None:
                    part = Part()
                    parts.append(part)
                part.add(rows)
        for part in parts:
            yield from self._open(part)

    def _stretches(self, file: _File) -> Iterator[pl.DataFrame]:
        scan = self.installation.store.scan([file.path])
        is_mine = self._is_mine(scan.collect_schema().names())
        for start in range(0, file.rows, PART_ROWS):
            rows = (
                scan.slice(start, PART_ROWS)
                .filter(is_mine)
                .with_columns(pl.lit(file.batch_id).alias("_from"))
                .collect()
            )
            if not rows.is_empty():
                yield self._of_revision(rows)

    def _is_mine(self, names: Sequence[str]) -> pl.Expr:
        is_mine = (pl.col(FAILURE_MODE) == self.failure_mode) & (about_of(names) == self.cause)
        return is_mine & ~pl.col("_arrival").is_in(list(self.superseded))

    def _of_revision(self, rows: pl.DataFrame) -> pl.DataFrame:
        rules = pl.col("_rules").list.join(cases.RULES_SEPARATOR)
        group_of = pl.concat_str("_from", "_arrival", rules, separator=" ")
        if self.only is not None:
            return rows.filter(group_of.is_in(list(self.only)))
        return rows.filter(~group_of.is_in(list(self.excluded))) if self.excluded else rows

    def _open(self, part: Part) -> Iterator[pl.DataFrame]:
        """The rows of a part that have not left the case."""
        rows = pl.concat(part.frames, how="diagonal")
        of_part = set(rows["_arrival"].unique().to_list())
        paths = [path for path, of_file in self.moved if of_file & of_part]
        if paths:
            first, last = rows.select(
                pl.col("_row").min(), pl.col("_row").max().alias("_last")
            ).row(0)
            gone = (
                self.installation.store.scan(paths, columns=ROW)
                .filter(
                    pl.col("_row").is_between(first, last),
                    pl.col("_from").is_in(rows["_from"].unique().to_list()),
                )
                .collect()
            )
            rows = rows.join(gone, on=ROW, how="anti", maintain_order="left")
        if not rows.is_empty():
            yield rows

    def _groups(self) -> list[Row[Any]]:
        return [
            group
            for group in self.groups
            if _name(group) not in self.excluded
            and (self.only is None or _name(group) in self.only)
        ]

    def _after(self, revision: int) -> list[str]:
        return [_name(group) for group in self.groups if group.revision > revision]


def _name(group: Row[Any]) -> str:
    return f"{group.batch_id} {group.arrival_id} {group.rules}"


def _moved_files(connection: Connection, case_id: str) -> list[tuple[str, frozenset[str]]]:
    """Files of the rows that left the case: on their way through a replay, or marked."""
    query = (
        select(batch_arrival.c.batch_id, batch_arrival.c.arrival_id)
        .join(batch, batch.c.id == batch_arrival.c.batch_id)
        .where(batch.c.case_id == case_id, batch.c.kind.in_([BatchKind.REPLAY, BatchKind.DISCARD]))
    )
    arrivals_of: dict[str, set[str]] = {}
    for row in connection.execute(query):
        arrivals_of.setdefault(row.batch_id, set()).add(row.arrival_id)
    return [
        (file.path, frozenset(of_batch))
        for batch_id, of_batch in arrivals_of.items()
        for file in batches.files_of(connection, batch_id, Role.RAW, Role.DISCARDED)
    ]
