"""References: what another outcome has delivered, as rules of this one may rely on it.

A reference is the current content of an outcome: the rows of its newest arrivals that were
confirmed or are unchanged, the latest of each key. It is trusted or it is down; there is no
judging by half a reference.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl
from sqlalchemy import Connection

from opsintel_dagster.errors import ReferenceDown
from opsintel_dagster.ledger import arrivals, batch_history, batches, bindings
from opsintel_dagster.ledger.batches import BatchState, Role
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.taken import scan_taken
from opsintel_dagster.outcome import NOWHERE, ReferencePolicy
from opsintel_dagster.store import together


@dataclass(frozen=True)
class Reference:
    """One version of a reference: the set of batches it is made of, and their rows."""

    outcome: str
    version: str
    rows: pl.DataFrame


@dataclass
class References:
    """Loads each reference once a drain, and says why one cannot be trusted."""

    installation: Installation
    _loaded: dict[str, Reference] = field(default_factory=dict)
    _earlier: dict[tuple[str, str], Reference] = field(default_factory=dict)

    def load(self, name: str, *, judged: str, shrink: float) -> Reference:
        """The current content of outcome `name`, to judge outcome `judged` by.

        Raises:
            ReferenceDown: it is absent, empty, past its own promise, or has lost more than the
                share `shrink` of the rows it had when it was last judged by.
        """
        with self.installation.ledger.read() as connection:
            version = self._trusted_version(connection, name)
            before = bindings.last_use(connection, judged, name)
            reference = self._loaded.get(name)
            if reference is None or reference.version != version:
                rows = current_rows(self.installation, connection, name)
                reference = self._loaded[name] = Reference(name, version, rows)
        if reference.rows.is_empty():
            raise ReferenceDown(name, "it is empty")
        if before is not None and reference.rows.height < (1 - shrink) * before.rows:
            raise ReferenceDown(
                name,
                f"it shrank from {before.rows:,} to {reference.rows.height:,} rows, "
                f"more than the {shrink:.0%} that `references.{name}.shrink` allows",
            )
        return reference

    def of_contract(self, compiled: Compiled) -> dict[str, Reference]:
        """Every reference of the contract of `compiled`, trusted.

        Raises:
            ReferenceDown: one of them is not to be trusted now.
        """
        policies = compiled.outcome.references
        names = dict.fromkeys(use.outcome for use in compiled.contract.references)
        return {
            name: self.load(
                name,
                judged=compiled.name,
                shrink=policies.get(name, ReferencePolicy()).shrink,
            )
            for name in names
        }

    def as_of(self, name: str, version: str | None) -> Reference:
        """The content of outcome `name` at an earlier version, for a look at history.

        None is the version of now, also for one that was never judged by; nothing of it has to be
        trusted, since nothing is delivered by it.

        Raises:
            ReferenceDown: it never had that version, or nothing at all.
        """
        with self.installation.ledger.read() as connection:
            known = version or batches.version(connection, name)
            until = batch_history.closed_seq(connection, name, known)
            if until is None:
                raise ReferenceDown(name, f"outcome {name} has no version `{known}`")
            if (name, known) not in self._earlier:
                rows = current_rows(self.installation, connection, name, until=until)
                self._earlier[name, known] = Reference(name, known, rows)
        return self._earlier[name, known]

    def version(self, name: str) -> str:
        """Names the content without reading it; empty while the outcome has delivered nothing."""
        with self.installation.ledger.read() as connection:
            return batches.version(connection, name)

    def _trusted_version(self, connection: Connection, name: str) -> str:
        declared = bindings.bound(connection, name)
        version = batches.version(connection, name)
        if declared is None or not version:
            raise ReferenceDown(name, f"outcome {name} has delivered nothing yet")
        within = timedelta(seconds=float(declared.facts["within_seconds"]))
        waiting = batches.outstanding(connection, name)
        now = datetime.now(UTC)
        late = [row for row in waiting if now - row.available_at > within]
        if late:
            oldest = min(row.available_at for row in late)
            raise ReferenceDown(
                name,
                f"outcome {name} is past its own promise: {len(late)} of its batches wait since "
                f"{oldest:%Y-%m-%d %H:%M} UTC",
            )
        return version


def current_rows(
    installation: Installation, connection: Connection, name: str, *, until: int | None = None
) -> pl.DataFrame:
    """What outcome `name` says now: contract columns only, one row a key if it has a key.

    `until` looks back: it is what it said when the batch of this `closed_seq` was the last.

    Rows of an arrival that a correction has superseded count only where the correction says so
    too; rows that were refused, or routed to `nowhere`, reached nobody and do not count. Of a key
    it is the row of the newest arrival, as at a table receiver: a replay brings rows of older ones
    late.
    """
    files = batches.files_of_outcome(
        connection, name, Role.ROUTED, Role.UNCHANGED, Role.REFUSED, states=(BatchState.CLOSED,)
    )
    files = [file for file in files if until is None or file.closed_seq <= until]
    frames = scan_taken(installation.store, [file for file in files if file.rows])
    if not frames:
        return pl.DataFrame()
    declared = bindings.bound(connection, name)
    replaced = arrivals.replaced(connection, name, until=until)
    rows = (
        together(frames)
        .filter(pl.col("_route") != NOWHERE, ~pl.col("_arrival").is_in(list(replaced)))
        .collect()
    )
    key = [] if declared is None else list(declared.facts["key"])
    if key:
        sequence = arrivals.sequence(connection, name)
        order = pl.col("_arrival").replace_strict(sequence, return_dtype=pl.Int64)
        rows = rows.sort(order, maintain_order=True).unique(key, keep="last", maintain_order=True)
    return rows.select(pl.exclude("^_.*$"))
