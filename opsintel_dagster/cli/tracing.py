"""One record's way, put together from the ledger and the files it names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Row, select

from opsintel_dagster.cli.searching import Found
from opsintel_dagster.healing.bisection import rows_of
from opsintel_dagster.ledger import amendments, arrivals, batches, deliveries
from opsintel_dagster.ledger.arrivals import ArrivalState
from opsintel_dagster.ledger.batches import BatchKind, BatchState, Role
from opsintel_dagster.ledger.deliveries import DeliveryState
from opsintel_dagster.ledger.tables import arrival, batch, entry
from opsintel_dagster.outcome.names import NOWHERE
from opsintel_dagster.store import Store

_JUDGED: Final = (
    Role.VERIFIED,
    Role.QUARANTINE,
    Role.UNCHANGED,
    Role.ROUTED,
    Role.UNROUTED,
    Role.REFUSED,
)


@dataclass(frozen=True, kw_only=True)
class Handover:
    """The delivery that carried the record to its receiver."""

    id: str
    route: str
    state: str
    guarantee: str
    attempts: int
    records: int
    intent_at: datetime
    receipt_at: datetime | None
    confirmed_at: datetime | None
    run_id: str | None
    reason: str | None
    receipt: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What one batch did with the record.

    `verdict` is `kept`, `quarantined`, `unrouted`, `unchanged` or `discarded`; None while the
    batch waits to be judged, `obstacle` says why. A replay tells in `replayed` which rows it is
    about, and why; `amended` are values that were changed before the verdict, before and after,
    `amended_by` what changed them, `accepted` the rules in spite of which somebody let the record
    go on.
    """

    batch: str
    kind: str
    state: str
    claimed_at: datetime
    declaration: str
    replayed: str | None = None
    amended: Mapping[str, tuple[Any, Any]] = field(default_factory=dict, repr=False)
    amended_by: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    verdict: str | None = None
    verified_at: datetime | None = None
    rules: tuple[str, ...] = ()
    failure_mode: str | None = None
    route: str | None = None
    route_rule: str | None = None
    routed_at: datetime | None = None
    delivery: Handover | None = None
    closed_at: datetime | None = None
    obstacle: str | None = None


@dataclass(frozen=True, kw_only=True)
class Way:
    """One record, from the file that brought it to the place where it is now.

    `place` is a term of the conservation law: `delivered`, `no_action`, `discarded`, `unchanged`,
    `superseded`, `open` or `in_flight`. `is_certain` is false for a line that could not be read
    and has the key's values somewhere in it.
    """

    record: str
    file: str
    line: int | None
    line_end: int | None
    arrival: str
    available_at: datetime
    claimed_at: datetime
    is_late: bool
    run_id: str | None
    superseded_by: str | None
    is_certain: bool
    raw: Mapping[str, Any] = field(repr=False)
    passages: tuple[Passage, ...]
    place: str


