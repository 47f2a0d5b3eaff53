"""Files in, two Parquet files out: the verdicts of the whole, with memory for a few parts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from polars.io.plugins import register_io_source

from opsintel_dagster.errors import ReferenceDown
from opsintel_dagster.verification import Contract, FilesVerdict, in_reference
from opsintel_dagster.verification.parquet_parts import ParquetParts

n = pl.col("n")
CHECKS = [
    pa.Check.ge(0),
    pa.Check.lt(90, raise_warning=True),
    pa.Check(lambda d: d.lazyframe.select(pl.col(d.key) > pl.col(d.key).mean() - 40), name="near"),
    pa.Check(lambda value: value != 13, element_wise=True, name="unlucky"),
    pa.Check(lambda d: d.lazyframe.collect().lazy().select(pl.col(d.key) != 14), name="opaque"),
]
SCHEMA = pa.DataFrameSchema(
    {
        "n": pa.Column(int, CHECKS, unique=True),
        "s": pa.Column(str, in_reference("register.code"), nullable=True),
        "o": pa.Column(float, required=False),
    },
    unique=["n", "s"],
    report_duplicates="all",
)
REGISTER = {"register": pl.DataFrame({"code": ["a", "b"]})}
TABLE = pl.DataFrame(
    {
        "n": [str(i * 37 % 101) for i in range(60)] + ["x", "", "-5", "5", "5", "13", "14", None],
        "s": [["a", "b", None, "c"][i % 4] for i in range(68)],
    }
)


def one_for_all(frame: pl.DataFrame) -> pl.Series:
    return pl.Series([7], dtype=pl.UInt64).new_from_index(0, frame.height)


def few(frame: pl.DataFrame) -> pl.Series:
    return frame.hash_rows() % 5


def files(contract: Contract, table: Any, folder: Path, **options: Any) -> FilesVerdict:
    if isinstance(table, pl.DataFrame):
        table.write_parquet(folder / "in.parquet")
        table = folder / "in.parquet"
    return contract.verify_files(table, folder / "v.parquet", folder / "q.parquet", **options)


@pytest.mark.parametrize("rows", [1, 2, 7, 68, 1000])
@pytest.mark.parametrize("hashed", [one_for_all, few, pl.DataFrame.hash_rows])
def test_however_it_is_cut_and_hashed_the_verdict_is_that_of_the_whole(
    rows: int, hashed: Any, tmp_path: Path
) -> None:
    contract = Contract.compile(SCHEMA, key=["n"], references=REGISTER)
    whole = contract.verify(TABLE)
    found = files(contract, TABLE, tmp_path, rows_per_part=rows, hashed=hashed)
    assert pl.read_parquet(found.valid).equals(whole.valid)
    assert pl.read_parquet(found.quarantine).equals(whole.quarantine)
    assert (found.valid_rows, found.quarantine_rows) == (
        whole.valid.height,
        whole.quarantine.height,
    )
    assert found.counts() == whole.counts()
    assert found.warnings() == whole.warnings()
    assert found.cooccurrence_counts() == whole.cooccurrence_counts()
    assert found.references == whole.references


class Counted:
    """A source that remembers which columns were read, each time."""

    def __init__(self, table: pl.DataFrame) -> None:
        self.table = table
        self.reads: list[set[str]] = []

    def rows(self) -> pl.LazyFrame:
        return register_io_source(self._read, schema=self.table.schema)

    def _read(
        self, columns: list[str] | None, _filter: Any, head: int | None, _size: Any
    ) -> Iterator[pl.DataFrame]:
        if head != 0:
            self.reads.append(set(columns or self.table.columns))
        yield self.table.select(columns or pl.all())[:head]


@pytest.mark.parametrize(
    ("hashed", "times"), [(pl.DataFrame.hash_rows, 1), (lambda frame: frame.hash_rows() % 2, 2)]
)
def test_rows_are_read_once_after_what_is_compared_and_once_more_if_hashes_mislead(
    hashed: Any, times: int, tmp_path: Path
) -> None:
    schema = pa.DataFrameSchema({"n": pa.Column(int, unique=True), "s": pa.Column(str)})
    source = Counted(pl.DataFrame({"n": [1, 2, 3, 1, 4], "s": list("abcde")}))
    found = files(Contract.compile(schema), source.rows(), tmp_path, hashed=hashed)
    assert found.counts() == {"n.unique": 2}
    assert source.reads == [{"n"}, *[{"n", "s"}] * times]


def test_csv_is_read_as_text(tmp_path: Path) -> None:
    TABLE.write_csv(tmp_path / "in.csv")
    contract = Contract.compile(SCHEMA, references=REGISTER)
    found = files(contract, str(tmp_path / "in.csv"), tmp_path)
    expected = contract.verify(TABLE.with_columns(pl.when(pl.all() != "").then(pl.all())))
    said = pl.read_parquet(found.quarantine).select("_row", "_rules")
    assert said.equals(expected.quarantine.select("_row", "_rules"))


def test_nothing_in_gives_two_empty_files_with_the_right_columns(tmp_path: Path) -> None:
    contract = Contract.compile(SCHEMA, references=REGISTER)
    found = files(contract, TABLE.clear(), tmp_path)
    assert pl.read_parquet_schema(found.valid) == contract.verify(TABLE).valid.schema
    assert pl.read_parquet_schema(found.quarantine) == contract.verify(TABLE).quarantine.schema


@pytest.mark.parametrize(
    ("check", "rule"),
    [
        (pa.Check(lambda value: 1 / value > 0, element_wise=True, name="inverse"), "inverse"),
        (pa.Check(lambda d: d.lazyframe.select(n.sum() > 9), name="much"), "much"),
        (
            pa.Check(
                lambda d: d.lazyframe.select(
                    pl.when(n == 0).then(pl.lit("x")).otherwise(pl.lit("1")).cast(pl.Int64) > 0
                ),
                name="strict",
            ),
            "strict",
        ),
    ],
)
def test_what_holds_an_arrival_holds_the_file_as_a_whole(
    check: Any, rule: str, tmp_path: Path
) -> None:
    contract = Contract.compile(pa.DataFrameSchema({"n": pa.Column(int, [pa.Check.lt(3), check])}))
    table = pl.DataFrame({"n": [1, 3, 1, 0]})
    whole = contract.verify(table)
    for rows in (1, 3, 9):
        found = files(contract, table, tmp_path, rows_per_part=rows)
        assert found.held == (rule,)
        assert pl.read_parquet(found.quarantine).equals(whole.quarantine)
        assert found.valid_rows == 0


def test_what_holds_is_said_in_the_contracts_order_however_it_was_found(tmp_path: Path) -> None:
    raises = pa.Check(lambda value: 1 / value > 0, element_wise=True, name="inverse")
    is_short = pa.Check(lambda d: d.lazyframe.collect().height < 2, name="short")
    contract = Contract.compile(
        pa.DataFrameSchema({"n": pa.Column(int, raises), "m": pa.Column(int, is_short)})
    )
    table = pl.DataFrame({"n": [1, 0], "m": [1, 2]})
    whole = contract.verify(table)
    found = files(contract, table, tmp_path, rows_per_part=1)
    assert found.held == whole.held["input"] == ("inverse", "short")
    assert found.hold_reasons == whole.hold_reasons["input"]


def test_columns_that_are_missing_or_of_another_kind_hold_the_file(tmp_path: Path) -> None:
    contract = Contract.compile(pa.DataFrameSchema({"s": pa.Column(str, nullable=True)}))
    missing = files(contract, pl.DataFrame({"x": [1, 2]}), tmp_path)
    assert (missing.held, missing.quarantine_rows) == (("arrival.columns",), 2)
    lists = pl.DataFrame({"s": [None, None, ["a"]]})
    found = files(contract, lists, tmp_path, rows_per_part=1)
    assert found.hold_reasons == (
        "arrival.columns: s is List(String), of which no value is a String",
    )
    assert files(contract, lists[:2], tmp_path).valid_rows == 2


def test_a_pattern_is_bound_to_the_columns_of_the_file(tmp_path: Path) -> None:
    schema = pa.DataFrameSchema({"^m_.*$": pa.Column(int, regex=True, unique=True)})
    table = pl.DataFrame({"m_a": [1, 2, 1], "m_b": [5, 5, 6]})
    found = files(Contract.compile(schema), table, tmp_path, rows_per_part=1)
    assert found.counts() == {"m_.*.unique": 3}


def test_categories_are_compared_by_what_they_say(tmp_path: Path) -> None:
    schema = pa.DataFrameSchema({"c": pa.Column(pl.Categorical, unique=True)})
    table = pl.DataFrame({"c": ["x", "y", "z", "x"]})
    found = files(Contract.compile(schema), table, tmp_path, rows_per_part=1)
    assert pl.read_parquet(found.quarantine)["_row"].to_list() == [1, 4]


def test_a_failure_leaves_no_file_behind(tmp_path: Path) -> None:
    contract = Contract.compile(SCHEMA)
    with pytest.raises(ReferenceDown):
        files(contract, TABLE, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize("source", ["x.xlsx", pl.LazyFrame({"_arrival": ["a"]})])
def test_what_cannot_be_read_as_one_arrival_is_refused(source: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"LazyFrame|one arrival"):
        files(Contract.compile(SCHEMA), source, tmp_path)


def test_a_writer_that_fails_says_so_and_does_not_hang(tmp_path: Path) -> None:
    part = pl.DataFrame({"n": [1]})

    def write() -> None:
        with ParquetParts(tmp_path / "gone" / "x.parquet", part.schema) as parts:
            for _ in range(100):
                parts.add(part)

    with pytest.raises(OSError, match="No such file"):
        write()
