"""Delivers to a table of a SQLite or PostgreSQL database, exactly once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Column, Connection, MetaData, RowMapping, String, Table, inspect, select

from opsintel_dagster import crashpoints
from opsintel_dagster.errors import DeliveryRefused, LeaseLost, ReceiverError, SettingsError
from opsintel_dagster.handoff.bulk import load
from opsintel_dagster.handoff.database import Database
from opsintel_dagster.handoff.receiver import (
    Confirmation,
    Delivery,
    Guarantee,
    Json,
    Receipt,
    Receiver,
)
from opsintel_dagster.handoff.tables import (
    DELIVERY,
    OWN,
    RECEIPT,
    RECORD,
    SEQUENCE,
    ensure_own_tables,
    ensure_target,
    staging_table,
    target_table,
)
from opsintel_dagster.handoff.upsert import (
    missing_rows,
    pass_fence,
    record_displaced,
    rows_of,
    upsert,
)


class DatabaseReceiver(Receiver):
    """A table that holds, for each key, the row of the newest arrival that was delivered.

    Rows, receipt and fence are written in one transaction of the receiver's database, so that there
    is nothing to be in doubt about: the receipt is there with the rows, or neither is. A drain that
    has lost its lease is stopped by the fence, a repeated delivery by the receipt, a late one by
    the sequence in the rows. The receiver's users may read the table as they like. They may delete
    rows only if it is declared `consumed`; then a row that a late delivery finds deleted is written
    again, for nothing is left that says how new it was.

    Rows need every key column: a key with a missing value is equal to nothing, itself included.
    SQLite keeps NaN as NULL, and decimals as text.
    """

    guarantee = Guarantee.EXACTLY_ONCE

    def __init__(
        self, url: str, table: str, *, root: Path, declared_at: str, consumed: bool = False
    ) -> None:
        if table.rpartition(".")[2] in OWN.tables:
            fix = "Choose another name for the table"
            raise SettingsError(f"{declared_at}.table", f"{table} is kept by opsintel", fix)
        self._database = Database(url, root, declared_at)
        self._table = table
        self._consumed = consumed

    @property
    def address(self) -> str:
        """The URL, without its password, and the table."""
        return f"{self._database.address} table {self._table}"

    @property
    def dependency(self) -> str:
        """The database: if it is down, all its tables are."""
        return self._database.address

    def deliver(self, delivery: Delivery, rows: pl.DataFrame) -> Receipt:
        """Write the rows that are newer than what is there, and the receipt, or nothing at all."""
        key = delivery.key or (RECORD,)
        self._refuse_incomplete_keys(rows, key)
        target = target_table(self._table, rows, key, self.address)
        newest = rows.sort(SEQUENCE, descending=True, maintain_order=True).unique(
            list(key), keep="first", maintain_order=True
        )
        with self._database.writing() as connection:
            ensure_own_tables(self._database, connection)
            if not pass_fence(connection, delivery.outcome, delivery.route, delivery.epoch):
                raise LeaseLost(delivery.outcome, delivery.epoch)
            if earlier := _find(connection, delivery.id):
                return earlier
            self._database.serialise(connection, self._table)
            ensure_target(self._database, connection, target, key)
            staging = staging_table("opsintel_staged", target, rows.columns)
            load(connection, staging, newest)
            displaced = upsert(connection, target, staging, key, delivery.id)
            record_displaced(connection, displaced)
            applied = rows_of(connection, target, [delivery.id]).get(delivery.id, 0)
            receipt = self._write_receipt(connection, delivery, rows.height, applied)
            crashpoints.reached("deliver.staged")
        return receipt

    def find(self, delivery: Delivery) -> Receipt | None:
        """The receipt in the receiver's database, which stands there only with the rows."""
        with self._database.reading() as connection:
            return _find(connection, delivery.id)

    def confirm(self, delivery: Delivery, receipt: Receipt, rows: pl.DataFrame) -> Confirmation:
        """See that the receipt is there and, for every row, one of its key that is as new."""
        key = delivery.key or (RECORD,)
        with self._database.reading() as connection:
            if _find(connection, delivery.id) is None:
                return Confirmation("missing", 0, "the receipt is not in the receiver's database")
            if self._consumed:
                reason = "the receipt is there; its users delete the rows they have handled"
                return Confirmation("confirmed", receipt.records, reason)
            target = target_table(self._table, rows, key, self.address)
            missing = rows.height
            if inspect(connection).has_table(target.name, schema=target.schema):
                staging = staging_table("opsintel_expected", target, [*key, SEQUENCE])
                load(connection, staging, rows.select(*key, SEQUENCE))
                missing = missing_rows(connection, target, staging, key)
        if missing:
            reason = f"{missing} of {rows.height} rows are not in table {self._table}"
            return Confirmation("missing", rows.height - missing, reason)
        return Confirmation("confirmed", rows.height, "receipt and rows are there")

    def count(self, receipts: Sequence[Receipt]) -> dict[str, int]:
        """Count rows in the table, plus those that gave way to newer ones of their key.

        Whatever is missing beyond that was taken away by somebody else, and makes the count fall.
        """
        wanted = {receipt.delivery for receipt in receipts}
        with self._database.reading() as connection:
            kept = _receipts(connection, sorted(wanted))
            counted = dict.fromkeys(wanted, 0)
            for table in {row["target"] for row in kept}:
                of_table = [row for row in kept if row["target"] == table]
                counted |= self._count_in(connection, table, of_table)
        return counted

    def check(self) -> str | None:
        """Connect, and look whether the table can be asked for its deliveries."""
        file = self._database.file
        if file and not file.exists():
            nearest = next(parent for parent in file.parents if parent.exists())
            return None if nearest.is_dir() else f"{nearest} is not a folder"
        try:
            with self._database.reading() as connection:
                connection.execute(select(1))
        except ReceiverError as error:
            return str(error)
        return None

    def _count_in(
        self, connection: Connection, table: str, receipts: list[RowMapping]
    ) -> dict[str, int]:
        if self._consumed:
            return {row["delivery"]: row["records"] for row in receipts}
        found: dict[str, int] = {}
        schema, _, name = table.rpartition(".")
        if inspect(connection).has_table(name, schema=schema or None):
            target = Table(name, MetaData(), Column(DELIVERY, String), schema=schema or None)
            found = rows_of(connection, target, [row["delivery"] for row in receipts])
        return {
            row["delivery"]: found.get(row["delivery"], 0) + row["outdated"] + row["displaced"]
            for row in receipts
        }

    def _refuse_incomplete_keys(self, rows: pl.DataFrame, key: tuple[str, ...]) -> None:
        incomplete = [column for column in key if rows[column].null_count()]
        if incomplete:
            count = max(rows[column].null_count() for column in incomplete)
            raise DeliveryRefused(
                self.address,
                f"{count} rows have no value in key column {', '.join(incomplete)}; "
                "forbid missing values in the contract, or leave the column out of the key",
            )

    def _write_receipt(
        self, connection: Connection, delivery: Delivery, records: int, applied: int
    ) -> Receipt:
        values = {
            "delivery": delivery.id,
            "outcome": delivery.outcome,
            "route": delivery.route,
            "batch": delivery.batch,
            "target": self._table,
            "records": records,
            "applied": applied,
            "outdated": records - applied,
            "displaced": 0,
            "at": datetime.now(UTC),
        }
        connection.execute(RECEIPT.insert().values(values))
        return _receipt(values)


def _receipts(connection: Connection, deliveries: list[str]) -> list[RowMapping]:
    if not inspect(connection).has_table(RECEIPT.name):
        return []
    return [
        row
        for start in range(0, len(deliveries), 500)
        for row in connection.execute(
            select(RECEIPT).where(RECEIPT.c.delivery.in_(deliveries[start : start + 500]))
        ).mappings()
    ]


def _find(connection: Connection, delivery: str) -> Receipt | None:
    rows = _receipts(connection, [delivery])
    return _receipt(rows[0]) if rows else None


def _receipt(row: RowMapping | dict[str, Any]) -> Receipt:
    at: datetime = row["at"]
    at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)  # SQLite keeps no zone
    detail: dict[str, Json] = {
        "table": row["target"],
        "applied": row["applied"],
        "outdated": row["outdated"],
        "at": at.isoformat(),
    }
    return Receipt(row["delivery"], row["records"], detail)
