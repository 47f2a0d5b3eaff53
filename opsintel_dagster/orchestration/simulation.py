"""What another declaration would have made of history, and of what lies in quarantine now.

Every batch of arrivals is judged again as it came in, by the versions of the references it was
judged by then; nothing is delivered and nothing is written. Where a record went before is read from
the files of then, so a declaration that is not changed changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.errors import OpsintelError, ReferenceDown
from opsintel_dagster.ledger import arrivals, batch_history, batches, cases
from opsintel_dagster.ledger.batches import BatchState, Role
from opsintel_dagster.orchestration.case_rows import CaseRows
from opsintel_dagster.orchestration.causes import with_causes
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.decision_plans import Plan, nobody_asks, replayed
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.judging import judge_rows
from opsintel_dagster.orchestration.judging_again import RECORD, JudgingAgain
from opsintel_dagster.orchestration.raw import with_arrival
from opsintel_dagster.orchestration.references import References
from opsintel_dagster.orchestration.replay import unjudged
from opsintel_dagster.outcome.names import KEY_REPEAT, UNROUTED
from opsintel_dagster.store import together

EXAMPLES: Final = 3
QUARANTINE: Final = "quarantine"
ROUTE: Final = "route"
UNCHANGED: Final = "unchanged"
_PLACE: Final = "_place"
_AFTER: Final = "_after"
_STANDS: Final = "_stands"


@dataclass(frozen=True, order=True)
class Place:
    """Where a record goes: `quarantine` under a failure mode, a `route`, or it is `unchanged`."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


@dataclass(frozen=True)
class Moved:
    """Records that would have gone elsewhere; `examples` are some of them as they came in.

    Each example has the source's own columns, `_file`, `_line`, `_line_end` and `_record`.
    """

    before: Place
    after: Place
    records: int
    examples: tuple[Mapping[str, Any], ...] = field(repr=False)


@dataclass(frozen=True)
class CaseChange:
    """How many records of history a failure mode has had, and would have had."""

    failure_mode: str
    before: int
    after: int