@dataclass(frozen=True)
class Tracer:
    """Follows records of one outcome, in one snapshot of the ledger."""

    store: Store
    connection: Connection
    outcome: str

    def follow(self, found: Found) -> Way:
        """The record's way through every batch that carried it."""
        query = select(arrival).where(arrival.c.id == found.arrival)
        origin = self.connection.execute(query).one()
        passages = tuple(
            passage
            for batch_id in arrivals.batches_of(self.connection, [found.arrival])
            if (passage := self._passage(batch_id, found)) is not None
        )
        return Way(
            record=f"{found.arrival}:{found.row}",
            file=origin.name,
            line=found.raw.get("_line"),
            line_end=found.raw.get("_line_end"),
            arrival=origin.id,
            available_at=origin.available_at,
            claimed_at=origin.claimed_at,
            is_late=origin.is_late,
            run_id=origin.run_id,
            superseded_by=self._name_of(origin.superseded_by),
            is_certain=found.is_certain,
            raw=found.raw,
            passages=passages,
            place=_place(origin, passages),
        )

    def _passage(self, batch_id: str, found: Found) -> Passage | None:
        row = self.connection.execute(select(batch).where(batch.c.id == batch_id)).one()
        moved: Mapping[str, Any] | None = {}
        if row.kind != BatchKind.ARRIVALS:
            role = Role.RAW if row.kind == BatchKind.REPLAY else Role.DISCARDED
            moved = self._row_in(batch_id, role, found)
        if moved is None:
            return None
        rows = {role: self._row_in(batch_id, role, found) for role in _JUDGED}
        times = self._times(batch_id)
        bad = rows[Role.QUARANTINE] or rows[Role.UNROUTED] or rows[Role.REFUSED]
        routed = rows[Role.ROUTED] or rows[Role.UNCHANGED] or {}
        judged = rows[Role.VERIFIED] or rows[Role.UNCHANGED] or {}
        amended, amended_by = self._amended(found, moved, judged)
        return Passage(
            batch=batch_id,
            kind=row.kind,
            state=row.state,
            claimed_at=row.claimed_at,
            declaration=row.declaration,
            replayed=next(
                (times[kind].reason for kind in ("replayed", "discarded") if kind in times), None
            ),
            amended=amended,
            amended_by=amended_by,
            accepted=tuple(moved.get("_accepted") or ()),
            verdict="discarded" if row.kind == BatchKind.DISCARD else _verdict(rows),
            verified_at=times["verified"].at if "verified" in times else None,
            rules=tuple(bad["_rules"]) if bad else (),
            failure_mode=bad["_cause"] if bad else None,
            route=routed.get("_route"),
            route_rule=routed.get("_route_rule"),
            routed_at=times["routed"].at if rows[Role.ROUTED] and "routed" in times else None,
            delivery=self._delivery(batch_id, rows[Role.ROUTED]),
            closed_at=row.closed_at,
            obstacle=row.failure or row.waits_for,
        )

    def _amended(
        self, found: Found, moved: Mapping[str, Any], judged: Mapping[str, Any]
    ) -> tuple[dict[str, tuple[Any, Any]], dict[str, str]]:
        """Values before and after, by column, and what changed them."""
        values = {
            name: (found.raw.get(name), moved.get(name)) for name in moved.get("_amended") or ()
        }
        by: dict[str, str] = {}
        for change in judged.get("_amended_by") or ():
            name = change["column"]
            called = "" if change["source"] == name else f" (called {change['source']})"
            who = self._who(change["by"]) + called
            by[name] = f"{by[name]}; by {who}" if name in by else who
            if name not in values:
                before = moved.get(change["source"], found.raw.get(change["source"]))
                values[name] = (before, judged.get(name))
        return values, by

    def _who(self, label: str) -> str:
        """An amendment, with who kept it."""
        number = label.removeprefix("amendment ")
        if not number.isdecimal():
            return label
        row = amendments.find(self.connection, self.outcome, int(number))
        return label if row is None else f"{label}, kept by {row.actor}"

    def _row_in(self, batch_id: str, role: Role, found: Found) -> dict[str, Any] | None:
        for file in batches.files_of(self.connection, batch_id, role):
            if file.rows:
                rows = self.store.scan([file.path])
                is_mine = (pl.col("_arrival") == found.arrival) & (pl.col("_row") == found.row)
                mine = rows.filter(is_mine).collect()
                if not mine.is_empty():
                    return mine.row(0, named=True)
        return None

    def _delivery(self, batch_id: str, routed: Mapping[str, Any] | None) -> Handover | None:
        if routed is None:
            return None
        known = deliveries.of_batch(self.connection, batch_id)
        sent = {part: row for (route, part), row in known.items() if route == routed["_route"]}
        row = sent.get("")
        if row is None:
            return None
        if len(sent) > 1:
            row = sent[self._part_of(batch_id, routed, sent)]
        return Handover(
            id=row.id,
            route=row.route,
            state=row.state,
            guarantee=row.guarantee,
            attempts=row.attempts,
            records=row.records,
            intent_at=row.intent_at,
            receipt_at=row.receipt_at,
            confirmed_at=row.confirmed_at,
            run_id=row.run_id,
            reason=row.reason,
            receipt=row.receipt,
        )

    def _part_of(
        self, batch_id: str, routed: Mapping[str, Any], sent: Mapping[str, Row[Any]]
    ) -> str:
        """The smallest of the deliveries a refused one was divided into that has the record."""
        files = batches.files_of(self.connection, batch_id, Role.ROUTED)
        rows = self.store.scan(
            [file.path for file in files], columns=["_arrival", "_row", "_route"]
        )
        mine = rows.filter(pl.col("_route") == routed["_route"]).collect()
        is_it = (mine["_arrival"] == routed["_arrival"]) & (mine["_row"] == routed["_row"])
        place = is_it.arg_max() or 0

        def has_it(part: str) -> bool:
            start, count = rows_of(part, mine.height)
            return start <= place < start + count

        return max((part for part in sent if has_it(part)), key=len)

    def _times(self, batch_id: str) -> dict[str, Row[Any]]:
        """The newest entry of each kind about the batch."""
        query = select(entry).where(entry.c.outcome == self.outcome, entry.c.subject == batch_id)
        return {row.kind: row for row in self.connection.execute(query.order_by(entry.c.id))}

    def _name_of(self, identity: str | None) -> str | None:
        query = select(arrival.c.name).where(arrival.c.id == identity)
        return self.connection.execute(query).scalar() if identity else None


def _verdict(rows: Mapping[Role, object]) -> str | None:
    verdicts = {
        Role.REFUSED: "refused",
        Role.UNROUTED: "unrouted",
        Role.QUARANTINE: "quarantined",
        Role.UNCHANGED: "unchanged",
        Role.VERIFIED: "kept",
    }
    return next((verdict for role, verdict in verdicts.items() if rows[role]), None)


def _place(origin: Row[Any], passages: tuple[Passage, ...]) -> str:
    last = passages[-1] if passages else None
    if last is None or last.verdict is None:
        return "in_flight"
    if last.verdict in ("quarantined", "unrouted", "refused"):
        return "superseded" if origin.state == ArrivalState.SUPERSEDED else "open"
    if last.verdict in ("unchanged", "discarded"):
        return last.verdict
    if last.state != BatchState.CLOSED:
        return "in_flight"
    if last.route == NOWHERE:
        return "no_action"
    is_confirmed = last.delivery is not None and last.delivery.state == DeliveryState.CONFIRMED
    return "delivered" if is_confirmed else "in_flight"
