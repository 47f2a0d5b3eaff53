"""Claims what the source made available: reads it, names it, groups it into batches.

An arrival and its batch are registered in the one transaction that also names the file its rows
were written to. Whatever dies before that transaction has claimed nothing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.errors import SourceDown, SourceUnreadable, SourceVanished
from opsintel_dagster.ingestion import ArrivalSource, Sighting
from opsintel_dagster.ledger import arrivals, batches, case_things, cases, entries
from opsintel_dagster.ledger.arrivals import ArrivalState, NewArrival
from opsintel_dagster.ledger.batches import BatchKind, Role
from opsintel_dagster.ledger.breakers import BreakerKind
from opsintel_dagster.ledger.cases import About
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.orchestration.dependencies import Dependency
from opsintel_dagster.orchestration.downstream import downstream_of
from opsintel_dagster.orchestration.intake import open_arrival_source, settled_sightings
from opsintel_dagster.orchestration.naming import name_arrival, unreadable_arrival
from opsintel_dagster.orchestration.reading_arrivals import ReadArrival, read_arrival
from opsintel_dagster.orchestration.reports import ArrivalsReport, ArrivalSymptoms
from opsintel_dagster.orchestration.symptoms import History, to_json
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.store import StoredFile

READABLE = "readable"


@dataclass
class Group:
    """Arrivals that will be registered together, and batched if there is anything in them."""

    read: list[ReadArrival] = field(default_factory=list)
    unreadable: list[tuple[Sighting, str]] = field(default_factory=list)
    dtypes: dict[str, pl.DataType] = field(default_factory=dict)

    def is_full(self, work: Work, seen: Sighting) -> bool:
        """Whether the limits of a batch leave no room for this arrival."""
        limits = work.compiled.outcome.batch
        return (
            sum(one.records for one in self.read) >= limits.max_rows
            or sum(one.size for one in self.read) + seen.size > limits.max_bytes
            or len(self.read) + len(self.unreadable) >= limits.max_files
        )

    def takes(self, one: ReadArrival) -> bool:
        """Whether its rows can lie in one file with the others without changing a value."""
        if not self.read:
            return True
        is_large = bool(one.parts or self.read[-1].parts)
        schemas = [frame.schema for frame in one.frames]
        return not is_large and all(
            self.dtypes.get(name, dtype) == dtype
            for schema in schemas
            for name, dtype in schema.items()
        )

    def add(self, one: ReadArrival) -> None:
        """Put an arrival that `takes` has let in."""
        self.read.append(one)
        for frame in one.frames:
            self.dtypes.update(frame.schema)


@dataclass
class Tally:
    """What the report will say."""

    seen: int = 0
    claimed: int = 0
    corrections: int = 0
    duplicates: int = 0
    batches: int = 0
    records: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    problems: Counter[str] = field(default_factory=Counter)
    symptoms: list[ArrivalSymptoms] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def claim(work: Work) -> ArrivalsReport:
    """Claim every settled arrival that is not known yet.

    A source that is down is a line of the report, not an error: what was claimed before goes on.

    Raises:
        LeaseLost: another drain has taken over.
        StoreError: the store cannot be written.
    """
    tally = Tally()
    unsettled, source_down = 0, None
    dependency = Dependency(BreakerKind.SOURCE, work.compiled.outcome.source.place)
    if work.stopped is not None:
        return ArrivalsReport(outcome=work.name)
    if not work.breakers.passes(dependency):
        row = work.breakers.opened[dependency.name]
        left_alone = f"{row.reason}; it is left alone until {row.retry_at:%H:%M:%S} UTC"
        return ArrivalsReport(outcome=work.name, source_down=left_alone)
    try:
        source = open_arrival_source(work.compiled, work.installation, work.open_feed)
        sightings, unsettled = settled_sightings(work, source)
        work.breakers.is_back(dependency)
        history: History | None = None
        for group in _groups(work, source, sightings, tally):
            history = history or History.load(work)
            _register(work, group, history, tally)
    except SourceDown as error:
        source_down = str(error)
        work.breakers.is_down(dependency, work.classify(error))
    _settle_unreadable(work)
    downstream = None
    if any(one.held or one.drifts for one in tally.symptoms):
        with work.installation.ledger.read() as connection:
            downstream = downstream_of(connection, work.name)
    return ArrivalsReport(
        outcome=work.name,
        seen=tally.seen,
        claimed=tally.claimed,
        corrections=tally.corrections,
        duplicates=tally.duplicates,
        unreadable=tally.unreadable,
        unsettled=unsettled,
        batches=tally.batches,
        records=tally.records,
        problems=dict(tally.problems),
        symptoms=tuple(tally.symptoms),
        source_down=source_down,
        failures=tally.failures,
        downstream=downstream,
    )


def _groups(
    work: Work, source: ArrivalSource, sightings: Sequence[Sighting], tally: Tally
) -> Iterator[Group]:
    """Read the arrivals one after the other and group them within the limits of a batch."""
    group = Group()
    for seen in sightings:
        if (group.read or group.unreadable) and group.is_full(work, seen):
            yield group
            group = Group()
        try:
            one = read_arrival(work, source, seen)
        except SourceVanished:
            continue
        except SourceUnreadable as error:
            group.unreadable.append((seen, error.reason))
            continue
        except SourceDown as error:
            tally.failures[seen.name] = error.reason
            continue
        reached("claim.read")
        if one is None:
            continue
        if not group.takes(one):
            yield group
            group = Group()
        group.add(one)
    if group.read or group.unreadable:
        yield group


def _register(work: Work, group: Group, history: History, tally: Tally) -> None:
    """Write the group's rows, then name arrivals, batch and files in one transaction."""
    compiled = work.compiled
    news: list[NewArrival] = []
    with work.installation.ledger.read() as connection:
        for one in group.read:
            news.append(name_arrival(connection, compiled.outcome, one, news))
        unreadable = [
            unreadable_arrival(connection, work.name, seen, reason)
            for seen, reason in group.unreadable
        ]
    symptoms = []
    for at, (new, one) in enumerate(zip(news, group.read, strict=True)):
        if new.state is ArrivalState.BATCHED:
            symptoms.append(history.judge(new, one))
            profile = one.profile.to_json()
            news[at] = replace(new, profile=profile, symptoms=to_json(symptoms[-1]))
    batched = {
        new.id: one
        for new, one in zip(news, group.read, strict=True)
        if new.state is ArrivalState.BATCHED
    }
    batch_id = stable_id(
        "batch", work.name, BatchKind.ARRIVALS, sorted(batched), compiled.fingerprint
    )
    files = _write_rows(work, batch_id, batched)
    reached("claim.written")
    everything = [*news, *unreadable]
    with work.lease.write() as connection:
        arrivals.register(connection, work.name, everything, work.run_id)
        if batched:
            batches.pin_declaration(
                connection, work.name, compiled.fingerprint, compiled.pinned_routes()
            )
            batches.create(
                connection,
                work.name,
                batch_id,
                kind=BatchKind.ARRIVALS,
                declaration_id=compiled.fingerprint,
                arrivals={arrival: one.records for arrival, one in batched.items()},
                available_at=min(one.seen.available_at for one in batched.values()),
                files=files,
            )
            reason = f"{len(batched)} arrivals"
            entries.append(connection, work.name, work.actor, "claimed", batch_id, reason)
        for new in everything:
            if new.state is not ArrivalState.BATCHED:
                reason = new.reason or f"same as {new.duplicate_of}"
                entries.append(connection, work.name, work.actor, new.state, new.id, reason)
    reached("claim.registered")
    _count(everything, batched, tally)
    tally.symptoms += symptoms


