"""Which rows share values with another row of the same arrival.

Equality is that of Polars' `is_duplicated`, which is Pandera's: null equals null, NaN equals NaN,
0.0 equals -0.0. Rows are hashed, the hashes sorted and neighbours compared; only rows whose hash
is not theirs alone are then compared by their values. So a set without duplicates, the usual case,
costs a sort of integers, and a collision costs time and never a verdict.

Which of the equal rows are condemned is the schema's `report_duplicates`, by the record number, so
that neither the order of rows nor the cut of batches matters. (Pandera's own Polars backend reads
that option and condemns all of them.)
"""

from collections.abc import Callable, Sequence

import polars as pl

from opsintel_dagster.verification.masks import nobody, within

_ARRIVAL, _ROW = "_arrival", "_row"

HashRows = Callable[[pl.DataFrame], pl.Series]
"""A number for each row, the same for equal rows. It need not be a good one."""


def hash_rows(values: pl.DataFrame) -> pl.Series:
    """Polars' hash, which knows that NaN equals NaN and 0.0 equals -0.0."""
    return values.hash_rows()


def shared(hashes: pl.Series) -> pl.Series:
    """The hashes that more than one row has: once for each row after the first, sorted."""
    # One thread takes as long as two, which wait for memory, and half the CPU (1e6 to 1e7 rows).
    ordered = hashes.sort(multithreaded=False)
    later = ordered.slice(1)
    return later.filter(later == ordered.slice(0, max(len(ordered) - 1, 0)))


def repeated(
    values: pl.DataFrame,
    codes: pl.Series | None,
    rows: pl.Series,
    taking_part: pl.Series | None,
    report: str = "all",
    hashed: HashRows = hash_rows,
) -> pl.Series:
    """Mask of the rows whose values another row of their arrival has too.

    Args:
        values: The columns that must be unique together.
        codes: The number of each row's arrival; None if there is one arrival.
        rows: Record numbers, which decide what is first.
        taking_part: Rows to look at; None for all. The others are neither condemned nor compared.
        report: `all`, or the occurrence that stays: `exclude_first`, `exclude_last`.
        hashed: The hash.
    """
    frame = values if codes is None else values.with_columns(codes.alias(_ARRIVAL))
    if taking_part is not None:
        inner = _repeated(frame.filter(taking_part), rows.filter(taking_part), report, hashed)
        return within(taking_part, inner)
    return _repeated(frame, rows, report, hashed)


def _repeated(frame: pl.DataFrame, rows: pl.Series, report: str, hashed: HashRows) -> pl.Series:
    hashes = hashed(frame)
    suspicious = shared(hashes)
    if suspicious.is_empty():
        return nobody(frame.height)
    is_candidate = hashes.is_in(suspicious.implode())
    candidates, numbers = frame.filter(is_candidate), rows.filter(is_candidate)
    return within(is_candidate, exactly_repeated(candidates, numbers, report))


def exactly_repeated(frame: pl.DataFrame, rows: pl.Series, report: str) -> pl.Series:
    """The same of few rows, by their values alone."""
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
