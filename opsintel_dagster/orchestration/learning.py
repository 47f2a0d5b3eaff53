"""What people have answered again and again, as amendments somebody may keep; none keeps itself.

Evidence are the rows that decisions have moved: what was in them before, what somebody made of
them. An answer is repeated when several decisions gave it for the same cause, and it is proposed
only where no decision about that cause said anything else.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.errors import StoreError
from opsintel_dagster.ledger import batch_history, batches, decisions
from opsintel_dagster.ledger.batches import QUARANTINE_ROLES, BatchKind, Role
from opsintel_dagster.ledger.decisions import DecisionKind
from opsintel_dagster.orchestration.amending import InForce
from opsintel_dagster.orchestration.changed_cells import AMENDED
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.quarantine import ROW
from opsintel_dagster.orchestration.simulation import QUARANTINE, Simulation, simulate
from opsintel_dagster.outcome import Amendment, Repair, Reroute, content_of
from opsintel_dagster.outcome.amendment_checks import amendment_problems
from opsintel_dagster.outcome.literals import equals
from opsintel_dagster.routing import SENT_TO
from opsintel_dagster.store import as_text, together

AT_LEAST: Final = 3
"""How many decisions must have given the same answer."""

LONGEST_VALUE: Final = 200
MOST_VALUES: Final = 10_000
"""Of how many different values of one decision is looked at: a case of more has no one cause."""

_ANSWERS: Final = (
    DecisionKind.REPAIR,
    DecisionKind.ROUTE,
    DecisionKind.ACCEPT,
    DecisionKind.DISCARD,
)
_OLD: Final = "_old {}"
_OTHER: Final = "\0"
"""Any other answer; no cell and no route is called so."""


@dataclass(frozen=True, order=True)
class Cause:
    """What records had in common: under a failure mode, these texts in these columns."""

    failure_mode: str
    columns: tuple[str, ...]
    values: tuple[str, ...]


@dataclass
class Support:
    """Who gave an answer, how often, for how many records."""

    decisions: set[str] = field(default_factory=set)
    actors: set[str] = field(default_factory=set)
    records: int = 0


@dataclass(frozen=True)
class Proposal:
    """An answer that was repeated, as an amendment.

    Attributes:
        amendment: What would be kept.
        cause: What it is about.
        support: Who answered so.
        simulation: What it would have changed; None: it was not asked for.
        records_saved: How many records would not have been in quarantine.
        minutes_saved: What they cost a person, where the failure mode says.
    """

    amendment: Amendment
    cause: Cause
    support: Support
    simulation: Simulation | None = field(default=None, repr=False)
    records_saved: int = 0
    minutes_saved: float | None = None


def learn(
    installation: Installation,
    compiled: Compiled,
    *,
    at_least: int = AT_LEAST,
    since: datetime | None = None,
    most: int = 20,
    simulates: bool = True,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Proposal]:
    """Propose amendments from answers that people have repeated, the best supported first.

    Args:
        installation: Where the outcome has drained.
        compiled: The outcome, with the amendments that apply already.
        at_least: How many decisions must have given an answer.
        since: Only decisions since then, and history since then for the simulation.
        most: How many proposals, at most.
        simulates: Whether each is tried on history.
        progress: Called with how many proposals were tried, and how many there are.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with installation.ledger.read() as connection:
        given = _Answers(compiled)
        for row in decisions.carried_out(connection, compiled.name, _ANSWERS, since):
            given.add(row, _rows_of(installation, connection, row))
    proposals = sorted(
        (one for one in given.repeated(at_least) if _fits(compiled, one.amendment)),
        key=lambda one: (-len(one.support.decisions), -one.support.records, one.cause),
    )[:most]
    if not simulates:
        return proposals
    tried = []
    for done, one in enumerate(proposals):
        progress(done, len(proposals))
        tried.append(_tried(installation, compiled, one, since))
    progress(len(proposals), len(proposals))
    return tried


def _tried(
    installation: Installation, compiled: Compiled, one: Proposal, since: datetime | None
) -> Proposal:
    changed = compiled.amended([InForce("proposal", one.amendment)])
    found = simulate(installation, changed, before=compiled, since=since)
    saved = sum(
        moved.records
        for moved in found.moved
        if moved.before.kind == QUARANTINE and moved.after.kind != QUARANTINE
    )
    minutes = compiled.minutes_of(one.cause.failure_mode)
    return replace(
        one,
        simulation=found,
        records_saved=saved,
        minutes_saved=None if minutes is None else minutes * saved,
    )


def _fits(compiled: Compiled, amendment: Amendment) -> bool:
    """Whether it could be kept, and nobody has."""
    known = [content_of(one.amendment) for one in compiled.amending.in_force]
    outcome = compiled.outcome
    problems = amendment_problems(
        amendment, compiled.contract.columns, outcome.handoff, outcome.source
    )
    return content_of(amendment) not in known and next(problems, None) is None


