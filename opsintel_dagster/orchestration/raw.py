"""Reads a batch's rows as they came in."""

from collections.abc import Sequence
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
    return with_arrival(raw, members)


def with_arrival(raw: pl.DataFrame, members: Sequence[Row[Any]]) -> pl.DataFrame:
    """The rows, each with its arrival; those of one too large to share a batch do not say it."""
    if "_arrival" in raw.columns:
        return raw
    return raw.with_columns(pl.lit(members[0].id).alias("_arrival"))
