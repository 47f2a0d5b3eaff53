"""Judges claimed batches: every row goes to verified, to quarantine, or is unchanged.

The stage's result is one transaction: the files it wrote, the versions of the references it
judged by, and the cases its quarantined rows belong to.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.errors import ReferenceDown
from opsintel_dagster.ledger import amendments, arrivals, batches, bindings, entries
from opsintel_dagster.ledger.batches import BatchKind, BatchState, Role
from opsintel_dagster.orchestration import attempting, corrections, keeping, quarantine
from opsintel_dagster.orchestration.amending import with_marks
from opsintel_dagster.orchestration.carrying_out import execute
from opsintel_dagster.orchestration.judging import judge_rows
from opsintel_dagster.orchestration.judging_again import accepted_in
from opsintel_dagster.orchestration.opening import Placed, open_cases, placed
from opsintel_dagster.orchestration.quarantine_report import verified_report
from opsintel_dagster.orchestration.raw import read_raw
from opsintel_dagster.orchestration.references import Reference
from opsintel_dagster.orchestration.replay import replay_healed
from opsintel_dagster.orchestration.reports import Stage, VerifiedReport
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome.names import KEY_REPEAT


@dataclass
class Tally:
    """What the report will say."""

    batches: int = 0
    received: int = 0
    verified: int = 0
    quarantined: int = 0
    unchanged: int = 0
    superseded: int = 0
    replayed: int = 0
    held: dict[str, tuple[str, ...]] = field(default_factory=dict)
    broken: Counter[str] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)
    amended: Counter[str] = field(default_factory=Counter)
    unamended: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """The rows of one batch, each in exactly one of the three."""

    verified: pl.DataFrame
    placed: Placed
    unchanged: pl.DataFrame
    warned: Mapping[str, int]
    held: Mapping[str, tuple[str, ...]]
    amended: Mapping[str, int]
    """How many of the rows that go on each amendment has changed."""
    unamended: Mapping[str, str]
    """Amendments that could not be worked out for some rows, and why."""

    @property
    def quarantined(self) -> pl.DataFrame:
        """The rows that go to quarantine."""
        return self.placed.rows


def verify(work: Work) -> VerifiedReport:
    """Judge every batch that is due; replays of healed rows are made first and judged with them.

    Raises:
        LeaseLost: another drain has taken over.
    """
    tally = Tally(unamended=dict(work.compiled.amending.unfit))
    _note_idle(work)
    versions = _versions(work)
    tally.replayed = execute(work, tally.waiting, tally.failures)
    tally.replayed += replay_healed(work, tally.waiting, tally.failures)
    for batch in work.due(BatchState.CLAIMED):

        def act(batch: Row[Any] = batch) -> None:
            _verify_batch(work, batch, versions, tally)

        try:
            attempting.attempt(work, Stage.VERIFIED, batch, act, tally.failures)
        except ReferenceDown as error:
            tally.waiting[batch.id] = str(error)
            _wait(work, batch, str(error), versions)
    return _report(work, tally)


def _verify_batch(
    work: Work, batch: Row[Any], versions_before: Mapping[str, str], tally: Tally
) -> None:
    reached("verify.begun")
    with work.installation.ledger.read() as connection:
        members = arrivals.in_batch(connection, batch.id)
    replaces = corrections.replaced_by(work, batch, members)
    if replaces and corrections.is_too_early(work, replaces):
        reason = "the arrivals it corrects are still on their way"
        tally.waiting[batch.id] = reason
        _wait(work, batch, reason, versions_before)
        return
    references = work.load_references()
    judged = _judge(work, batch, members, references)
    files = {
        Role.VERIFIED: judged.verified,
        Role.QUARANTINE: judged.quarantined,
        Role.UNCHANGED: judged.unchanged,
    }
    written = {
        role: [work.write(batch.id, role, frame)]
        for role, frame in files.items()
        if role is Role.VERIFIED or not frame.is_empty()
    }
    effective = [pair for pair in replaces if pair[0] not in judged.held]
    reached("verify.written")
    with work.lease.write() as connection:
        for role, stored in written.items():
            batches.add_files(connection, batch.id, role, stored)
        versions = {name: reference.version for name, reference in references.items()}
        batches.advance(
            connection,
            batch.id,
            BatchState.VERIFIED,
            reference_versions=versions,
            warned=dict(judged.warned),
        )
        for name, reference in references.items():
            height = reference.rows.height
            bindings.used(connection, work.name, name, reference.version, height)
        if batch.declaration != work.compiled.fingerprint:
            _repin(work, connection, batch)
        open_cases(
            work,
            connection,
            batch.id,
            judged.placed,
            values=quarantine.offending_values(work.compiled, judged.quarantined),
            versions=versions,
            declaration=work.compiled.fingerprint,
            why=lambda _: f"opened by batch {batch.id}",
        )
        tally.superseded += corrections.settle(work, connection, effective)
        reason = (
            f"{judged.verified.height} verified, {judged.quarantined.height} quarantined, "
            f"{judged.unchanged.height} unchanged"
        )
        entries.append(connection, work.name, work.actor, "verified", batch.id, reason)
        fired = keeping.numbers_of(judged.amended)
        amendments.fired(connection, work.name, fired, work.clock())
    reached("verify.registered")
    _count(batch, judged, tally)


def _judge(
    work: Work, batch: Row[Any], members: list[Row[Any]], references: dict[str, Reference]
) -> Judged:
    raw = read_raw(work, batch, members)
    rows_of = {name: reference.rows for name, reference in references.items()}
    rows = judge_rows(
        work.compiled,
        raw,
        members,
        rows_of,
        has_whole_arrivals=batch.kind == BatchKind.ARRIVALS,
    )
    bad = rows.bad
    accepted = accepted_in(raw, KEY_REPEAT)
    verified, repeated, unchanged = corrections.compare(
        work, batch, members, rows.verified, rows.held, accepted
    )
    if not repeated.is_empty():
        again = raw.join(repeated, on=["_arrival", "_row"], how="inner", maintain_order="left")
        bad = pl.concat([bad, again.select(bad.columns)], how="diagonal_relaxed")
    found = placed(work, bad, members)
    warned = rows.warned
    if not rows.is_whole or verified.height < rows.verified.height:  # not all of them went on
        warned = work.compiled.contract.verify(verified, references=rows_of).warnings()
    marks = rows.amended.marks()
    fired = Counter(rows.amended.fired(verified))
    fired.update(rows.amended.fired(unchanged))
    return Judged(
        with_marks(verified, marks),
        found,
        with_marks(unchanged, marks),
        warned,
        rows.held,
        fired,
        rows.amended.failed,
    )


def _repin(work: Work, connection: Connection, batch: Row[Any]) -> None:
    """A deployment came between claim and verdict: say by which declaration it was judged."""
    compiled = work.compiled
    batches.pin_declaration(connection, work.name, compiled.fingerprint, compiled.pinned_routes())
    batches.repin(connection, batch.id, compiled.fingerprint)
    reason = f"judged by {compiled.fingerprint}, claimed under {batch.declaration}"
    entries.append(connection, work.name, work.actor, "repinned", batch.id, reason)


def _note_idle(work: Work) -> None:
    """Let the ledger say which amendments do nothing, and why."""
    with work.installation.ledger.read() as connection:
        found = keeping.note_idle(connection, work.compiled)
    if found:
        with work.lease.write() as connection:
            for number, why in found.items():
                amendments.idle(connection, work.name, number, why)


def _versions(work: Work) -> dict[str, str]:
    """What a batch may have to wait for, as it stood before anything was judged.

    Looked up afterwards, a reference that came back in between would be waited for in vain.
    """
    names = {work.name, *(use.outcome for use in work.compiled.contract.references)}
    return {name: work.references.version(name) for name in sorted(names)}


def _wait(work: Work, batch: Row[Any], reason: str, versions: Mapping[str, str]) -> None:
    """Let the batch wait until a reference, or what this outcome has closed, changes."""
    if (batch.waits_for, batch.reference_versions) != (reason, versions):
        with work.lease.write() as connection:
            batches.wait(connection, batch.id, reason, versions)
            entries.append(connection, work.name, work.actor, "waits", batch.id, reason)


def _count(batch: Row[Any], judged: Judged, tally: Tally) -> None:
    tally.batches += 1
    if batch.kind == BatchKind.ARRIVALS:
        tally.received += batch.records
    tally.verified += judged.verified.height
    tally.quarantined += judged.quarantined.height
    tally.unchanged += judged.unchanged.height
    tally.held |= judged.held
    tally.warned.update(judged.warned)
    tally.amended.update(judged.amended)
    tally.unamended |= judged.unamended
    for group in quarantine.groups_of(judged.quarantined):
        tally.broken.update(dict.fromkeys(group.rules, group.rows))


def _report(work: Work, tally: Tally) -> VerifiedReport:
    return verified_report(
        work.installation,
        work.compiled,
        work.clock(),
        held=tally.held,
        has_new_rows=bool(tally.quarantined or tally.replayed),
        batches=tally.batches,
        received=tally.received,
        verified=tally.verified,
        quarantined=tally.quarantined,
        unchanged=tally.unchanged,
        superseded=tally.superseded,
        broken=dict(tally.broken),
        warned=dict(tally.warned),
        amended=dict(tally.amended),
        unamended=tally.unamended,
        waiting=tally.waiting,
        replayed=tally.replayed,
        failures=tally.failures,
    )
