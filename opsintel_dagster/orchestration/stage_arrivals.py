"""Claims what the source made available: reads it, names it, groups it into batches.

An arrival and its batch are registered in the one transaction that also names the file its rows
were written to. Whatever dies before that transaction has claimed nothing.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.errors import SourceDown, SourceUnreadable, SourceVanished
from opsintel_dagster.ingestion import ArrivalSource, Reading, Sighting, UpstreamFeed, open_source
from opsintel_dagster.ledger import arrivals, batches, cases, entries
from opsintel_dagster.ledger.arrivals import ArrivalState, NewArrival
from opsintel_dagster.ledger.batches import BatchKind, Role
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.feeds import OutcomeFeed
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.reports import ArrivalsReport
from opsintel_dagster.orchestration.work import FeedOpener, Work
from opsintel_dagster.outcome import FilesSource, UpstreamSource
from opsintel_dagster.store import StoredFile

READABLE = "readable"
LONGEST_SETTLE_SECONDS = 10.0
SETTLE_STEP_SECONDS = 0.25


@dataclass
class Group:
    """Arrivals that will be one batch, and the frames that were read of them."""

    news: list[NewArrival] = field(default_factory=list)
    frames: list[pl.DataFrame] = field(default_factory=list)
    parts: list[StoredFile] = field(default_factory=list)
    size: int = 0

    @property
    def rows(self) -> int:
        """Records in the group so far."""
        return sum(new.records for new in self.news)


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
    added: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)


def claim(work: Work) -> ArrivalsReport:
    """Claim every settled arrival that is not known yet.

    A source that is down is a line of the report, not an error: what was claimed before goes on.

    Raises:
        LeaseLost: another drain has taken over.
        StoreError: the store cannot be written.
    """
    tally = Tally()
    try:
        source = open_arrival_source(work.compiled, work.installation, work.open_feed)
        sightings, unsettled = _settled(work, source)
        for group in _groups(work, source, sightings, tally):
            _register(work, group, tally)
    except SourceDown as error:
        return _report(work, tally, 0, source_down=str(error))
    _settle_unreadable(work)
    return _report(work, tally, unsettled)


def open_arrival_source(
    compiled: Compiled, installation: Installation, open_feed: FeedOpener | None = None
) -> ArrivalSource:
    """The source of the outcome, ready to be polled.

    Raises:
        SettingsError: its path comes from a variable that is not set.
        SourceDown: the asset it follows is no outcome, and nobody here can ask Dagster about it.
    """
    source = compiled.outcome.source
    feed: UpstreamFeed | None = None
    if isinstance(source, UpstreamSource):
        if source.outcome is not None and source.path is None:
            feed = OutcomeFeed(installation, source.outcome)
        elif open_feed is not None:
            feed = open_feed(source)
        else:
            reason = "its materializations are known to Dagster only; drain it with Dagster"
            raise SourceDown(source.asset, reason)
    return open_source(source, root=installation.settings.root, feed=feed)


def unknown_sightings(
    compiled: Compiled, installation: Installation, source: ArrivalSource
) -> list[Sighting]:
    """What the source has that the ledger does not know, oldest first."""
    sightings = source.poll()
    with installation.ledger.read() as connection:
        names = [seen.name for seen in sightings]
        known = arrivals.known_marks(connection, compiled.name, names)
    return [seen for seen in sightings if known.get(seen.name) != (seen.size, seen.mark)]


def _settled(work: Work, source: ArrivalSource) -> tuple[list[Sighting], int]:
    """Give what is there and stands still; wait a little for what may still be written."""
    news = unknown_sightings(work.compiled, work.installation, source)
    waited = 0.0
    while waited < LONGEST_SETTLE_SECONDS and not _all_settled(work, source, news):
        time.sleep(SETTLE_STEP_SECONDS)
        waited += SETTLE_STEP_SECONDS
    if waited:  # what was written meanwhile has another mark, and another age
        news = unknown_sightings(work.compiled, work.installation, source)
    settled = [seen for seen in news if source.is_settled(seen, work.clock())]
    return settled, len(news) - len(settled)


def _all_settled(work: Work, source: ArrivalSource, news: Sequence[Sighting]) -> bool:
    return all(source.is_settled(seen, work.clock()) for seen in news)


def _groups(
    work: Work, source: ArrivalSource, sightings: Sequence[Sighting], tally: Tally
) -> Iterator[Group]:
    """Read the arrivals one after the other and group them within the limits of a batch."""
    limits = work.compiled.outcome.batch
    group = Group()
    for seen in sightings:
        is_full = (
            group.rows >= limits.max_rows
            or group.size + seen.size > limits.max_bytes
            or len(group.news) >= limits.max_files
        )
        if group.news and is_full:
            yield group
            group = Group()
        tally.seen += 1
        try:
            with source.open(seen) as reading:
                yield from _read(work, seen, reading, group, tally)
                if group.parts:  # it was too large to share a batch
                    yield group
                    group = Group()
        except SourceVanished:
            tally.seen -= 1  # it was never received
        except SourceUnreadable as error:
            tally.unreadable[seen.name] = error.reason
            group.news.append(_unreadable(work, seen, error.reason))
        except SourceDown as error:
            tally.seen -= 1
            tally.failures[seen.name] = str(error)
    if group.news:
        yield group


def _read(
    work: Work, seen: Sighting, reading: Reading, group: Group, tally: Tally
) -> Iterator[Group]:
    """Read one arrival into the group; where it is large, yield what the group held before it."""
    frames: list[pl.DataFrame] = []
    parts: list[StoredFile] = []
    placeholder = stable_id("reading", work.name, seen.name, seen.mark)
    for frame in reading.frames(work.compiled.outcome.batch.max_rows):
        if frames and not parts:
            parts.append(work.write(placeholder, Role.RAW, frames.pop()))
        if parts:
            parts.append(work.write(placeholder, Role.RAW, frame))
        else:
            frames.append(frame)
    reached("claim.read")
    if reading.changed:
        tally.seen -= 1  # it is still being written: the next poll sees it whole
        return
    new = _name(work, seen, reading, group)
    if new.state is ArrivalState.DUPLICATE:
        tally.duplicates += 1
        group.news.append(new)
        return
    tally.corrections += new.supersedes is not None
    _note_columns(work, new, reading, tally)
    if parts and group.news:
        yield Group(group.news, group.frames, [], group.size)
        group.news, group.frames, group.size = [], [], 0
    group.news.append(new)
    group.size += seen.size
    if parts:
        group.parts = parts
        return
    group.frames += [frame.select(pl.lit(new.id).alias("_arrival"), pl.all()) for frame in frames]


def _note_columns(work: Work, new: NewArrival, reading: Reading, tally: Tally) -> None:
    tally.problems.update(reading.problems)
    if new.columns:
        declared = set(work.compiled.contract.columns)
        tally.added.update(set(new.columns) - declared)
        tally.missing.update(declared - set(new.columns))


def _name(work: Work, seen: Sighting, reading: Reading, group: Group) -> NewArrival:
    """Decide what this arrival is: new, a correction, or one that is there already."""
    source = work.compiled.outcome.source
    by = source.identity if isinstance(source, FilesSource) else "name_and_content"
    corrects = isinstance(source, FilesSource) and source.same_name == "correction"
    parts = {"name_and_content": (seen.name, reading.sha256), "content": (reading.sha256,)}
    identity = stable_id("identity", *parts.get(by, (seen.name,)))
    supersedes = None
    with work.installation.ledger.read() as connection:
        head = arrivals.head_of(connection, work.name, seen.name)
        is_readable = head is not None and head.state != ArrivalState.UNREADABLE
        if head is not None and not is_readable:
            supersedes = head.id  # a file that could not be read was mended
        if corrects and head is not None and head.content == reading.sha256:
            original = head.id
        elif corrects and head is not None:
            supersedes, original = head.id, None
            identity = stable_id("identity", seen.name, reading.sha256, head.id)
        else:
            same = arrivals.by_identity(connection, work.name, identity)
            is_same = same is not None and same.state != ArrivalState.UNREADABLE
            original = same.id if same is not None and is_same else None
    for new in group.news:
        if new.identity == identity and new.state is ArrivalState.BATCHED:
            original = new.id
    is_duplicate = original is not None
    kind = ("duplicate", seen.name, seen.mark) if is_duplicate else ("arrival",)
    return NewArrival(
        id=stable_id(kind[0], work.name, identity, *kind[1:]),
        name=seen.name,
        identity=identity,
        state=ArrivalState.DUPLICATE if is_duplicate else ArrivalState.BATCHED,
        content=reading.sha256,
        size=reading.size,
        mark=seen.mark,
        records=0 if is_duplicate else reading.records,
        columns=tuple(reading.columns),
        available_at=seen.available_at,
        duplicate_of=original,
        supersedes=None if is_duplicate else supersedes,
    )


def _unreadable(work: Work, seen: Sighting, reason: str) -> NewArrival:
    identity = stable_id("identity", "unreadable", seen.name, seen.size, seen.mark)
    return NewArrival(
        id=stable_id("arrival", work.name, identity),
        name=seen.name,
        identity=identity,
        state=ArrivalState.UNREADABLE,
        content="",
        size=seen.size,
        mark=seen.mark,
        records=0,
        columns=(),
        available_at=seen.available_at,
        reason=reason,
    )


def _register(work: Work, group: Group, tally: Tally) -> None:
    """Write the group's rows, then name arrivals, batch and files in one transaction."""
    compiled = work.compiled
    batched = [new for new in group.news if new.state is ArrivalState.BATCHED]
    ids = sorted(new.id for new in batched)
    batch_id = stable_id("batch", work.name, BatchKind.ARRIVALS, ids, compiled.fingerprint)
    files = group.parts
    if batched and not files:
        raw = pl.concat(group.frames, how="diagonal_relaxed") if group.frames else _no_rows()
        files = [work.write(batch_id, Role.RAW, raw)]
    reached("claim.written")
    with work.lease.write() as connection:
        arrivals.register(connection, work.name, group.news, work.run_id)
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
                arrivals={new.id: new.records for new in batched},
                available_at=min(new.available_at for new in batched),
                files=files,
            )
            reason = f"{len(batched)} arrivals, {group.rows} records"
            entries.append(connection, work.name, work.actor, "claimed", batch_id, reason)
        for new in group.news:
            if new.state is not ArrivalState.BATCHED:
                reason = new.reason or f"same as {new.duplicate_of}"
                entries.append(connection, work.name, work.actor, new.state, new.id, reason)
    reached("claim.registered")
    tally.claimed += len(batched)
    tally.batches += bool(batched)
    tally.records += group.rows