@dataclass(frozen=True)
class Simulation:
    """What would have changed, and what the next drain would do.

    Attributes:
        outcome: The outcome.
        batches: How many batches of arrivals were judged again.
        arrivals: How many arrivals they carried.
        records: How many records.
        moved: What would have gone elsewhere, the most records first.
        cases: Failure modes that would have had more or fewer records; 0 after: no case.
        left_out: Why batches could not be judged again, by id.
        on_their_way: Batches no stage has routed yet; there is nothing to compare with.
        next_drain: By case, what the next drain would take out of quarantine.
        waiting: Why it would not, where a reference is down.
    """

    outcome: str
    batches: int
    arrivals: int
    records: int
    moved: tuple[Moved, ...]
    cases: tuple[CaseChange, ...]
    left_out: Mapping[str, str]
    on_their_way: int
    next_drain: Mapping[str, Plan] = field(repr=False)
    waiting: Mapping[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """How many records would have gone elsewhere."""
        return sum(one.records for one in self.moved)


def simulate(
    installation: Installation,
    after: Compiled,
    *,
    before: Compiled | None = None,
    since: datetime | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Simulation:
    """Judge history by the declaration `after`, and look at what that would change.

    Args:
        installation: Where the outcome has drained.
        after: The declaration in question.
        before: What it is compared with: batches pinned to another declaration are judged by this
            one, too, so that only the difference of the two is told. None: with what happened.
        since: Only batches claimed since then; None: all of them.
        progress: Called with how many batches were looked at, and how many there are.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with installation.ledger.read() as connection:
        history = batch_history.history(connection, after.name, since)
        tally = _Tally(installation, connection, after, before)
        for done, batch in enumerate(history):
            progress(done, len(history))
            tally.look_at(batch)
        progress(len(history), len(history))
    next_drain, waiting = next_drain_of(installation, after)
    return Simulation(
        outcome=after.name,
        batches=tally.batches,
        arrivals=tally.arrivals,
        records=tally.records,
        moved=tuple(tally.moved()),
        cases=tuple(tally.case_changes()),
        left_out=tally.left_out,
        on_their_way=tally.on_their_way,
        next_drain=next_drain,
        waiting=waiting,
    )


def next_drain_of(
    installation: Installation, compiled: Compiled
) -> tuple[dict[str, Plan], dict[str, str]]:
    """What the next drain by this declaration would take out of quarantine, by case.

    The second is why nobody can say: a reference is down.
    """
    plans: dict[str, Plan] = {}
    waiting: dict[str, str] = {}
    references = References(installation)
    for case, _ in unjudged(installation, compiled, references):
        try:
            again = JudgingAgain.now(compiled, installation, references)
            with installation.ledger.read() as connection:
                rows = CaseRows.of(installation, connection, case)
            plans[str(cases.about(case))] = replayed(again, rows, case.failure_mode, nobody_asks)
        except (OpsintelError, pl.exceptions.PolarsError) as error:
            waiting[str(cases.about(case))] = str(error)
    return plans, waiting


@dataclass
class _Tally:
    """Counts what each batch would have come to; memory is that of one batch."""

    installation: Installation
    connection: Connection
    after: Compiled
    before: Compiled | None
    batches: int = 0
    arrivals: int = 0
    records: int = 0
    on_their_way: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _examples: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._references = References(self.installation)

    def look_at(self, batch: Row[Any]) -> None:
        """Judge one batch again."""
        if batch.state not in (BatchState.ROUTED, BatchState.CLOSED):
            self.on_their_way += 1
            return
        try:
            self._compare(batch)
        except ReferenceDown as error:
            self.left_out[batch.id] = str(error)
        except (OpsintelError, pl.exceptions.PolarsError) as error:
            self.left_out[batch.id] = str(error).partition("\n")[0]

    def _compare(self, batch: Row[Any]) -> None:
        members = arrivals.in_batch(self.connection, batch.id)
        raw = with_arrival(self._read(batch.id, Role.RAW), members)
        recorded = self._recorded(batch)
        standing = recorded.filter(_STANDS).select(*RECORD, pl.col(_PLACE).alias(_STANDS))
        known = recorded.select(*RECORD, _PLACE)
        if self.before is not None and self.before.fingerprint != batch.declaration:
            known = self._places(self.before, batch, raw, members, standing)
        now = self._places(self.after, batch, raw, members, standing)
        both = known.join(now.rename({_PLACE: _AFTER}), on=RECORD, how="inner")
        counts = both.group_by(_PLACE, _AFTER).len()
        self._counts.update({(old, new): count for old, new, count in counts.iter_rows()})
        self._keep_examples(raw, members, both.filter(pl.col(_PLACE) != pl.col(_AFTER)))
        self.batches += 1
        self.arrivals += len(members)
        self.records += both.height

    def _read(self, batch_id: str, *roles: Role) -> pl.DataFrame:
        files = batches.files_of(self.connection, batch_id, *roles)
        return self.installation.store.read([file.path for file in files])

    def _recorded(self, batch: Row[Any]) -> pl.DataFrame:
        """Where each row went then; `_STANDS` where no verdict over rows repeats it."""
        parts = []
        for role in (Role.ROUTED, Role.UNCHANGED, Role.QUARANTINE, Role.UNROUTED):
            files = batches.files_of(self.connection, batch.id, role)
            for file in files:
                if file.rows:
                    rows = self.installation.store.scan([file.path])
                    parts.append(rows.select(*RECORD, *_where(role)))
        if not parts:
            return pl.DataFrame(schema=_SCHEMA)
        return together(parts).collect()

    def _places(
        self,
        compiled: Compiled,
        batch: Row[Any],
        raw: pl.DataFrame,
        members: list[Row[Any]],
        standing: pl.DataFrame,
    ) -> pl.DataFrame:
        """Where each row goes by a declaration."""
        versions = batch.reference_versions
        references = {
            name: self._references.as_of(name, versions.get(name)).rows
            for name in dict.fromkeys(use.outcome for use in compiled.contract.references)
        }
        judged = judge_rows(compiled, raw, members, references, has_whole_arrivals=True)
        bad = with_causes(compiled, judged.bad.select(*RECORD, "_rules"), {})
        routed = compiled.table.route(judged.verified).select(*RECORD, "_route")
        nowhere_to_go = pl.lit(_text(QUARANTINE, compiled.failure_mode_of([UNROUTED])))
        route = pl.lit(f"{ROUTE}:") + pl.col("_route")
        good = routed.select(*RECORD, pl.coalesce(route, nowhere_to_go).alias(_PLACE))
        good = good.join(standing, on=RECORD, how="left", maintain_order="left")
        good = good.select(*RECORD, pl.coalesce(_STANDS, _PLACE).alias(_PLACE))
        held = bad.select(*RECORD, (pl.lit(f"{QUARANTINE}:") + pl.col("_cause")).alias(_PLACE))
        return pl.concat([good, held])

    def _keep_examples(
        self, raw: pl.DataFrame, members: list[Row[Any]], moved: pl.DataFrame
    ) -> None:
        names = {member.id: member.name for member in members}
        for (old, new), rows in moved.group_by(_PLACE, _AFTER, maintain_order=True):
            kept = self._examples.setdefault((str(old), str(new)), [])
            wanted = EXAMPLES - len(kept)
            if wanted > 0:
                some = raw.join(rows.head(wanted), on=RECORD, how="semi", maintain_order="left")
                kept += [
                    {
                        **row,
                        "_file": names[row["_arrival"]],
                        "_record": f"{row['_arrival']}:{row['_row']}",
                    }
                    for row in some.iter_rows(named=True)
                ]

    def moved(self) -> Iterator[Moved]:
        """What would have gone elsewhere, the most records first."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        for (old, new), count in ranked:
            if old != new:
                examples = tuple(self._examples.get((old, new), ()))
                yield Moved(_place(old), _place(new), count, examples)

    def case_changes(self) -> Iterator[CaseChange]:
        """Failure modes with more or fewer records."""
        before: Counter[str] = Counter()
        after: Counter[str] = Counter()
        for (old, new), count in self._counts.items():
            before[old] += count
            after[new] += count
        for text in sorted(before.keys() | after.keys()):
            place = _place(text)
            if place.kind == QUARANTINE and before[text] != after[text]:
                yield CaseChange(place.name, before[text], after[text])


_SCHEMA: Final = {
    "_arrival": pl.String,
    "_row": pl.Int64,
    _PLACE: pl.String,
    _STANDS: pl.Boolean,
}


def _where(role: Role) -> list[pl.Expr]:
    """The place of rows in a file of this role, and whether a verdict over rows leaves it so."""
    if role is Role.ROUTED:
        return [(pl.lit(f"{ROUTE}:") + pl.col("_route")).alias(_PLACE), _is(stands=False)]
    if role is Role.UNCHANGED:
        return [pl.lit(_text(UNCHANGED)).alias(_PLACE), _is(stands=True)]
    place = (pl.lit(f"{QUARANTINE}:") + pl.col("_cause")).alias(_PLACE)
    return [place, pl.col("_rules").list.contains(KEY_REPEAT).alias(_STANDS)]


def _is(*, stands: bool) -> pl.Expr:
    return pl.lit(stands).alias(_STANDS)


def _text(kind: str, name: str = "") -> str:
    return f"{kind}:{name}"


def _place(text: str) -> Place:
    kind, _, name = text.partition(":")
    return Place(kind, name)
