"""What a contract says of itself rule by rule, and of a row rule by rule."""

from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.verification import Contract


def contract() -> Contract:
    both = pa.Check(lambda d: d.lazyframe.select(pl.col("n") < pl.col("m")), name="ordered")
    columns = {
        "n": pa.Column(int, [pa.Check.ge(0), pa.Check.lt(9)]),
        "m": pa.Column(int, nullable=True),
        "o": pa.Column(int, pa.Check.ge(0), required=False),
    }
    return Contract.compile(pa.DataFrameSchema(columns, checks=both))


def test_a_rule_is_kept_broken_or_unknown_for_each_quarantined_row(raw: Any) -> None:
    frame = raw(
        {"n": ["x", "-1", "5", "1", "1"], "m": ["1", "2", "1", "2", ""]},
        _problem=[None, None, None, "ragged", None],
    )
    found = contract().verify(frame, columns_of={"a": ("n", "m")}).details()
    assert found.columns[:3] == ["_arrival", "_row", "_line"]
    assert found.select("_row", "n.coerce", "n.ge", "m.coerce", "o.ge", "ordered").rows() == [
        (1, "invalid", "unknown", "valid", "unknown", "unknown"),
        (2, "valid", "invalid", "valid", "unknown", "valid"),
        (3, "valid", "valid", "valid", "unknown", "invalid"),
        (4, "unknown", "unknown", "unknown", "unknown", "unknown"),
    ]


def test_arrivals_that_lack_a_column_say_nothing_of_it_and_others_do(raw: Any) -> None:
    frame = raw({"n": [-1, -1], "m": [1, 1], "o": [None, 1]}, arrivals="ab")
    verdict = contract().verify(frame, columns_of={"a": ("n", "m"), "b": ("n", "m", "o")})
    assert verdict.details()["o.ge"].to_list() == ["unknown", "valid"]


def test_without_quarantine_there_are_no_details() -> None:
    found = contract().verify(pl.DataFrame({"n": [1], "m": [2]})).details()
    assert (found.height, found.columns[0]) == (0, "_row")


def test_a_contract_explains_each_rule() -> None:
    checks = [
        pa.Check.isin([1, 2]),
        pa.Check(lambda d: d.lazyframe.select(pl.col(d.key) > pl.col(d.key).mean()), name="above"),
        pa.Check(lambda d: d.lazyframe.collect().height > 1, name="several"),
        pa.Check(lambda d: d.lazyframe.select(pl.col(d.key).sum() > 1), name="much"),
        pa.Check(lambda value: value > 0, element_wise=True, name="each", raise_warning=True),
    ]
    schema = pa.DataFrameSchema({"n": pa.Column(int, checks, unique=True)})
    table = Contract.compile(schema, key=["n"]).explain()
    assert table.columns == ["rule", "column", "tier", "severity", "why"]
    said = {row["rule"]: row for row in table.iter_rows(named=True)}
    assert said["n.isin"]["why"].startswith('one row decides it: col("n").is_in')
    assert (said["above"]["tier"], said["several"]["tier"]) == ("frame", "opaque")
    assert said["above"]["why"].startswith("it is not proven that one row decides it")
    assert said["several"]["why"].startswith("its function does more with the frame")
    assert said["much"]["why"].startswith("one answer for all rows")
    assert said["each"]["why"] == "it is Python called for each value; Pandera runs it"
    assert said["each"]["severity"] == "warning"
    assert all(len(row["why"]) > 20 for row in said.values())


def test_a_schema_of_pandera_pandas_is_refused_column_by_column_with_what_to_write() -> None:
    pytest.importorskip("pandas")
    import pandera.pandas as pandas_api  # noqa: PLC0415 - pandas is not a dependency

    schema = pandas_api.DataFrameSchema(
        {
            "n": pandas_api.Column(int, pandas_api.Check.ge(0), unique=True),
            "s": pandas_api.Column(str, pandas_api.Check(lambda s: s != ""), nullable=True),
            "at": pandas_api.Column("datetime64[ns, UTC]", required=False),
        },
        index=pandas_api.Index(int),
    )
    with pytest.raises(Exception, match="cannot be verified exactly") as caught:
        Contract.compile(schema)
    said = str(caught.value)
    for column in (
        "'n': pa.Column(pl.Int64, [pa.Check.greater_than_or_equal_to(min_value=0)], unique=True)",
        "'s': pa.Column(pl.String, [pa.Check(lambda data: data.lazyframe.select(...))], null",
        '\'at\': pa.Column(pl.Datetime("ns", "UTC"), required=False)',
    ):
        assert f"Write {column}" in said
    assert "the index: Polars has no index" in said
