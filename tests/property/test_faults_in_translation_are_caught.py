"""Faults seeded into the translation; the tests that compare verdicts catch every one of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import ibis
import pandera.polars as pa
import polars as pl
import pytest
from test_engines_give_the_same_verdict import agree
from test_translations_one_by_one import TEXTS, b, c, contract_of, i, rows, s, single, small, x

from opsintel_dagster.verification import Contract, in_reference
from opsintel_dagster.verification.engines import (
    comparisons,
    expressions,
    lookups,
    regexes,
    rules,
    tables,
    texts,
)
from opsintel_dagster.verification.engines.engine import ENGINES, Engine

Fault = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    connection = ibis.duckdb.connect()
    yield connection
    connection.disconnect()


def expressions_agree(engine: Any) -> None:
    few = [
        *(
            i % 7 == 0,
            small % 3 == 1,
            small + small < 0,
            single == 0.1,
            s < "a",
            ~i.is_in([0, None]),
        ),
        *(s.str.contains("^a.?b"), s.str.strip_chars() == "a", b & c, x > Decimal("1.505")),
    ]
    agree(contract_of(few, ignore_na=False), rows(60), engine)


def texts_agree(engine: Any) -> None:
    texts_of = pl.Series([None, *TEXTS], dtype=pl.String)
    several = pl.DataFrame([texts_of.alias(name) for name in ("i", "x", "d", "s")])
    several = several.with_row_index("_row", offset=1).with_columns(pl.col("_row").cast(pl.Int64))
    typed = {
        "i": pa.Column(pl.Int8, pa.Check.gt(1), unique=True),
        "x": pa.Column(pl.Decimal(12, 2), nullable=True),
        "d": pa.Column(pl.Date),
        "s": pa.Column(str, in_reference("r.k")),
        "gone": pa.Column(int, pa.Check.gt(1), required=False),
    }
    schema = pa.DataFrameSchema(typed, unique=["d", "s"])
    known = pl.DataFrame({"k": ["x", "nano", None, "x"]})
    contract = Contract.compile(schema, key=["x"], null_values=["NA"])
    agree(contract, several, engine, references={"r": known})


def floats_agree(engine: Any) -> None:
    column = pa.Column(float, pa.Check.lt(1, raise_warning=True))
    contract = Contract.compile(pa.DataFrameSchema({"f": column}), key=["f"])
    agree(contract, rows(60).select("_row", "f"), engine)


def nan_is_a_value(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "is_empty", lambda value, _dtype: value.isnull())


def nothing_is_repeated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        tables, "join_repeats", lambda table, _v, _p, at: table.mutate(**{at: ibis.literal(False)})
    )


def nothing_is_repeated_in_a_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(type(ENGINES["duckdb"]), "hashes_null_joins", False)
    patch.setattr(rules, "in_window", lambda *_: ibis.literal(False))


def cells_that_failed_take_part(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "taking_part", lambda *_: None)
    patch.setattr(tables, "taking_part", lambda *_: None)


def cells_that_failed_are_judged(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules.Rules, "_less_failed", lambda _self, mask, _columns: mask)


def texts_are_ordered_by_length(patch: pytest.MonkeyPatch) -> None:
    kind = type(ENGINES["duckdb"])
    patch.setattr(kind, "bytes_of", lambda _self, text: text.length())


def integers_do_not_wrap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(expressions.Translator, "_wrapped", lambda _self, wide, _dtype: wide)


def remainders_round_to_zero(patch: pytest.MonkeyPatch) -> None:
    def truncated(self: Any, _whole: Any, left: Any, right: Any) -> Any:
        return self._wide(*left) % self._wide(*right)

    patch.setattr(expressions.Translator, "_modulus", truncated)


def literals_keep_64_bits(patch: pytest.MonkeyPatch) -> None:
    right = comparisons.literal
    patch.setattr(
        comparisons,
        "literal",
        lambda value, dtype, engine: right(
            0.1 if isinstance(value, float) and abs(value - 0.1) < 1e-6 else value,
            pl.Float64() if dtype.is_float() else dtype,
            engine,
        ),
    )


def a_null_in_a_list_is_kept(patch: pytest.MonkeyPatch) -> None:
    right = expressions.Translator._is_in

    def kept(self: Any, whole: Any, part: Any, listed: Any, options: Any) -> Any:
        found = right(self, whole, part, listed, options)
        has_null = listed.explode().null_count() > 0
        return ibis.ifelse(found, True, ibis.null("boolean")) if has_null else found

    patch.setattr(expressions.Translator, "_is_in", kept)


def a_dot_matches_a_line_break(patch: pytest.MonkeyPatch) -> None:
    right = regexes.common_pattern
    patch.setattr(
        expressions, "common_pattern", lambda p, most: right(p, most).replace("[^\n]", r"[\s\S]")
    )


def blanks_are_ascii(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(expressions, "_BLANKS", " ")


def every_february_has_29_days(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(texts, "_DATE", texts._DATE.replace("2[0-8]", "2[0-9]"))


def integers_have_no_bounds(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(texts, "is_within", lambda value, *_: value.notnull())


def null_tokens_are_values(patch: pytest.MonkeyPatch) -> None:
    right = tables.type_cells
    patch.setattr(tables, "type_cells", lambda raw, c, _tokens, engine: right(raw, c, [], engine))


def what_is_not_found_passes(patch: pytest.MonkeyPatch) -> None:
    right = tables.known_rows

    def all_known(*args: Any) -> Any:
        known = right(*args)
        return known.union(ibis.memtable(pl.DataFrame({"k0": TEXTS}).to_arrow())).distinct()

    patch.setattr(tables, "known_rows", all_known)


def a_row_found_twice_is_two_rows(patch: pytest.MonkeyPatch) -> None:
    right = lookups._sent
    patch.setattr(lookups, "_sent", lambda *args: right(*args).union(right(*args)))


def rules_are_listed_backwards(patch: pytest.MonkeyPatch) -> None:
    kind = type(ENGINES["duckdb"])
    right: Callable[[Engine, Any], Any] = kind.chosen
    patch.setattr(kind, "chosen", lambda s, flags: right(s, dict(reversed(flags.items()))))


def warnings_condemn(patch: pytest.MonkeyPatch) -> None:
    right = rules.Rules._add
    patch.setattr(
        rules.Rules,
        "_add",
        lambda self, rule, mask: right(self, replace(rule, severity=rules.Severity.ERROR), mask),
    )


def an_absent_column_is_empty(patch: pytest.MonkeyPatch) -> None:
    right = tables.TypedTable
    patch.setattr(tables, "TypedTable", lambda **o: right(**{**o, "absent": frozenset()}))


CAUGHT_BY: dict[Fault, Callable[[Any], None]] = {
    **dict.fromkeys(
        [
            texts_are_ordered_by_length,
            integers_do_not_wrap,
            remainders_round_to_zero,
            literals_keep_64_bits,
            a_null_in_a_list_is_kept,
            a_dot_matches_a_line_break,
            blanks_are_ascii,
            rules_are_listed_backwards,
        ],
        expressions_agree,
    ),
    **dict.fromkeys(
        [
            cells_that_failed_take_part,
            cells_that_failed_are_judged,
            every_february_has_29_days,
            integers_have_no_bounds,
            null_tokens_are_values,
            what_is_not_found_passes,
            a_row_found_twice_is_two_rows,
            an_absent_column_is_empty,
        ],
        texts_agree,
    ),
    **dict.fromkeys(
        [nan_is_a_value, nothing_is_repeated, nothing_is_repeated_in_a_window, warnings_condemn],
        floats_agree,
    ),
}


@pytest.mark.parametrize("agrees", [expressions_agree, texts_agree, floats_agree])
def test_without_a_fault_nothing_is_caught(engine: Any, agrees: Callable[[Any], None]) -> None:
    agrees(engine)


@pytest.mark.parametrize("fault", CAUGHT_BY, ids=lambda fault: fault.__name__)
def test_a_fault_is_caught(engine: Any, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)
    with pytest.raises(Exception):  # noqa: B017, PT011 - a crash is caught as well as a verdict
        CAUGHT_BY[fault](engine)
