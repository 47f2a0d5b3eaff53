"""The figures of an outcome, each read from where it is the truth: ledger, store and receivers."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from opsintel_dagster.handoff import Receipt
from opsintel_dagster.ledger import batches, deliveries
from opsintel_dagster.ledger.tables import arrival, case, case_rows, touch
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.conservation import count_places
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.receivers import open_route
from opsintel_dagster.orchestration.reports import Conservation


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Records that came in wrong in one way.

    `records` counts all that ever did, `open` those that wait in quarantine now, None for a
    warning; `minutes` is what the human step of the failure mode would have taken for all of
    them, None where none is declared.
    """

    failure_mode: str
    records: int
    open: int | None
    minutes: float | None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What became of everything one outcome received.

    `delivered` is what the receivers say they hold, by route; `late_arrivals` are the names of
    files whose records reached their place after the deadline.
    """

    outcome: str
    promise: str
    within_seconds: float
    arrivals: int
    late_arrivals: tuple[str, ...]
    received: int
    delivered: Mapping[str, int]
    no_action: int
    quarantined: tuple[Trouble, ...]
    warned: tuple[Trouble, ...]
    touches: int
    conservation: Conservation

    @property
    def minutes(self) -> float:
        """What people would have spent on everything that came in wrong."""
        return sum(one.minutes or 0.0 for one in (*self.quarantined, *self.warned))


def figures_of(installation: Installation, compiled: Compiled) -> Figures:
    """Count everything about an outcome, in one snapshot of the ledger.

    Raises:
        LedgerError: the ledger cannot be reached.
        ReceiverError: a receiver cannot be asked.
    """
    name = compiled.name

    with installation.ledger.read() as connection:
        law = count_places(installation, connection, compiled)
        receipts = _receipts(connection, name)
        return Figures(
            outcome=name,
            promise=compiled.outcome.promise,
            within_seconds=compiled.outcome.within.total_seconds(),
            arrivals=law.arrivals_seen,
            late_arrivals=_late_arrivals(connection, name),
            received=law.received,
            delivered={
                route: sum(
                    open_route(installation, compiled, route)
                    .count(receipts.get(route, ()))
                    .values()
                )
                for route in compiled.outcome.handoff
            },
            no_action=law.no_action,
            quarantined=_quarantined(connection, compiled),
            warned=_warned(connection, compiled),
            touches=_touches(connection, name),
            conservation=law,
        )


def _receipts(connection: Connection, outcome: str) -> dict[str, list[Receipt]]:
    found: dict[str, list[Receipt]] = defaultdict(list)
    for row in deliveries.of_closed_batches(connection, outcome):
        found[row.route].append(Receipt(row.id, row.receipt["records"], row.receipt["detail"]))
    return found


def _late_arrivals(connection: Connection, outcome: str) -> tuple[str, ...]:
    query = (
        select(arrival.c.name)
        .where(arrival.c.outcome == outcome, arrival.c.is_late.is_(True))
        .order_by(arrival.c.seq)
    )
    return tuple(connection.execute(query).scalars())


def _quarantined(connection: Connection, compiled: Compiled) -> tuple[Trouble, ...]:
    records = func.sum(case_rows.c.rows)
    query = (
        select(case.c.failure_mode, records, func.sum(case_rows.c.resolved))
        .join(case_rows, case_rows.c.case_id == case.c.id)
        .where(case.c.outcome == compiled.name)
        .group_by(case.c.failure_mode)
        .order_by(records.desc(), case.c.failure_mode)
    )
    return tuple(
        _trouble(compiled, mode, int(rows), int(rows) - int(resolved))
        for mode, rows, resolved in connection.execute(query)
    )


def _warned(connection: Connection, compiled: Compiled) -> tuple[Trouble, ...]:
    counts: Counter[str] = Counter()
    for rule, records in batches.warned(connection, compiled.name).items():
        counts[compiled.failure_mode_of([rule])] += records
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(_trouble(compiled, mode, records, None) for mode, records in ordered)


def _trouble(
    compiled: Compiled, failure_mode: str, records: int, still_open: int | None
) -> Trouble:
    steps = {mode.name: mode.human_step for mode in compiled.outcome.failure_modes}
    step = steps.get(failure_mode)
    minutes = None if step is None else step.minutes * records
    return Trouble(failure_mode=failure_mode, records=records, open=still_open, minutes=minutes)


def _touches(connection: Connection, outcome: str) -> int:
    query = select(func.count()).where(touch.c.outcome == outcome)
    return int(connection.execute(query).scalar_one())
