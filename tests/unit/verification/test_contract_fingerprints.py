"""A contract's fingerprint: the same for the same verdicts, another where one could change."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.verification import Contract, in_reference

LIMIT = 5


def fingerprint(column: pa.Column | None = None, *, schema: Any = None, **options: Any) -> str:
    declared = schema or pa.DataFrameSchema({"n": column or pa.Column(int), "m": pa.Column(int)})
    return Contract.compile(declared, **options).fingerprint


def checked(function: Callable[..., Any], **options: Any) -> str:
    return fingerprint(pa.Column(int, pa.Check(function, name="same", **options)))


def schema(**options: Any) -> str:
    columns = {"n": pa.Column(int), "m": pa.Column(int)}
    return fingerprint(schema=pa.DataFrameSchema(columns, **options))


def test_everything_that_can_change_a_verdict_changes_it() -> None:
    found = [
        fingerprint(),
        fingerprint(key=["n"]),
        fingerprint(key=["n", "m"]),
        fingerprint(null_values=["NA"]),
        fingerprint(null_values=["NA", ""]),
        fingerprint(pa.Column(pl.Int32)),
        fingerprint(pa.Column(pl.Datetime("us"))),
        fingerprint(pa.Column(pl.Datetime("ms"))),
        fingerprint(pa.Column(pl.Datetime("us", "UTC"))),
        fingerprint(pa.Column(pl.Enum(["a"]))),
        fingerprint(pa.Column(pl.Enum(["a", "b"]))),
        fingerprint(pa.Column(int, nullable=True)),
        fingerprint(pa.Column(int, unique=True)),
        fingerprint(pa.Column(int, required=False)),
        fingerprint(pa.Column(int, default=0)),
        fingerprint(pa.Column(int, default=1)),
        fingerprint(pa.Column(int, pa.Check.ge(0))),
        fingerprint(pa.Column(int, pa.Check.ge(1))),
        fingerprint(pa.Column(int, pa.Check.gt(0))),
        fingerprint(pa.Column(int, pa.Check.ge(0, ignore_na=False))),
        fingerprint(pa.Column(int, pa.Check.ge(0, raise_warning=True))),
        fingerprint(pa.Column(int, pa.Check.isin([1, 2]))),
        fingerprint(pa.Column(int, pa.Check.isin([1, 3]))),
        fingerprint(pa.Column(int, in_reference("a.x", name="same"))),
        fingerprint(pa.Column(int, in_reference("a.y", name="same"))),
        fingerprint(pa.Column(int, in_reference("b.x", name="same"))),
        schema(strict=True),
        schema(ordered=True),
        schema(add_missing_columns=True),
        schema(unique=["n"]),
        schema(unique=["n", "m"]),
        checked(lambda d: d.lazyframe.select(pl.col(d.key) > 0)),
        checked(lambda d: d.lazyframe.select(pl.col(d.key) > 1)),
        checked(lambda d: d.lazyframe.select(pl.col(d.key) < 1)),
        checked(lambda d: d.lazyframe.select(pl.col(d.key).abs() < 1)),
        checked(lambda value: value > 0, element_wise=True),
    ]
    assert len(set(found)) == len(found)


def test_what_decides_nothing_changes_nothing() -> None:
    def documented(d: pa.PolarsData) -> pl.LazyFrame:
        """One."""
        return d.lazyframe.select(pl.col(d.key) > 0)

    one = checked(documented)

    def documented(d: pa.PolarsData) -> pl.LazyFrame:
        """Another sentence."""

        # and moved
        return d.lazyframe.select(pl.col(d.key) > 0)

    assert one == checked(documented, description="Told otherwise.", error="Another text.")
    assert fingerprint(null_values=["a", "b"]) == fingerprint(null_values=["b", "a", "a"])
    described = pa.Column(int, description="text", title="text", metadata={"pii": True})
    assert fingerprint(described) == fingerprint()


def test_a_constant_a_check_reads_is_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def below(d: pa.PolarsData) -> pl.LazyFrame:
        return d.lazyframe.select(pl.col(d.key) < LIMIT)

    one = checked(below)
    monkeypatch.setitem(globals(), "LIMIT", 6)
    assert checked(below) != one


def helper(n: pl.Expr) -> pl.Expr:
    return n > 0


def test_a_function_a_check_calls_is_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def calls(d: pa.PolarsData) -> pl.LazyFrame:
        return d.lazyframe.select(helper(pl.col(d.key)))

    one = checked(calls)
    monkeypatch.setitem(globals(), "helper", lambda n: n > 1)
    assert checked(calls) != one


def test_what_a_check_closes_over_is_part_of_it() -> None:
    def make(limit: Any) -> Callable[..., Any]:
        return lambda d: d.lazyframe.select(pl.col(d.key).is_in(limit))

    assert checked(make([1, 2])) == checked(make([1, 2]))
    assert checked(make([1, 2])) != checked(make([1, 3]))
    assert checked(make({1, 2, 3})) == checked(make({3, 2, 1}))


def test_the_body_of_a_models_check_and_the_attributes_it_reads_are_part_of_it() -> None:
    def model(limit: int, floor: int, *, flip: bool) -> Any:
        class Model(pa.DataFrameModel):
            n: int
            _floor = floor

            @pa.check("n")
            def ranged(cls, d: pa.PolarsData) -> pl.LazyFrame:
                """Words."""
                n = pl.col(d.key)
                return d.lazyframe.select((n > limit) != flip if cls._floor else n > limit)

        return Model

    found = [
        Contract.compile(model(*arguments, flip=flip)).fingerprint
        for arguments, flip in [((1, 1), False), ((2, 1), False), ((1, 2), False), ((1, 1), True)]
    ]
    assert len(set(found)) == 4
    assert found[0] == Contract.compile(model(1, 1, flip=False)).fingerprint


def test_functions_that_call_each_other_in_a_circle_have_one_too() -> None:
    assert checked(circular) == checked(circular)


def circular(d: pa.PolarsData) -> pl.LazyFrame:
    return round_trip(d)


def round_trip(d: pa.PolarsData) -> pl.LazyFrame:
    return d.lazyframe.select(pl.col(d.key) > 0) if d.key else circular(d)


def test_it_is_the_same_in_every_process() -> None:
    code = textwrap.dedent(
        """
        import pandera.polars as pa, polars as pl, re
        from opsintel_dagster.verification import Contract, in_reference
        allowed = {str(i) for i in range(50)}
        class M(pa.DataFrameModel):
            s: str = pa.Field(isin=[str(i) for i in range(50)], notin=["x", "y", "z"])
            n: float = pa.Field(in_range={"min_value": 0, "max_value": 9})
            @pa.check("s", "n")
            def mine(cls, d):
                return d.lazyframe.select(pl.col(d.key).cast(pl.String).is_in(allowed))
            @in_reference("a.b", column="s")
            def known(cls): "Known."
        print(Contract.compile(M, key=["s"], null_values={"NA", "-", ""}).fingerprint)
        """
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert len(found.pop().strip()) == 32
