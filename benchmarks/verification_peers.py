"""One verifier on one file, in a process of its own; prints what it took as JSON.

    python benchmarks/verification_peers.py <verifier> <file> <rounds>

CPU seconds of the verify step (all threads), peak resident memory of the process, good and bad
rows. Whoever works in memory gets the frame loaded beforehand.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from verification_task import CODES, EMAIL, LARGEST, STATUS, hand_written, schema

from opsintel_dagster.verification import Contract

Counted = tuple[int, int] | None
OUT = Path(tempfile.mkdtemp())
GOOD, BAD = OUT / "good.parquet", OUT / "bad.parquet"


def ours(path: Path) -> Callable[[], Counted]:
    """A compiled contract, in memory."""
    contract, frame = Contract.compile(schema()), pl.read_parquet(path)

    def verify() -> Counted:
        verdict = contract.verify(frame)
        return verdict.valid.height, verdict.quarantine.height

    return verify


def ours_pandas(path: Path) -> Callable[[], Counted]:
    """A compiled contract, pandas in and out."""
    contract, frame = Contract.compile(schema()), pl.read_parquet(path).to_pandas()

    def verify() -> Counted:
        verdict = contract.verify(frame)
        return len(verdict.valid.to_pandas()), len(verdict.quarantine.to_pandas())

    return verify


def ours_files(path: Path) -> Callable[[], Counted]:
    """A compiled contract, Parquet in, two Parquet files out."""
    contract = Contract.compile(schema())

    def verify() -> Counted:
        verdict = contract.verify_files(path, GOOD, BAD)
        return verdict.valid_rows, verdict.quarantine_rows

    return verify


def copy(path: Path) -> Callable[[], Counted]:
    """The least that reading and writing the file costs."""

    def verify() -> Counted:
        pl.scan_parquet(path).sink_parquet(GOOD)
        return None

    return verify


def by_hand(path: Path) -> Callable[[], Counted]:
    """Polars written for this task."""
    frame = pl.read_parquet(path)

    def verify() -> Counted:
        good, bad = hand_written(frame)
        return good.height, bad.height

    return verify


def by_hand_tuned(path: Path) -> Callable[[], Counted]:
    """The same by somebody who has measured it."""
    frame = pl.read_parquet(path)

    def verify() -> Counted:
        good, bad = hand_written(frame, is_tuned=True)
        return good.height, bad.height

    return verify


def pandera_polars(path: Path) -> Callable[[], Counted]:
    """pandera.polars, split by its check outputs."""
    from pandera.errors import SchemaErrors

    contract, frame = schema(), pl.read_parquet(path)

    def verify() -> Counted:
        try:
            return contract.validate(frame, lazy=True).height, 0
        except SchemaErrors as errors:
            good = pl.Series([True]).new_from_index(0, frame.height)
            for error in errors.schema_errors:
                good &= error.check_output.get_column("check_output")
            return frame.filter(good).height, frame.filter(~good).height

    return verify


def pandera_pandas(path: Path) -> Callable[[], Counted]:
    """pandera.pandas, split by its failure cases."""
    import pandera.pandas as pa
    from pandera.errors import SchemaErrors

    c, text = pa.Check, "str"
    contract = pa.DataFrameSchema(
        {
            "id": pa.Column("int64", unique=True),
            "shop": pa.Column("Int64"),
            "ticket": pa.Column(text),
            "status": pa.Column(text, c.isin(STATUS)),
            "product": pa.Column(text, c.isin(CODES, error="known"), nullable=True),
            "email": pa.Column(text, c.str_matches(EMAIL), nullable=True),
            "name": pa.Column(text, c.str_length(1, 40), nullable=True),
            "city": pa.Column(text, c.str_length(2, 30), nullable=True),
            "note": pa.Column(text, c.str_length(max_value=80), nullable=True),
            "quantity": pa.Column("int64", c.in_range(1, 1000), nullable=True),
            "price": pa.Column("float64", c.in_range(0, LARGEST), nullable=True),
            "paid": pa.Column("float64", c.in_range(0, LARGEST), nullable=True),
        },
        checks=c(lambda frame: frame["paid"] <= frame["price"], name="paid_fits"),
        unique=["shop", "ticket"],
        strict=True,
    )
    frame = pl.read_parquet(path).to_pandas().astype({"shop": "Int64"})

    def verify() -> Counted:
        try:
            return len(contract.validate(frame, lazy=True)), 0
        except SchemaErrors as errors:
            bad = errors.failure_cases["index"].dropna().unique()
            return len(frame.drop(index=bad)), len(frame.loc[bad])

    return verify


def _dataframely() -> Any:
    import dataframely as dy

    class Orders(dy.Schema):
        id = dy.Int64(unique=True)
        shop = dy.Int64()
        ticket = dy.String()
        status = dy.String(check=lambda c: c.is_in(STATUS))
        product = dy.String(nullable=True, check=lambda c: c.is_in(CODES))
        email = dy.String(nullable=True, regex=EMAIL)
        name = dy.String(nullable=True, min_length=1, max_length=40)
        city = dy.String(nullable=True, min_length=2, max_length=30)
        note = dy.String(nullable=True, max_length=80)
        quantity = dy.Int64(nullable=True, min=1, max=1000)
        price = dy.Float64(nullable=True, min=0, max=LARGEST)
        paid = dy.Float64(nullable=True, min=0, max=LARGEST)

        @dy.rule()
        def paid_fits(cls) -> pl.Expr:
            return pl.col("paid") <= pl.col("price")

        @dy.rule()
        def ticket_unique(cls) -> pl.Expr:
            return pl.struct("shop", "ticket").is_unique()

    return Orders


def dataframely_eager(path: Path) -> Callable[[], Counted]:
    """Dataframely's filter with the details of each bad row."""
    orders, frame = _dataframely(), pl.read_parquet(path)

    def verify() -> Counted:
        good, failure = orders.filter(frame)
        return good.height, failure.details().height

    return verify