def _no_rows() -> pl.DataFrame:
    columns = {"_arrival": pl.String, "_row": pl.Int64, "_line": pl.Int64, "_line_end": pl.Int64}
    return pl.DataFrame(schema={**columns, "_problem": pl.String, "_text": pl.String})


def _settle_unreadable(work: Work) -> None:
    """Keep the case about unreadable arrivals true: open while there are any."""
    mode = work.compiled.failure_mode_of([READABLE])
    identity = cases.case_id(work.name, mode)
    with work.installation.ledger.read() as connection:
        waiting = arrivals.unreadable(connection, work.name)
        row = cases.find(connection, identity)
    about = sorted(file.name for file in waiting)
    told = row.facts.get("unreadable", []) if row is not None else []
    if about == told:
        return
    with work.lease.write() as connection:
        owner = work.compiled.owner_of(mode)
        if cases.about_arrivals(connection, work.name, mode, owner, about):
            reason = f"unreadable: {', '.join(about)}" if about else "every file was replaced"
            entries.append(connection, work.name, work.actor, "case", identity, reason)


def _report(
    work: Work, tally: Tally, unsettled: int, source_down: str | None = None
) -> ArrivalsReport:
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
        columns_added=dict(tally.added),
        columns_missing=dict(tally.missing),
        source_down=source_down,
        failures=tally.failures,
    )
