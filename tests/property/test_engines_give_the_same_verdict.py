"""A table in DuckDB or PostgreSQL gets, row by row, the verdict that its rows get in memory."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ibis
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from test_verification_is_panderas_verdict import Case, cases

from opsintel_dagster.errors import ContractNotTranslated
from opsintel_dagster.verification import Contract, Tier

if TYPE_CHECKING:
    from sqlalchemy import Engine

FEW = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MANY = settings(FEW, max_examples=1_000)


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "duckdb":
        connection = ibis.duckdb.connect()
    else:
        server: Engine = request.getfixturevalue("postgres_server")
        connection = ibis.postgres.connect(
            host=server.url.query["host"], user=server.url.username, database=server.url.database
        )
    yield connection
    connection.disconnect()


def lies_in(engine: Any, frame: pl.DataFrame) -> ibis.Table:
    """The rows as a table of the engine."""
    plain = frame.with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String))
    return engine.create_table("arrived", plain.to_arrow(), overwrite=True)


def agree(contract: Contract, frame: pl.DataFrame, engine: Any, **options: Any) -> None:
    """Both verdicts are the same, to the last row, value and sentence."""
    here = contract.verify(frame, **options)
    there = contract.verify_table(lies_in(engine, frame), **options)
    rows = there.flagged.to_polars().sort("_row")
    good, bad = rows.filter(pl.col("_rules").is_null()), rows.drop_nulls("_rules")
    reasons = here.quarantine.sort("_row").select("_row", "_rules")
    assert bad.select("_row", "_rules").rows() == reasons.rows()
    typed = good.select(pl.col(at).alias(name) for name, at in there.typed.items())
    assert typed.cast(dict(here.valid.schema)).equals(here.valid.sort("_row"))
    warned = {rule: good.get_column(at).sum() for rule, at in there.warns.items()}
    assert {rule: count for rule, count in warned.items() if count} == here.warnings()
    assert there.held == here.held.get("input", ())
    assert there.hold_reasons == here.hold_reasons.get("input", ())


def translated(schema: pa.DataFrameSchema, frame: pl.DataFrame, engine: Any) -> Contract:
    """The contract less what is refused, which is asserted to be what has to be."""
    contract = Contract.compile(schema)
    checks = {one.rule.id: one for one in contract._compiled.checks}
    refused: set[str] = set()
    try:
        contract.verify_table(lies_in(engine, frame))
    except ContractNotTranslated as refusal:
        refused = {re.findall("'(.*?)'", problem.where)[0] for problem in refusal.problems}
    for rule, one in checks.items():
        is_there = one.column in frame.columns or one.column is None
        if one.rule.tier is not Tier.ROW and is_there:
            assert rule in refused, rule
        if rule in refused and one.rule.tier is Tier.ROW:
            assert "strict_cast(Int8)" in one.why
    bad = [id(one.check) for rule, one in checks.items() if rule in refused]

    def kept(every: list[pa.Check]) -> list[pa.Check]:
        return [check for check in every if id(check) not in bad]

    for column in schema.columns.values():
        column.checks = kept(column.checks)
    schema.checks = kept(schema.checks)
    return Contract.compile(schema)


def numbered(case: Case) -> tuple[pa.DataFrameSchema, pl.DataFrame]:
    schema, arrivals = case
    frame = arrivals[0]
    rows = pl.int_range(1, frame.height + 1, dtype=pl.Int64, eager=True).alias("_row")
    return schema, frame.select(rows, *frame.columns)


def has_no_span(case: Case) -> bool:
    """No engine has a type for a duration that is one number."""
    return not any(isinstance(c.dtype.type, pl.Duration) for c in case[0].columns.values())


@FEW
@given(cases().filter(has_no_span))
def test_the_verdict_is_the_same(engine: Any, case: Case) -> None:
    schema, frame = numbered(case)
    agree(translated(schema, frame, engine), frame, engine)


@pytest.mark.slow
@MANY
@given(cases().filter(has_no_span))
def test_the_verdict_is_the_same_in_many_more_cases(engine: Any, case: Case) -> None:
    schema, frame = numbered(case)
    agree(translated(schema, frame, engine), frame, engine)
