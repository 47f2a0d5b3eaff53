"""Brings the rows of a frame into a staging table, fast and value for value."""

from contextlib import closing
from io import BytesIO
from typing import Final

import polars as pl
from sqlalchemy import Connection, Table, insert
from sqlalchemy.exc import DBAPIError

from opsintel_dagster.handoff.database import UnsendableError

CHUNK_ROWS: Final = 10_000


def load(connection: Connection, staging: Table, rows: pl.DataFrame) -> None:
    """Create the staging table and fill it, a slice at a time.

    psycopg2 copies (five times as fast as its INSERTs); every other driver inserts.
    """
    staging.create(connection)
    try:
        if connection.dialect.driver == "psycopg2":
            _copy(connection, staging, rows)
        else:
            _insert(connection, staging, rows)
    except (ValueError, OverflowError) as error:
        kind = type(error).__name__
        raise UnsendableError(f"a value cannot be sent to the database ({kind})") from None


def _insert(connection: Connection, staging: Table, rows: pl.DataFrame) -> None:
    keeps_decimals = connection.dialect.name != "sqlite"
    sendable = rows.select(
        _as_python(column, keeps_decimals=keeps_decimals) for column in rows.iter_columns()
    )
    for part in sendable.iter_slices(CHUNK_ROWS):
        connection.execute(insert(staging), part.to_dicts())


def _as_python(column: pl.Series, *, keeps_decimals: bool) -> pl.Series:
    """Values a driver takes: times in UTC, and text where SQLite knows no exact number."""
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return column.dt.convert_time_zone("UTC")
    if not keeps_decimals and (dtype.is_decimal() or dtype in {pl.UInt64, pl.Int128}):
        return column.cast(pl.String)
    return column


def _copy(connection: Connection, staging: Table, rows: pl.DataFrame) -> None:
    """COPY as CSV: an empty value is null, a quoted empty one is empty text, on both sides."""
    quoted = connection.dialect.identifier_preparer
    columns = ", ".join(quoted.quote(column) for column in rows.columns)
    # No values are bound into a COPY, so the percent signs doubled for that are single again.
    columns = columns.replace("%%", "%")
    statement = (
        f"COPY {quoted.format_table(staging)} ({columns}) FROM STDIN "
        "WITH (FORMAT csv, ENCODING 'UTF8')"
    )
    printable = rows.select(_as_text(column) for column in rows.iter_columns())
    dialect = connection.dialect
    with closing(connection.connection.cursor()) as cursor:
        for part in printable.iter_slices(CHUNK_ROWS):
            content = BytesIO()
            part.write_csv(content, include_header=False, time_format="%H:%M:%S%.6f")
            content.seek(0)
            try:
                cursor.copy_expert(statement, content)
            except dialect.loaded_dbapi.Error as error:
                # The driver is used directly here, so its errors are put in SQLAlchemy's classes.
                raise DBAPIError.instance(
                    None, None, error, dialect.loaded_dbapi.Error, True, dialect=dialect
                ) from None


def _as_text(column: pl.Series) -> pl.Series:
    """Columns as PostgreSQL reads them in CSV, where Polars would write them otherwise."""
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        column = column.dt.cast_time_unit("us")
        return column.dt.convert_time_zone("UTC") if dtype.time_zone else column
    if dtype == pl.Duration:
        return column.dt.total_microseconds().cast(pl.String) + " microseconds"
    if dtype == pl.Binary:
        return "\\x" + column.bin.encode("hex")
    return column
