"""What cannot be verified exactly is refused when it is compiled, all of it at once."""

from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from pandera.api.dataframe.model_components import parser
from pandera.api.hypotheses import Hypothesis
from pandera.api.parsers import Parser
from pandera.engines import polars_engine
from pydantic import BaseModel

from opsintel_dagster.errors import ContractError, OpsintelError
from opsintel_dagster.verification import Contract, in_reference


def refusal(schema: object, **options: Any) -> ContractError:
    with pytest.raises(ContractError) as caught:
        Contract.compile(schema, **options)
    return caught.value


def test_all_problems_of_a_schema_are_told_at_once_each_with_a_fix() -> None:
    schema = pa.DataFrameSchema(
        {
            "_x": pa.Column(int),
            "^p(.*$": pa.Column(int, regex=True),
            "u": pa.Column(),
            "n": pa.Column(int, pa.Check.str_matches("a")),
        },
        checks=in_reference("fleet", on=["tail"]),
        unique=["n", "gone"],
        name="Flights",
    )
    error = refusal(schema, key=["n"])
    assert isinstance(error, OpsintelError)
    assert str(error).startswith("contract Flights cannot be verified exactly:\n  - ")
    assert [problem.where for problem in error.problems] == [
        "column '_x'",
        "column '^p(.*$'",
        "column 'u'",
        "unique n+gone",
        "rule 'n.matches'",
        "rule 'tail.in_reference'",
    ]
    assert all(problem.reason and problem.fix for problem in error.problems)


def test_a_schema_of_pandera_pandas_is_refused_with_the_way_out() -> None:
    pytest.importorskip("pandas")
    import pandera.pandas as pandas_api  # noqa: PLC0415 - pandas is not a dependency

    schema = pandas_api.DataFrameSchema({"n": pandas_api.Column(int)})
    assert "pandera.pandas" in str(refusal(schema))
    assert "Import pandera.polars as pa" in str(refusal(schema))

    class Model(pandas_api.DataFrameModel):
        n: int

    assert "Model: it is a schema of pandera.pandas" in str(refusal(Model))


@pytest.mark.parametrize("schema", [None, 1, {"n": int}, BaseModel, pl.DataFrame()])
def test_anything_else_is_refused(schema: object) -> None:
    assert "is no contract" in str(refusal(schema))


class Row(BaseModel):
    n: int


class Nested(pa.DataFrameModel):
    n: int


@pytest.mark.parametrize(
    ("dtype", "reason"),
    [
        (None, "no dtype"),
        (pl.Object, "no dtype a text can become"),
        (pl.Null, "no dtype a text can become"),
        (pl.Enum, "Enum alone is no dtype"),
        (pl.List, "List alone is no dtype"),
        (pl.Struct, "Struct alone is no dtype"),
        (polars_engine.Category(["a"]), "Category has no verdict per cell"),
        (polars_engine.DateTime(time_zone_agnostic=True), "any time zone"),
        (Nested, "nested schema"),
        (polars_engine.PydanticModel(Row), "nested schema"),
    ],
)
def test_a_dtype_that_gives_no_verdict_per_cell_is_refused(dtype: Any, reason: str) -> None:
    assert reason in str(refusal(pa.DataFrameSchema({"n": pa.Column(dtype)})))


def test_a_schema_without_columns_is_refused() -> None:
    assert "it has no columns" in str(refusal(pa.DataFrameSchema({})))


@pytest.mark.parametrize("default", [pl.col("m"), pl.lit(1.5), pl.lit(1) + 1, "x", 1.5j])
def test_a_default_that_is_no_value_of_the_dtype_is_refused(default: Any) -> None:
    assert "is no value of Int64" in str(
        refusal(pa.DataFrameSchema({"n": pa.Column(int, default=default)}))
    )


def test_parsers_are_refused() -> None:
    columns = {"n": pa.Column(int)}
    columns["n"].parsers = [Parser(lambda values: values)]
    schema = pa.DataFrameSchema(columns, parsers=Parser(lambda values: values))
    assert [problem.where for problem in refusal(schema).problems] == ["the schema", "column 'n'"]

    class Parsed(pa.DataFrameModel):
        n: int

        @parser("n")
        def clean(cls, values: Any) -> Any:
            return values

    assert "parsers are not supported" in str(refusal(Parsed))


def test_what_pandera_polars_would_ignore_is_refused() -> None:
    grouped = pa.Check(lambda d: d.lazyframe.select(pl.col(d.key) > 0), groupby="g")
    assert "groupby" in str(
        refusal(pa.DataFrameSchema({"n": pa.Column(int, grouped), "g": pa.Column(int)}))
    )
    test = Hypothesis(lambda _: True, samples=["a"])
    assert "Hypothesis is not run" in str(refusal(pa.DataFrameSchema({"n": pa.Column(int, test)})))


@pytest.mark.parametrize(
    "check",
    [
        pa.Check.str_length(1),
        pa.Check.ge("a"),
        pa.Check(lambda d: d.lazyframe.select(pl.col("gone") > 0)),
        pa.Check(lambda d: d.lazyframe.select(pl.col(d.key) > 0, pl.col(d.key) < 9)),
    ],
)
def test_a_check_that_can_never_run_is_refused_instead_of_holding_every_arrival(check: Any) -> None:
    assert "it cannot run" in str(refusal(pa.DataFrameSchema({"n": pa.Column(int, check)})))


def test_a_pattern_only_python_knows_is_refused() -> None:
    schema = pa.DataFrameSchema({"s": pa.Column(str, pa.Check.str_contains("(?=x)"))})
    assert "regex" in str(refusal(schema))


def test_a_check_written_for_pandas_is_refused_with_the_polars_form() -> None:
    for check in (pa.Check(lambda s: s > 0), pa.Check(lambda s: s.str.len() > 1)):
        assert "lazyframe.select" in str(refusal(pa.DataFrameSchema({"n": pa.Column(int, check)})))


def test_a_key_must_be_of_the_contract() -> None:
    error = refusal(pa.DataFrameSchema({"n": pa.Column(int)}), key=["n", "m"])
    assert "column 'm': it is part of the key and no column of the contract" in str(error)
