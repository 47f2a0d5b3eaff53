"""Raw frames as ingestion makes them, in one line."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl
import pytest

from opsintel_dagster.verification import Verdict


@pytest.fixture
def raw() -> Callable[..., pl.DataFrame]:
    """Build a raw frame of given source columns; `arrivals` names the arrival of each row."""

    def build(
        columns: Mapping[str, Any], *, arrivals: str | None = None, **control: Any
    ) -> pl.DataFrame:
        frame = pl.DataFrame(columns)
        names = pl.Series("_arrival", list(arrivals or "a" * frame.height), dtype=pl.String)
        numbers = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("_arrival")
        frame = frame.with_columns(names).with_columns(
            numbers.alias("_row"),
            (numbers + 1).alias("_line"),
            (numbers + 1).alias("_line_end"),
            pl.lit(None, dtype=pl.String).alias("_problem"),
            pl.lit(None, dtype=pl.String).alias("_text"),
        )
        added = [pl.Series(name, values) for name, values in control.items()]
        frame = frame.with_columns(added)
        front = [name for name in frame.columns if name.startswith("_")]
        return frame.select(*front, *columns)

    return build


@pytest.fixture
def reasons() -> Callable[[Verdict], dict[str, list[str]]]:
    """The broken rules of each quarantined row, under `<arrival>:<row>`."""

    def by_row(verdict: Verdict) -> dict[str, list[str]]:
        rows = verdict.quarantine.select("_arrival", "_row", "_rules").iter_rows()
        return {f"{arrival}:{row}": rules for arrival, row, rules in rows}

    return by_row
