"""Records that lie in quarantine, with the file each came in."""

from collections.abc import Iterator
from typing import Any

import polars as pl
from sqlalchemy import select

from opsintel_dagster.ledger import cases
from opsintel_dagster.ledger.tables import arrival
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.quarantine import open_rows
from opsintel_dagster.settings import Settings


def open_records(
    settings: Settings, outcome: str, case_id: str, failure_mode: str, most: int
) -> Iterator[dict[str, Any]]:
    """The first open rows of a case, each with the name of its file (`_file`).

    Raises:
        StoreError: a file the ledger names is missing.
    """
    with Installation.open(settings) as installation, installation.ledger.read() as connection:
        groups = cases.open_groups(connection, outcome)
        batch_ids = {group.batch_id for group in groups if group.case_id == case_id}
        rows = open_rows(installation, connection, outcome, batch_ids=sorted(batch_ids))
        if rows.is_empty():
            return
        rows = rows.filter(pl.col("_cause") == failure_mode).head(most)
        query = select(arrival.c.id, arrival.c.name).where(
            arrival.c.id.in_(rows["_arrival"].unique().to_list())
        )
        names = {row.id: row.name for row in connection.execute(query)}
    for row in rows.iter_rows(named=True):
        yield {**row, "_file": names[row["_arrival"]]}
