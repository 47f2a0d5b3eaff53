"""Tables without control columns: one arrival as a whole, its rows numbered."""

from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.verification import Contract, in_reference

SCHEMA = pa.DataFrameSchema(
    {
        "n": pa.Column(int, pa.Check.ge(0), unique=True),
        "s": pa.Column(str, pa.Check.str_length(1), nullable=True),
        "o": pa.Column(int, required=False),
    }
)
TABLE = pl.DataFrame({"n": [1, -1, 2, 2], "s": ["a", "bb", None, "c"]})


def test_a_frame_is_split_and_its_rows_are_numbered() -> None:
    verdict = Contract.compile(SCHEMA).verify(TABLE)
    assert verdict.valid.rows() == [(1, 1, "a", None)]
    assert verdict.valid.columns == ["_row", "n", "s", "o"]
    assert verdict.quarantine.columns == ["_row", "n", "s", "_rules"]
    assert verdict.quarantine.rows() == [
        (2, -1, "bb", ["n.ge", "s.length"]),
        (3, 2, None, ["n.unique"]),
        (4, 2, "c", ["n.unique"]),
    ]


def test_the_same_table_in_any_form_has_the_same_verdict() -> None:
    contract = Contract.compile(SCHEMA)
    expected = contract.verify(TABLE)

    class Arrow:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return TABLE.__arrow_c_stream__(requested_schema)

    for table in (TABLE.lazy(), Arrow()):
        verdict = contract.verify(table)
        assert verdict.valid.equals(expected.valid)
        assert verdict.quarantine.equals(expected.quarantine)


def test_a_pandas_frame_is_read_with_nan_as_empty() -> None:
    pandas = pytest.importorskip("pandas")
    contract = Contract.compile(pa.DataFrameSchema({"f": pa.Column(float), "n": pa.Column(int)}))
    verdict = contract.verify(
        pandas.DataFrame({"f": [1.5, float("nan")], "n": [1, 2]}, index=[7, 9])
    )
    assert verdict.valid.rows() == [(1, 1.5, 1)]
    assert verdict.quarantine["_rules"].to_list() == [["f.not_null"]]


@pytest.mark.parametrize("table", [None, 1, [1], {"n": [1]}])
def test_what_is_no_table_is_refused(table: Any) -> None:
    with pytest.raises(TypeError, match="cannot be verified: give a Polars DataFrame"):
        Contract.compile(SCHEMA).verify(table)


def test_a_table_that_lacks_a_column_is_held_as_a_whole() -> None:
    verdict = Contract.compile(SCHEMA).verify(TABLE.drop("n"))
    assert dict(verdict.held) == {"input": ("arrival.columns",)}
    assert verdict.quarantine.height == 4


def test_references_can_be_given_once_and_for_all() -> None:
    schema = pa.DataFrameSchema({"s": pa.Column(str, in_reference("register.code"))})
    register = pl.DataFrame({"code": ["a"], "more": [1]})
    contract = Contract.compile(schema, references={"register": register})
    verdict = contract.verify(TABLE.select("s").drop_nulls())
    assert verdict.valid["s"].to_list() == ["a"]
    other = contract.verify(
        TABLE.select("s"), references={"register": pl.DataFrame({"code": ["a", "c"]})}
    )
    assert other.valid.height == 2


def test_the_version_of_a_reference_is_kept_and_does_not_depend_on_its_order() -> None:
    schema = pa.DataFrameSchema({"s": pa.Column(str, in_reference("register.code"))})
    contract = Contract.compile(schema)

    def version(codes: list[str], **options: Any) -> str:
        register = pl.DataFrame({"code": codes, "more": list(range(len(codes)))})
        table = TABLE.select("s").drop_nulls()
        return contract.verify(table, references={"register": register}, **options).references[
            "register"
        ]

    assert version(["a", "b"]) == version(["b", "a"])
    assert len({version(["a", "b"]), version(["a"]), version(["a", "c"])}) == 3
    assert version(["a"], versions={"register": "v7"}) == "v7"


LISTS = ([[1], None], pl.List(pl.Int64))
STRUCTS = ([{"x": 1}, None], pl.Struct({"x": pl.Int64}))
BYTES = ([b"x", None], pl.Binary)
NUMBERS = ([1, None], pl.Int64)


@pytest.mark.parametrize(
    ("cells", "target"),
    [
        *((cells, pl.String) for cells in (LISTS, STRUCTS, BYTES)),
        *((cells, pl.Categorical) for cells in (LISTS, STRUCTS, BYTES, NUMBERS)),
        *((cells, pl.Binary) for cells in (LISTS, STRUCTS, NUMBERS)),
    ],
)
def test_a_value_of_another_kind_never_becomes_an_empty_cell(
    cells: tuple[list[Any], Any], target: Any
) -> None:
    values, source = cells
    frame = pl.DataFrame({"cell": pl.Series(values, dtype=source)})
    contract = Contract.compile(pa.DataFrameSchema({"cell": pa.Column(target, nullable=True)}))
    verdict = contract.verify(frame)
    assert list(verdict.held) == ["input"]
    assert "of which no value is a" in verdict.hold_reasons["input"][0]
    assert verdict.quarantine["cell"].to_list() == values
    assert contract.verify(frame[1:]).valid["cell"].to_list() == [None]
