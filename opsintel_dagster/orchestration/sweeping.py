"""Removes what attempts that died have left in the store: files the ledger does not name."""

from datetime import timedelta

from opsintel_dagster.ledger import batches, entries
from opsintel_dagster.orchestration.work import Work

SWEEP_EVERY = timedelta(days=1)
STORE = "store"
SWEPT = "swept"


def sweep_garbage(work: Work) -> int:
    """Remove the outcome's unnamed files that are older than a day, at most once a day.

    The lease is ours, so nobody else is about to name a file; what this drain has written itself
    is younger than a day.
    """
    with work.installation.ledger.read() as connection:
        last = entries.last(connection, work.name, STORE, SWEPT)
        if last is not None and work.clock() - last < SWEEP_EVERY:
            return 0
        named = batches.named_paths(connection, work.name)
    removed = work.installation.store.sweep(work.name, named)
    with work.lease.write() as connection:
        reason = f"{removed} files of attempts that died"
        entries.append(connection, work.name, work.actor, SWEPT, STORE, reason)
    return removed