def dataframely_lazy(path: Path) -> Callable[[], Counted]:
    """Dataframely's filter, Parquet in, two Parquet files out, both by one plan.

    Its public `failure.sink_parquet` runs the plan once more, at half as much again.
    """
    orders = _dataframely()

    def verify() -> Counted:
        good, failure = orders.filter(pl.scan_parquet(path))
        both = (good, vars(failure)["_lf"])
        files = zip(both, (GOOD, BAD), strict=True)
        pl.collect_all([rows.sink_parquet(file, lazy=True) for rows, file in files])
        return None

    return verify


def great_expectations(path: Path) -> Callable[[], Counted]:
    """Great Expectations, split by its unexpected indices."""
    import great_expectations as gx

    frame = pl.read_parquet(path).to_pandas()
    context = gx.get_context(mode="ephemeral")
    e = gx.expectations
    expected = [
        *(e.ExpectColumnValuesToNotBeNull(column=n) for n in ("id", "shop", "ticket", "status")),
        e.ExpectColumnValuesToBeUnique(column="id"),
        e.ExpectCompoundColumnsToBeUnique(column_list=["shop", "ticket"]),
        e.ExpectColumnValuesToBeInSet(column="status", value_set=STATUS),
        e.ExpectColumnValuesToBeInSet(column="product", value_set=CODES),
        e.ExpectColumnValuesToMatchRegex(column="email", regex=EMAIL),
        e.ExpectColumnValueLengthsToBeBetween(column="name", min_value=1, max_value=40),
        e.ExpectColumnValueLengthsToBeBetween(column="city", min_value=2, max_value=30),
        e.ExpectColumnValueLengthsToBeBetween(column="note", max_value=80),
        e.ExpectColumnValuesToBeBetween(column="quantity", min_value=1, max_value=1000),
        e.ExpectColumnValuesToBeBetween(column="price", min_value=0, max_value=LARGEST),
        e.ExpectColumnValuesToBeBetween(column="paid", min_value=0, max_value=LARGEST),
        e.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A="price",
            column_B="paid",
            or_equal=True,
            ignore_row_if="either_value_is_missing",
        ),
    ]
    suite = context.suites.add(gx.ExpectationSuite(name="orders", expectations=expected))
    asset = context.data_sources.add_pandas("p").add_dataframe_asset("orders")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})

    def verify() -> Counted:
        form = {"result_format": "COMPLETE"}
        result = batch.validate(suite, result_format=form)
        bad = {
            index for one in result.results for index in one.result.get("unexpected_index_list", [])
        }
        return len(frame.drop(index=list(bad))), len(frame.loc[list(bad)])

    return verify


VERIFIERS = {
    "ours": ours,
    "hand-written Polars": by_hand,
    "hand-written Polars, tuned": by_hand_tuned,
    "pandera.polars": pandera_polars,
    "dataframely": dataframely_eager,
    "ours, pandas": ours_pandas,
    "pandera.pandas": pandera_pandas,
    "Great Expectations": great_expectations,
    "ours, files": ours_files,
    "Parquet copy": copy,
    "dataframely, lazy": dataframely_lazy,
}


def main() -> None:
    """Measure one verifier."""
    name, path, rounds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    verify = VERIFIERS[name](path)
    took = []
    counted: Counted = None
    for _ in range(rounds):
        began = time.process_time()
        counted = verify()
        took.append(time.process_time() - began)
    # Not getrusage: what it says is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    print(json.dumps({"cpu": took, "peak": peak, "rows": counted}))


if __name__ == "__main__":
    main()
