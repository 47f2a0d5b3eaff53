"""Letting Pandera run a check itself, on the rows of one arrival, and reading its answer."""

import warnings
from dataclasses import dataclass
from functools import partial

import polars as pl
from pandera.api.checks import Check
from pandera.backends.polars.checks import PolarsCheckBackend
from pandera.constants import CHECK_OUTPUT_KEY

from opsintel_dagster.verification.recording import WHOLE_FRAME, function_of


@dataclass(frozen=True, slots=True)
class TableVerdict:
    """One answer for all rows together."""

    is_kept: bool
    why: str = ""
    has_raised: bool = False


def run_check(
    check: Check, key: str, frame: pl.DataFrame, *, has_rows: bool
) -> pl.Series | TableVerdict:
    """Mask of the rows that break `check`, or one verdict if it has none for each row.

    Args:
        check: The check, of any kind.
        key: Its column, or `*`.
        frame: The typed rows of one arrival.
        has_rows: False for a check known to answer for the table, even where one answer happens
            to meet one row.
    """
    backend = PolarsCheckBackend(check)
    backend.check_fn = partial(function_of(check), **vars(check)["_check_kwargs"])
    try:
        with warnings.catch_warnings():
            # Advice on speed to whoever wrote the check; it has no business in a drain.
            warnings.simplefilter("ignore", pl.exceptions.PolarsInefficientMapWarning)
            warnings.simplefilter("ignore", pl.exceptions.PerformanceWarning)
            result = backend(frame.lazy(), None if key == WHOLE_FRAME else key)
            output: pl.Series = result.check_output.collect().get_column(CHECK_OUTPUT_KEY)
            is_kept = bool(result.check_passed.collect().item())
    except Exception as error:  # noqa: BLE001 - a check is anybody's code; its error is a verdict
        text = " ".join(str(error).split())[:300]
        return TableVerdict(
            is_kept=False, why=f"the check raised {type(error).__name__}: {text}", has_raised=True
        )
    answers_by_row = result.failure_cases is not None and len(output) == frame.height
    if has_rows and answers_by_row:
        return ~output
    return TableVerdict(is_kept, "" if is_kept else "the arrival as a whole does not keep it")