def _write_rows(work: Work, batch_id: str, batched: dict[str, ReadArrival]) -> Sequence[StoredFile]:
    """One file with the rows of all arrivals; those of a large one are written already."""
    if not batched:
        return ()
    frames = [
        frame.select(pl.lit(arrival).alias("_arrival"), pl.all())
        for arrival, one in batched.items()
        for frame in one.frames
    ]
    if not frames:
        return next(iter(batched.values())).parts
    return [work.write(batch_id, Role.RAW, pl.concat(frames, how="diagonal"))]


def _count(news: Sequence[NewArrival], batched: dict[str, ReadArrival], tally: Tally) -> None:
    states = Counter(new.state for new in news)
    tally.seen += len(news)
    tally.claimed += len(batched)
    tally.batches += bool(batched)
    tally.duplicates += states[ArrivalState.DUPLICATE]
    tally.corrections += sum(
        new.supersedes is not None for new in news if new.state is ArrivalState.BATCHED
    )
    for one in batched.values():
        tally.records += one.records
        tally.problems.update(one.problems)
    tally.unreadable |= {
        new.name: new.reason or "" for new in news if new.state is ArrivalState.UNREADABLE
    }


def _settle_unreadable(work: Work) -> None:
    """Keep the case about unreadable arrivals true: open while there are any."""
    subject = work.compiled.about(READABLE)
    identity = cases.case_id(work.name, *subject)
    with work.installation.ledger.read() as connection:
        waiting = arrivals.unreadable(connection, work.name)
        row = cases.find(connection, identity)
        before = cases.find(connection, cases.case_id(work.name, subject.failure_mode))
    about = sorted(file.name for file in waiting)
    told = row.facts.get("unreadable", []) if row is not None else []
    # A case from before there were causes asks about files no longer.
    is_moved = bool(subject.cause and before is not None and before.facts.get("unreadable"))
    if about == told and not is_moved:
        return
    with work.lease.write() as connection:
        owner = work.compiled.owner_of(subject.failure_mode)
        if is_moved:
            whole = About(subject.failure_mode)
            reason = f"{cases.name_of(work.name, *subject)} asks about its files now"
            if case_things.about_arrivals(connection, work.name, whole, owner, [], reason):
                name = cases.case_id(work.name, *whole)
                entries.append(connection, work.name, work.actor, "case", name, reason)
        if case_things.about_arrivals(connection, work.name, subject, owner, about):
            reason = f"unreadable: {', '.join(about)}" if about else "every file was replaced"
            entries.append(connection, work.name, work.actor, "case", identity, reason)