@dataclass
class _Answers:
    """Answers by cause."""

    compiled: Compiled
    _given: dict[tuple[DecisionKind, Cause], dict[str, Support]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Support))
    )
    """What may be learned (a repair, a route) about a cause, and what was answered to it."""

    def add(self, row: Row[Any], rows: pl.DataFrame) -> None:
        """Take in the rows of one decision, as they were (`_old` columns) and as they left."""
        to = row.arguments["to"] if row.kind == DecisionKind.ROUTE else _OTHER
        modes = {mode.name: mode for mode in self.compiled.outcome.failure_modes}
        per = modes[row.failure_mode].per if row.failure_mode in modes else ()
        if isinstance(per, tuple) and per:
            self._count(DecisionKind.ROUTE, row, rows, per, pl.lit(to))
        repaired = _repaired_columns(rows) if row.kind == DecisionKind.REPAIR else []
        for column in self._columns_of(rows):
            given = pl.col(column) if column in repaired else pl.lit(_OTHER)
            self._count(DecisionKind.REPAIR, row, rows, (column,), given)

    def _columns_of(self, rows: pl.DataFrame) -> list[str]:
        """Columns that came in; of personal data nothing is learned, for it would be kept."""
        there = [name for name in self.compiled.contract.columns if _OLD.format(name) in rows]
        return [name for name in there if name not in self.compiled.contract.pii]

    def _count(
        self,
        learned: DecisionKind,
        row: Row[Any],
        rows: pl.DataFrame,
        columns: Sequence[str],
        answer: pl.Expr,
    ) -> None:
        if not set(columns) <= set(self._columns_of(rows)):
            return
        olds = [pl.col(_OLD.format(name)).alias(f"{at}") for at, name in enumerate(columns)]
        counted = rows.select(*olds, answer.alias("_answer")).group_by(pl.all()).len()
        if counted.height > MOST_VALUES:
            return
        for *values, given, count in counted.iter_rows():
            if all(len(value) <= LONGEST_VALUE for value in values):
                cause = Cause(row.failure_mode, tuple(columns), tuple(values))
                support = self._given[learned, cause][given]
                support.decisions.add(row.id)
                support.actors.add(row.actor)
                support.records += count

    def repeated(self, at_least: int) -> Iterator[Proposal]:
        """Answers that enough decisions gave, and none about the same cause contradicts."""
        for (learned, cause), answers in self._given.items():
            if len(answers) != 1:
                continue
            [(given, support)] = answers.items()
            if given != _OTHER and len(support.decisions) >= at_least:
                amendment = self._amendment(learned, cause, given)
                if amendment is not None:
                    yield Proposal(amendment, cause, support)

    def _amendment(self, learned: DecisionKind, cause: Cause, given: str) -> Amendment | None:
        if learned is DecisionKind.REPAIR:
            [column], [old] = cause.columns, cause.values
            if old == given:
                return None
            return Repair(kind="repair", column=column, values={old: given})
        types = self.compiled.contract.columns
        pairs = zip(cause.columns, cause.values, strict=True)
        conditions = [equals(column, value, types[column]) for column, value in pairs]
        if None in conditions:
            return None
        return Reroute(kind="route", to=given, when=" AND ".join(map(str, conditions)))


def _repaired_columns(rows: pl.DataFrame) -> list[str]:
    if AMENDED not in rows.columns:
        return []
    return rows[AMENDED].explode().drop_nulls().unique().to_list()


def _rows_of(
    installation: Installation, connection: Connection, decision: Row[Any]
) -> pl.DataFrame:
    """The rows a decision moved, all cells as text, with what was in them before (`_old` …)."""
    store = installation.store
    parts: list[pl.LazyFrame] = []
    for batch in batch_history.decided_by(connection, decision.id):
        role = Role.DISCARDED if batch.kind == BatchKind.DISCARD else Role.RAW
        try:
            moved = store.read([file.path for file in batches.files_of(connection, batch.id, role)])
            before = _before(installation, connection, moved["_from"].unique().to_list())
        except StoreError:  # nothing is learned from what is gone
            continue
        came = [name for name in before.columns if not name.startswith("_")]
        olds = before.select(*ROW, *(_text(before, name, _OLD.format(name)) for name in came))
        there = [name for name in moved.columns if name in came or name in (AMENDED, SENT_TO)]
        news = [name if name in (AMENDED, SENT_TO) else _text(moved, name, name) for name in there]
        parts.append(moved.select(*ROW, *news).join(olds, on=ROW, how="inner").lazy())
    return together(parts).collect() if parts else pl.DataFrame()


def _before(
    installation: Installation, connection: Connection, batch_ids: Sequence[str]
) -> pl.DataFrame:
    """The rows of quarantine that these batches put there."""
    frames = []
    for batch_id in batch_ids:
        for file in batches.files_of(connection, batch_id, *QUARANTINE_ROLES):
            if file.rows:
                rows = installation.store.scan([file.path])
                frames.append(rows.with_columns(pl.lit(batch_id).alias("_from")))
    if not frames:
        return pl.DataFrame(schema={"_from": pl.String, "_arrival": pl.String, "_row": pl.Int64})
    return together(frames).collect()


def _text(rows: pl.DataFrame, column: str, name: str) -> pl.Expr:
    return as_text(column, rows.schema[column]).fill_null("").alias(name)
