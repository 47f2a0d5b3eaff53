"""One poll of a source from outside a drain, through the breaker that all outcomes share."""

from datetime import UTC, datetime

from opsintel_dagster.errors import LedgerError, SourceDown
from opsintel_dagster.healing import classify
from opsintel_dagster.ingestion import Sighting
from opsintel_dagster.ledger import breakers
from opsintel_dagster.ledger.breakers import BreakerKind
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.dependencies import Dependency, probe_due_at
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.waking import new_arrivals
from opsintel_dagster.orchestration.work import FeedOpener


def poll(
    compiled: Compiled, installation: Installation, open_feed: FeedOpener | None = None
) -> list[Sighting]:
    """What the source offers that was not claimed yet; a source that is down is left alone.

    Raises:
        SourceDown: it cannot be reached, or could not a moment ago.
        SettingsError: its path comes from a variable that is not set.
        LedgerError: the ledger cannot be reached.
    """
    if not installation.ledger.exists():
        return new_arrivals(compiled, installation, open_feed)
    dependency = Dependency(BreakerKind.SOURCE, compiled.outcome.source.place)
    is_open = _pass(installation, dependency, compiled.name)
    try:
        found = new_arrivals(compiled, installation, open_feed)
    except SourceDown as error:
        _open(installation, compiled, dependency, error)
        raise
    if is_open:
        with installation.ledger.write() as connection:
            breakers.close(connection, dependency.name)
    return found


def _pass(installation: Installation, dependency: Dependency, by: str) -> bool:
    """Come through the breaker, as the one who probes if it is open; true if it is."""
    now = datetime.now(UTC)
    with installation.ledger.read() as connection:
        row = breakers.find(connection, dependency.name)
    if row is None:
        return False
    if breakers.lets_probe(row, now):
        with installation.ledger.write() as connection:
            if breakers.take_probe(connection, dependency.name, by, now):
                return True
    until = f" until {row.retry_at:%H:%M:%S} UTC" if row.retry_at else ""
    raise SourceDown(dependency.address, f"it is left alone{until}: {row.reason}")


def _open(
    installation: Installation, compiled: Compiled, dependency: Dependency, error: SourceDown
) -> None:
    now = datetime.now(UTC)
    failure = classify(error, compiled.outcome.healing.failures)
    try:
        with installation.ledger.write() as connection:
            before = breakers.find(connection, dependency.name)
            breakers.open_(
                connection,
                dependency.name,
                dependency.kind,
                failure_class=failure.failure_class,
                reason=failure.reason,
                retry_at=probe_due_at(before, failure, now),
                now=now,
            )
    except LedgerError:
        return  # that the source is down is said in any case
