"""Routed rows as far as somebody took them: without those that a receiver refused.

The routed file of a batch is frozen before the first delivery, so it still holds what was refused;
that lies in quarantine, and has neither been delivered nor said by anybody.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import polars as pl
from sqlalchemy import Row

from opsintel_dagster.ledger.batches import Role
from opsintel_dagster.store import Store

_RECORD: Final = ["_arrival", "_row"]


def scan_taken(store: Store, files: Sequence[Row[Any]]) -> list[pl.LazyFrame]:
    """One frame of each file, without what the `refused` files among them hold of its batch.

    A record that is refused in one batch may be delivered by another.
    """
    refused: dict[str, list[str]] = defaultdict(list)
    for file in files:
        if file.role == Role.REFUSED:
            refused[file.batch_id].append(file.path)
    frames = []
    for file in files:
        if file.role == Role.REFUSED:
            continue
        rows = store.scan([file.path])
        if file.role == Role.ROUTED and file.batch_id in refused:
            gone = store.scan(refused[file.batch_id], columns=_RECORD)
            rows = rows.join(gone, on=_RECORD, how="anti", maintain_order="left")
        frames.append(rows)
    return frames
