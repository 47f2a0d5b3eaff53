"""Which rows share values with another row of the same arrival.

Equality is that of Polars' `is_duplicated`, which is Pandera's: null equals null, NaN equals NaN,
0.0 equals -0.0. Which of the equal rows are condemned is the schema's `report_duplicates`, by
the record number, so that neither the order of rows nor the cut of batches matters. (Pandera's own
Polars backend reads that option and condemns all of them.)
"""

from collections.abc import Sequence

import polars as pl

_ARRIVAL, _ROW = "_arrival", "_row"


def arrival_codes(arrivals: pl.Series) -> pl.Series | None:
    """A number per arrival, cheaper to compare than its id; None if all rows are of one."""
    if arrivals.n_unique() <= 1:
        return None
    return arrivals.rank("dense").cast(pl.UInt32).alias(_ARRIVAL)


def repeated(
    values: pl.DataFrame,
    codes: pl.Series | None,
    rows: pl.Series,
    taking_part: pl.Series | None,
    report: str = "all",
) -> pl.Series:
    """Mask of the rows whose values another row of their arrival has too.

    Args:
        values: The columns that must be unique together.
        codes: The number of each row's arrival; None if there is one arrival.
        rows: Record numbers, which decide what is first.
        taking_part: Rows to look at; None for all. The others are neither condemned nor compared.
        report: `all`, or the occurrence that stays: `exclude_first`, `exclude_last`.
    """
    frame = values if codes is None else values.with_columns(codes)
    if taking_part is not None:
        inner = repeated(
            values.filter(taking_part),
            None if codes is None else codes.filter(taking_part),
            rows.filter(taking_part),
            None,
            report,
        )
        nobody = pl.zeros(values.height, dtype=pl.Boolean, eager=True)
        return nobody.scatter(taking_part.arg_true(), inner)
    by = frame.columns
    one = pl.col(by[0]) if len(by) == 1 else pl.struct(by)
    mask = frame.select(one.is_duplicated().alias("repeated")).to_series()
    if report == "all" or not mask.any():
        return mask
    return mask & ~_kept(frame, by, rows, report)


def _kept(frame: pl.DataFrame, by: Sequence[str], rows: pl.Series, report: str) -> pl.Series:
    last = report == "exclude_last"
    ordered = frame.with_columns(rows.alias(_ROW)).with_row_index("_at").sort(_ROW)
    one = pl.col(by[0]) if len(by) == 1 else pl.struct(by)
    stays = one.is_last_distinct() if last else one.is_first_distinct()
    return ordered.with_columns(stays.alias("stays")).sort("_at").get_column("stays")
