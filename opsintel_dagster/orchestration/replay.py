"""Replays: rows whose cause is gone leave quarantine as a batch and take the one path again."""

import hashlib
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.errors import LeaseLost, LedgerError, OpsintelError, ReferenceDown
from opsintel_dagster.ledger import batches, cases, entries
from opsintel_dagster.ledger.batches import BatchKind, Role
from opsintel_dagster.ledger.cases import DECLARATION
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.orchestration import quarantine
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.judging_again import JudgingAgain, as_raw
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.store import StoredFile, together


def replay_healed(
    work: Work, waiting: MutableMapping[str, str], failures: MutableMapping[str, str]
) -> int:
    """Judge the open rows of cases again whose reference or declaration is new; replay the healed.

    Returns how many rows were taken out of quarantine. A reference that is down is noted in
    `waiting`, a quarantine file that is gone in `failures`: neither may keep what has arrived
    from being judged.

    Raises:
        LeaseLost: another drain has taken over.
        LedgerError: the ledger cannot be reached.
    """
    replayed = 0
    with work.installation.ledger.read() as connection:
        open_cases = cases.with_open_rows(connection, work.name)
    for case in open_cases:
        reference = work.compiled.replayed_when().get(case.failure_mode)
        versions = {reference: work.references.version(reference)} if reference else {}
        changed = untried(work.compiled, case.tried_version, versions)
        if not changed:
            continue
        try:
            replayed += _replay(work, case, changed)
        except (LeaseLost, LedgerError):
            raise
        except ReferenceDown as error:
            waiting[f"replay of {case.failure_mode}"] = str(error)
        except (OpsintelError, pl.exceptions.PolarsError) as error:
            failures[f"replay of {case.failure_mode}"] = str(error)
    return replayed


def untried(
    compiled: Compiled, tried: Mapping[str, str], versions: Mapping[str, str]
) -> dict[str, str]:
    """What a case's rows were not yet judged by: versions of references, the declaration."""
    current = {**versions, DECLARATION: compiled.fingerprint}
    return {name: now for name, now in current.items() if tried.get(name) != now}


def _replay(work: Work, case: Row[Any], changed: dict[str, str]) -> int:
    reached("replay.begun")
    again = JudgingAgain.now(work.compiled, work.installation, work.references)
    with work.installation.ledger.read() as connection:
        parts = quarantine.parts_of_case(work.installation, connection, case)
    healed = [again.leaving(again.judge(rows), case.failure_mode) for rows in parts]
    moving = Moving.written(work, case, healed, about=changed)
    if moving.stored:
        reached("replay.written")
    closed_by = "; ".join(_told(name, version) for name, version in changed.items())
    with work.lease.write() as connection:
        moving.register(connection, closed_by, work.actor)
        moving.resolve(connection, parts, closed_by)
        cases.tried(connection, case.id, changed)
    if moving.stored:
        reached("replay.registered")
    return moving.height


def _told(name: str, version: str) -> str:
    if name == DECLARATION:
        return f"the declaration changed (version {version[:12]})"
    return f"reference {name} changed (version {version})"


class Moving:
    """Rows on their way out of quarantine: one batch for each set of types the columns came in."""

    def __init__(
        self,
        work: Work,
        case: Row[Any],
        rows: dict[str, pl.DataFrame],
        stored: dict[str, StoredFile],
    ) -> None:
        self.work = work
        self.case = case
        self.rows = rows
        self.stored = stored

    @classmethod
    def written(
        cls, work: Work, case: Row[Any], frames: Sequence[pl.DataFrame], *, about: object
    ) -> "Moving":
        """Write the rows; they move when a transaction registers them.

        A batch is named after its rows and what moves them, so that it is made once.
        """
        rows = {}
        for frame in frames:
            if not frame.is_empty():
                named = (case.id, case.episode, about, work.compiled.fingerprint, _digest(frame))
                rows[stable_id("batch", work.name, "replay", *named)] = frame
        stored = {
            batch_id: work.write(batch_id, Role.RAW, as_raw(work.compiled, frame))
            for batch_id, frame in rows.items()
        }
        return cls(work, case, rows, stored)

    @property
    def height(self) -> int:
        """How many rows that are."""
        return sum(frame.height for frame in self.rows.values())

    def register(
        self, connection: Connection, why: str, actor: str, decision_id: str | None = None
    ) -> None:
        """Make the batches real."""
        compiled = self.work.compiled
        for batch_id, frame in self.rows.items():
            batches.pin_declaration(
                connection, compiled.name, compiled.fingerprint, compiled.pinned_routes()
            )
            batches.create(
                connection,
                compiled.name,
                batch_id,
                kind=BatchKind.REPLAY,
                declaration_id=compiled.fingerprint,
                arrivals=counted(frame),
                available_at=self.work.clock(),
                files=[self.stored[batch_id]],
                case_id=self.case.id,
                decision_id=decision_id,
            )
            reason = f"{frame.height} rows of {self.case.failure_mode}: {why}"
            entries.append(connection, compiled.name, actor, "replayed", batch_id, reason)

    def resolve(self, connection: Connection, parts: Sequence[pl.DataFrame], why: str) -> None:
        """Take them out of their case; `parts` are all its open rows."""
        if self.rows:
            take_out(self.work.compiled, connection, parts, list(self.rows.values()), why)


def take_out(
    compiled: Compiled,
    connection: Connection,
    parts: Sequence[pl.DataFrame],
    frames: Sequence[pl.DataFrame],
    why: str,
) -> None:
    """Take the rows `frames` out of their case; `parts` are all its open rows."""
    gone = together([frame.lazy() for frame in frames]).collect()
    everything = together([rows.lazy() for rows in parts]).collect()
    left = everything.join(gone, on=quarantine.ROW, how="anti", maintain_order="left")
    quarantine.resolve(compiled, connection, gone, left, why)


def counted(rows: pl.DataFrame) -> dict[str, int]:
    """How many of the rows each arrival has."""
    return dict(rows.group_by("_arrival", maintain_order=True).len().iter_rows())


def _digest(rows: pl.DataFrame) -> str:
    """Names these rows, in whatever order they are."""
    names = rows.select(pl.concat_str(quarantine.ROW, separator=":").sort()).to_series()
    return hashlib.sha256("\n".join(names.to_list()).encode()).hexdigest()
