"""A set much larger than the batch is searched, and gives the verdict that hashing it gives."""

from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.verification import Contract
from opsintel_dagster.verification.large_sets import large_set

TEXTS = [f"P{number:04d}" for number in range(400)]
ASKED = ["P0000", "P0399", "P0400", "A", "Z", "", "p0001", "P00000", "P000", "Pü", None, "P0007"]


@pytest.mark.parametrize("check", [pa.Check.isin, pa.Check.notin])
@pytest.mark.parametrize("ignore_na", [True, False])
def test_few_rows_get_the_verdict_of_many(check: Any, ignore_na: bool) -> None:
    column = pa.Column(str, check(TEXTS, name="known", ignore_na=ignore_na), nullable=True)
    contract = Contract.compile(pa.DataFrameSchema({"code": column}))
    few = pl.DataFrame({"code": ASKED}, schema={"code": pl.String})
    times = 30
    many = pl.concat([few] * times)
    assert few.height * 4 < len(TEXTS) <= many.height * 4
    searched, hashed = contract.verify(few), contract.verify(many)
    one = hashed.valid.filter(pl.col("_row") <= few.height)
    assert searched.valid.equals(one)
    assert searched.counts()["known"] * times == hashed.counts()["known"]


@pytest.mark.parametrize(
    ("check", "dtype"),
    [
        (pa.Check.isin(TEXTS), pl.Categorical()),
        (pa.Check.isin([*TEXTS, None]), pl.String()),
        (pa.Check.isin([1, 2]), pl.Int64()),
        (pa.Check.eq("a"), pl.String()),
    ],
)
def test_only_texts_in_a_set_of_texts_are_searched(check: pa.Check, dtype: pl.DataType) -> None:
    assert large_set(check, "code", dtype) is None
