"""Reads a batch's rows as they came in."""

from typing import Any

import polars as pl
from sqlalchemy import Row

from opsintel_dagster.ledger.batches import Role
from opsintel_dagster.orchestration.work import Work


def read_raw(work: Work, batch: Row[Any], members: list[Row[Any]]) -> pl.DataFrame:
    """The batch's raw rows, each with the arrival it belongs to.

    Raises:
        StoreError: a file the ledger names is missing or damaged.
    """
    raw = work.installation.store.read(work.paths(batch.id, Role.RAW))
    if "_arrival" not in raw.columns:  # one arrival, too large to share a batch
        raw = raw.with_columns(pl.lit(members[0].id).alias("_arrival"))
    return raw
