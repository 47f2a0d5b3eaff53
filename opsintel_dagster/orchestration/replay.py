"""Replays: rows whose cause is gone leave quarantine as a batch and take the one path again."""

import hashlib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import Connection, Row

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.errors import LeaseLost, LedgerError, OpsintelError, ReferenceDown
from opsintel_dagster.ledger import batches, cases, entries
from opsintel_dagster.ledger.batches import BatchKind, Role
from opsintel_dagster.ledger.cases import DECLARATION
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.orchestration.case_rows import CaseRows
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.judging_again import JudgingAgain, as_raw
from opsintel_dagster.orchestration.leaving import Leaving
from opsintel_dagster.orchestration.quarantine import ROW
from opsintel_dagster.orchestration.references import References
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.store import StoredFile


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
    for case, changed in unjudged(work.installation, work.compiled, work.references):
        try:
            replayed += _replay(work, case, changed)
        except (LeaseLost, LedgerError):
            raise
        except ReferenceDown as error:
            waiting[f"replay of {cases.about(case)}"] = str(error)
        except (OpsintelError, pl.exceptions.PolarsError) as error:
            failures[f"replay of {cases.about(case)}"] = str(error)
    return replayed


def unjudged(
    installation: Installation, compiled: Compiled, references: References
) -> list[tuple[Row[Any], dict[str, str]]]:
    """Open cases with rows that are to be judged again, each with what is new."""
    with installation.ledger.read() as connection:
        open_cases = cases.with_open_rows(connection, compiled.name)
    found = []
    for case in open_cases:
        reference = compiled.replayed_when().get(case.failure_mode)
        versions = {reference: references.version(reference)} if reference else {}
        changed = untried(compiled, case.tried_version, versions)
        if changed:
            found.append((case, changed))
    return found


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
        rows = CaseRows.of(work.installation, connection, case)
    if rows.is_held:
        again = again.over(rows)
    moving, leaving = Moving(work, case, changed), Leaving(work.compiled, case)
    for part in rows:
        healed = again.leaving(again.judge(part), case.failure_mode)
        moving.add(healed)
        leaving.add(part, healed)
    if moving.batches:
        reached("replay.written")
    closed_by = "; ".join(_told(name, version) for name, version in changed.items())
    with work.lease.write() as connection:
        moving.register(connection, closed_by, work.actor)
        leaving.resolve(connection, closed_by)
        cases.tried(connection, case.id, changed)
    if moving.batches:
        reached("replay.registered")
    return moving.height


def _told(name: str, version: str) -> str:
    if name == DECLARATION:
        return f"the declaration or its amendments changed (version {version[:12]})"
    return f"reference {name} changed (version {version})"


@dataclass
class Moving:
    """Rows on their way out of quarantine, part by part: each is written, counted and forgotten."""

    work: Work
    case: Row[Any]
    about: object
    batches: dict[str, tuple[StoredFile, Mapping[str, int]]] = field(default_factory=dict)
    """The file of each batch, and how many rows it has of each arrival."""

    def add(self, rows: pl.DataFrame) -> None:
        """Write rows of one part; they move when a transaction registers them.

        A batch is named after its rows and what moves them, so that it is made once.
        """
        if rows.is_empty():
            return
        work, case = self.work, self.case
        named = (case.id, case.episode, self.about, work.compiled.fingerprint, _digest(rows))
        batch_id = stable_id("batch", work.name, "replay", *named)
        stored = work.write(batch_id, Role.RAW, as_raw(work.compiled, rows))
        self.batches[batch_id] = stored, counted(rows)

    @property
    def height(self) -> int:
        """How many rows that are."""
        return sum(stored.rows for stored, _ in self.batches.values())

    def register(
        self, connection: Connection, why: str, actor: str, decision_id: str | None = None
    ) -> None:
        """Make the batches real."""
        compiled = self.work.compiled
        for batch_id, (stored, of_arrivals) in self.batches.items():
            batches.pin_declaration(
                connection, compiled.name, compiled.fingerprint, compiled.pinned_routes()
            )
            batches.create(
                connection,
                compiled.name,
                batch_id,
                kind=BatchKind.REPLAY,
                declaration_id=compiled.fingerprint,
                arrivals=of_arrivals,
                available_at=self.work.clock(),
                files=[stored],
                case_id=self.case.id,
                decision_id=decision_id,
            )
            reason = f"{stored.rows} rows of {cases.about(self.case)}: {why}"
            entries.append(connection, compiled.name, actor, "replayed", batch_id, reason)


def counted(rows: pl.DataFrame) -> dict[str, int]:
    """How many of the rows each arrival has."""
    return dict(rows.group_by("_arrival", maintain_order=True).len().iter_rows())


def _digest(rows: pl.DataFrame) -> str:
    """Names these rows, in whatever order they are."""
    names = rows.select(pl.concat_str(ROW, separator=":").sort()).to_series()
    return hashlib.sha256("\n".join(names.to_list()).encode()).hexdigest()
