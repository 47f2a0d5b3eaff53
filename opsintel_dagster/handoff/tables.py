"""The tables in a receiver's database: ours, the target, and the rows on their way into it."""

from hashlib import sha256
from typing import Any, Final

import polars as pl
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    Index,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Time,
    inspect,
)
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeEngine

from opsintel_dagster.errors import ReceiverUnfit
from opsintel_dagster.handoff.database import Database

RECORD: Final = "_record"
SEQUENCE: Final = "_seq"
DELIVERY: Final = "_delivery"

OWN: Final = MetaData()
"""What this package keeps in a receiver's database, beside the target."""

FENCE: Final = Table(
    "opsintel_fence",
    OWN,
    Column("outcome", String(255), primary_key=True),
    Column("route", String(255), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
)
"""The highest epoch that has delivered here; its row is also the lock that serialises."""

RECEIPT: Final = Table(
    "opsintel_receipt",
    OWN,
    Column("delivery", String(255), primary_key=True),
    Column("outcome", String(255), nullable=False),
    Column("route", String(255), nullable=False),
    Column("batch", String(255), nullable=False),
    Column("target", String(255), nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("applied", BigInteger, nullable=False),
    Column("outdated", BigInteger, nullable=False),
    Column("displaced", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
"""One row a delivery: `records` = `applied` + `outdated` (a newer row of the key was there), and
`displaced` of the applied ones have since been overwritten by later deliveries."""


def ensure_own_tables(database: Database, connection: Connection) -> None:
    """Create fence and receipts where they are missing."""
    inspector = inspect(connection)
    if not all(inspector.has_table(table.name) for table in OWN.sorted_tables):
        database.serialise(connection, "own tables")
        OWN.create_all(connection)


def target_table(name: str, frame: pl.DataFrame, key: tuple[str, ...], address: str) -> Table:
    """The target as it has to look for these rows; `name` is `table` or `schema.table`."""
    schema, _, table = name.rpartition(".")
    columns = [
        Column(
            column,
            column_type(column, dtype, address),
            nullable=column not in {*key, RECORD, SEQUENCE},
        )
        for column, dtype in frame.schema.items()
    ]
    target = Table(
        table,
        MetaData(),
        *columns,
        Column(DELIVERY, String(255), nullable=False),
        schema=schema or None,
    )
    Index(_index_name(table, "key"), *(target.c[column] for column in key), unique=True)
    Index(_index_name(table, "delivery"), target.c[DELIVERY])
    return target


def ensure_target(
    database: Database, connection: Connection, target: Table, key: tuple[str, ...]
) -> None:
    """Create the target, or see that the one there can hold the rows.

    Raises:
        ReceiverUnfit: a column is missing, or nothing keeps the key unique. An existing table
            belongs to somebody; it is never altered.
    """
    inspector = inspect(connection)
    if not inspector.has_table(target.name, schema=target.schema):
        target.create(connection)
        return
    there = {column["name"] for column in inspector.get_columns(target.name, schema=target.schema)}
    missing = [column for column in target.columns if column.name not in there]
    shown = connection.dialect.identifier_preparer.format_table(target)
    if missing:
        words = [
            str(CreateColumn(column).compile(dialect=connection.dialect)) for column in missing
        ]
        raise ReceiverUnfit(
            database.address,
            f"table {shown} has no column {', '.join(column.name for column in missing)}; run "
            + " ".join(
                f"ALTER TABLE {shown} ADD COLUMN {one.removesuffix(' NOT NULL')};" for one in words
            ),
        )
    if not _has_unique(connection, target, key):
        quoted = ", ".join(connection.dialect.identifier_preparer.quote(one) for one in key)
        raise ReceiverUnfit(
            database.address,
            f"nothing keeps the key ({', '.join(key)}) of table {shown} unique; "
            f"run CREATE UNIQUE INDEX {_index_name(target.name, 'key')} ON {shown} ({quoted});",
        )


def staging_table(name: str, target: Table, columns: list[str]) -> Table:
    """A table of this transaction alone, with the target's types for `columns`."""
    return Table(
        name,
        MetaData(),
        *(Column(column, target.c[column].type) for column in columns),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


def column_type(column: str, dtype: pl.DataType, address: str) -> TypeEngine[Any]:
    """The portable type that holds every value of a Polars type.

    Raises:
        ReceiverUnfit: nested values have no column type on every database.
    """
    found: TypeEngine[Any] | None = None
    if isinstance(dtype, pl.Decimal):
        # SQLite has no exact numbers; text keeps every digit.
        found = Numeric(dtype.precision, dtype.scale).with_variant(Text(), "sqlite")
    elif isinstance(dtype, pl.Datetime):
        found = DateTime(timezone=dtype.time_zone is not None)
    elif dtype in {pl.UInt64, pl.Int128}:
        found = Numeric(39, 0).with_variant(Text(), "sqlite")
    elif dtype.is_integer():
        found = BigInteger()
    elif dtype.is_float():
        found = Double()
    else:
        found = PLAIN_TYPES.get(dtype.base_type())
    if found is None:
        raise ReceiverUnfit(
            address,
            f"column {column} is {dtype}, which no column of a table holds; "
            "hand it over as text or split it up in the contract",
        )
    return found


PLAIN_TYPES: Final[dict[object, TypeEngine[Any]]] = {
    pl.String: Text(),
    pl.Categorical: Text(),
    pl.Enum: Text(),
    pl.Null: Text(),
    pl.Boolean: Boolean(),
    pl.Date: Date(),
    pl.Time: Time(),
    pl.Duration: Interval(),
    pl.Binary: LargeBinary(),
}


def _has_unique(connection: Connection, target: Table, key: tuple[str, ...]) -> bool:
    inspector = inspect(connection)
    name, schema = target.name, target.schema
    candidates: list[set[str | None]] = [
        {*inspector.get_pk_constraint(name, schema)["constrained_columns"]}
    ]
    candidates += [{*one["column_names"]} for one in inspector.get_unique_constraints(name, schema)]
    candidates += [
        {*one["column_names"]}
        for one in inspector.get_indexes(name, schema)
        if one["unique"] and not _is_partial(one.get("dialect_options", {}))
    ]
    return {*key} in candidates


def _is_partial(options: dict[str, object]) -> bool:
    """Whether an index covers only some rows, so that an upsert cannot rely on it."""
    return any(name.endswith("_where") for name in options)


def _index_name(table: str, purpose: str) -> str:
    """Unique in its schema, and within the 63 characters PostgreSQL allows."""
    if len(table) > 50:
        table = f"{table[:40]}_{sha256(table.encode()).hexdigest()[:8]}"
    return f"ix_{table}_{purpose}"
