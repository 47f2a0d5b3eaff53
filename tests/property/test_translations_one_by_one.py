"""Each expression, cast, text form and pattern that is translated, on values that are awkward."""

import datetime as dt
import math
import random
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from test_engines_give_the_same_verdict import agree, engine, lies_in

from opsintel_dagster.errors import ContractNotTranslated
from opsintel_dagster.verification import Contract
from opsintel_dagster.verification.cells import type_cells
from opsintel_dagster.verification.engines.refusals import NotTranslatedError
from opsintel_dagster.verification.engines.regexes import common_pattern

__all__ = ["engine"]  # the fixture

_ = None
NAIVE = dt.datetime.fromisoformat  # a moment without a zone, as the dtype has none
COLUMNS: dict[str, tuple[pl.DataType, list[Any]]] = {
    "i": (pl.Int64(), [_, 0, 1, -1, 7, -7, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]),
    "j": (pl.Int64(), [_, 0, 1, -1, 3, 2**62, -(2**63), 2**63 - 1]),
    "small": (pl.Int8(), [_, 0, 1, -1, 127, -128, 100]),
    "f": (pl.Float64(), [_, math.nan, math.inf, -math.inf, -0.0, 0.0, 0.1, 2.0**53, 1e300, 5e-324]),
    "g": (pl.Float64(), [_, math.nan, 0.0, 0.1, -1e300, 1.5, 0.30000000000000004]),
    "single": (pl.Float32(), [_, math.nan, 0.1, 0.5, -0.0, 3e38]),
    "s": (pl.String(), [_, "", " ", "a", "A", "B", "é", "e\u0301", "日本", "a\nb", "\t a ", "%",
        "a_", "\\"]),
    "t": (pl.String(), [_, "", "a", "Z", "z", "é", "日", "%"]),
    "b": (pl.Boolean(), [_, True, False]),
    "c": (pl.Boolean(), [_, True, False]),
    "d": (pl.Date(), [_, dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(2020, 2, 29),
        dt.date(9999, 12, 31)]),
    "e": (pl.Date(), [_, dt.date(2020, 2, 29), dt.date(2021, 1, 3)]),
    "m": (pl.Datetime("us"), [_, NAIVE("2020-01-01T23:59:59.999999"), NAIVE("0001-01-01"),
        NAIVE("1969-12-31T01:00")]),
    "z": (pl.Datetime("us", "UTC"), [_, dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        dt.datetime(1969, 12, 31, 1, tzinfo=dt.UTC)]),
    "x": (pl.Decimal(12, 2), [_, Decimal("1.50"), Decimal("-0.01"), Decimal("0.00"),
        Decimal("9999999999.99")]),
    "y": (pl.Decimal(10, 4), [_, Decimal("1.5000"), Decimal("1.5001")]),
    "k": (pl.Enum(["x", "y", "z"]), [_, "x", "y", "z"]),
}  # fmt: skip
i, j, small, f, g, single, s, t, b, c, d, e, m, z, x, y, k = map(pl.col, COLUMNS)
NAN, INFINITY = float("nan"), float("inf")

EVERYWHERE: list[pl.Expr] = [
    i > 3, i < j, i == j, i >= 0.5, i == 2.0**53, i < INFINITY, i != 3,
    i.is_between(1, 7, closed="none"),
    small < 300, small > -129, small == i, i.eq_missing(j), i.ne_missing(3), i.is_null(),
    i == pl.lit(None),
    i + 1 > 0, i - j < 0, small + 1 > 0, small + small < 0, small - 100 < 0, small + i > 0,
    small + 300 > 300,
    i % 7 == 0, i % 2 == 1, small % 3 == 1, i.abs() >= 0, small.abs() > 0, -i < 0, -small == small,
    -j == j,
    f > 0.1, f >= g, f == g, f == NAN, f != NAN, f < NAN, f < INFINITY, f == 0, f.is_nan(),
    f.is_not_nan(),
    f.is_finite(), f.is_infinite(), f.is_between(0.0, INFINITY), f.eq_missing(g), f == i, f > small,
    f.abs() > 1, single > 0.1, single == 0.1, single >= 1, single == f, single < 1e30, -f <= 0,
    f.fill_null(1.5) > 1,
    s == "a", s != "", s < "a", s >= t, s == t, s > "é", s.is_in(["a", "", None]), s.is_in([]),
    s.is_between(pl.lit("A"), pl.lit("a")),
    s.str.len_chars() > 1, s.str.len_chars().is_between(1, 2), s.str.starts_with("a"),
    s.str.ends_with(""),
    s.str.ends_with("b"), s.str.contains("%", literal=True), s.str.contains("_", literal=True),
    s.str.contains("^a.?b"),
    s.str.strip_chars() == "a", s.str.strip_chars("a ") == "", s.str.strip_chars("\\") == "",
    s.eq_missing(t),
    s.str.contains(r"^\s"), s.str.contains("é|日"),
    b & c, b | c, b ^ c, ~b, b == c, b != c, b > c, b.is_in([True]), b.is_in([None]),
    pl.all_horizontal(b, c),
    pl.any_horizontal(b, c), b.eq_missing(c), pl.all_horizontal(b, i > 3, s == "a"),
    d > dt.date(2000, 1, 1), d == e, d.dt.year() > 1970, d.dt.month() == 2, d.dt.day() == 29,
    d.dt.weekday() == 7,
    d.dt.ordinal_day() == 60, d.dt.quarter() == 1, d.is_in([dt.date(2020, 2, 29)]),
    e.dt.weekday() == 6,
    m > NAIVE("2020-01-01"), m.dt.second() == 59, m.dt.hour() == 23, m.dt.minute() == 59,
    m.dt.year() == 1,
    m == NAIVE("2020-01-01T23:59:59.999999"), m.dt.weekday() == 3,
    z > dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
    z == dt.datetime(2020, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    x > Decimal("1.50"), x == y, x < y, x >= 1, x == 0, x > Decimal("1.505"),
    x.is_in([Decimal("1.50")]), x == -1,
    k == "x", k != "y", k.is_in(["x", "z"]), k.is_null(),
    pl.when(i > 3).then(b).otherwise(c), pl.when(b).then(i).otherwise(small) > 0,
    pl.coalesce(i, j) > 0,
    pl.when(b).then(s).otherwise(pl.lit("q")) == "q", pl.coalesce(s, t, pl.lit("")) != "",
    i.fill_null(0) == 0,
    i.cast(pl.Float64) == 2.0**53, small.cast(pl.Int64) + 1000 > 1000,
    pl.all_horizontal(i.is_in([1, 3]), ~b),
    i.is_in([0, 1, 7, None]), small.is_in([1, 300]), f.is_in([NAN, 0.0]),
    i.is_in(list(range(-2000, 2000))),
    s.is_in([str(n) for n in range(600)] + ["a"]), (i > 3).alias("other"),
]  # fmt: skip
IN_DUCKDB = [
    f + g > 0, f - g == 0, f * g > 0, f / g > 0, i / j > 0, f + 1 == f, i * 0.5 > 1, single + f > 0,
]  # fmt: skip
REFUSED: list[pl.Expr] = [
    i * j > 0, i // 2 == 1, i % j == 0, i.cast(pl.Int8) > 0, s.str.to_lowercase() == "a",
    s.str.len_bytes() > 1,
    s.str.contains(r"\w"), s.str.contains("(?i)a"), s.str.contains(r"\ba"), k > "x", x > 1.5,
    single + single > 0,
    f.round(1) == 0.1, d.dt.week() == 1, z.dt.hour() == 1, i.is_between(1, 2.5),
    s.str.slice(1) == "",
    m.dt.date() == d, b == 1, i.pow(2) > 3, f.clip(0, 1) == 0, s.str.replace("a", "b") == "b",
]  # fmt: skip


def rows(count: int) -> pl.DataFrame:
    """Every value of every column, in combinations that stay the same."""
    chance = random.Random(7)  # noqa: S311 - no secret depends on it
    drawn = {
        name: pl.Series(
            name, [*values, *chance.choices(values, k=count - len(values))], dtype=dtype
        )
        for name, (dtype, values) in COLUMNS.items()
    }
    shuffled = [series.shuffle(seed=at) for at, series in enumerate(drawn.values())]
    numbers = pl.int_range(1, count + 1, dtype=pl.Int64, eager=True).alias("_row")
    return pl.DataFrame([numbers, *shuffled])


def contract_of(expressions: list[pl.Expr], *, ignore_na: bool) -> Contract:
    def check(expression: pl.Expr) -> Callable[[Any], pl.LazyFrame]:
        return lambda data: data.lazyframe.select(expression)

    checks = [
        pa.Check(check(expression), name=f"r{at}", ignore_na=ignore_na)
        for at, expression in enumerate(expressions)
    ]
    columns = {name: pa.Column(dtype, nullable=True) for name, (dtype, _) in COLUMNS.items()}
    return Contract.compile(pa.DataFrameSchema(columns, checks=checks))


def test_every_expression_says_the_same(engine: Any) -> None:
    expressions = EVERYWHERE + (IN_DUCKDB if engine.name == "duckdb" else [])
    for start in range(0, len(expressions), 40):
        # A null for an answer breaks the rule here, so that it is told from true and from false.
        strict = contract_of(expressions[start : start + 40], ignore_na=False)
        agree(strict, rows(120), engine)
        opposite = [~expression for expression in expressions[start : start + 40 : 3]]
        agree(contract_of(opposite, ignore_na=True), rows(120), engine)


def test_every_other_expression_is_refused_with_its_reason(engine: Any) -> None:
    expressions = REFUSED + (IN_DUCKDB if engine.name == "postgres" else [])
    with pytest.raises(ContractNotTranslated) as caught:
        contract_of(expressions, ignore_na=True).verify_table(lies_in(engine, rows(20)))
    refused = {problem.where for problem in caught.value.problems}
    assert refused == {f"rule 'r{at}'" for at in range(len(expressions))}
    assert all(problem.reason and problem.fix for problem in caught.value.problems)


TEXTS = [
    *[
        "0",
        "1",
        "-1",
        "+12",
        "-7",
        "007",
        "-0",
        "+0",
        "12.0",
        "1e3",
        "1_000",
        " 12",
        "12 ",
        "--1",
        "+",
        "-",
        "127",
        "128",
        "-128",
        "-129",
        "255",
        "256",
        "32768",
        "65536",
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "00000000000000000000000000000000000000000000012",
        "99999999999999999999999999999999999999999",
        ".5",
        "5.",
        "1.5",
        "-1.50",
        "+1.5",
        "1.",
        ".",
        "1.e3",
        "1E5",
        "1e+3",
        "1e-3",
        "1e",
        "e5",
        "1,5",
        "1e400",
        "-1e400",
        "1e-400",
        "0e999999",
        "1e99999",
        "0x10",
        "1f",
        "1.555",
        "1.550",
        "9999999999.99",
        "10000000000",
        "10000000000.00",
        "0.005",
        "1.5000000000000000000000000000000000000000000000",
        "3.4e38",
        "3.5e38",
        "inf",
        "Inf",
        "-Infinity",
        "+INF",
        "infinit",
        "nan",
        "NaN",
        "-nan",
        "+nan",
        "nano",
        "true",
        "TRUE",
        "tRuE",
        "t",
        "yes",
        "false",
        "FALSE",
        "on",
        "NA",
        "x",
        "y",
        "z",
        "X",
        "2013-01-31",
        "2013-1-1",
        "20130131",
        "2013-01-32",
        "2013-02-29",
        "2012-02-29",
        "1900-02-29",
        "2000-02-29",
        "0000-01-01",
        "0001-01-01",
        "0004-02-29",
        "0100-02-29",
        "9999-12-31",
        "10000-01-01",
        "2013-00-10",
        "2013-13-01",
        "2013-04-31",
        "-2013-01-01",
        "2013-01-00",
        "2013-01-31T09:05",
        "2013-01-31 09:05",
        "2013-01-31T09:05:07",
        "2013-01-31T09:05:07.1",
        "2013-01-31 09:05:07.123456",
        "2013-01-31T09:05:07.123456000",
        "2013-01-31T09:05:07.1234567",
        "2013-01-31T24:00",
        "2013-01-31T23:59:60",
        "2013-01-31T23:60",
        "2013-01-31t09:05",
        "2013-01-31  09:05",
        "2013-01-31T09:05.5",
        "2013-01-31T09:05:07Z",
        "2013-01-31T",
        "2013-01-31T9:05",
        "09:05",
    ],
    *("", "1\n", "\n1", "2013-01-31\n", "true\n", "1\t", "x\n"),
    *("\u0661\u0662", "\u0662\u0660\u0661\u0663-01-01", "1\u00a0", "\uff11"),
]
READ: list[pl.DataType] = [
    *(pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64()),
    *(pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()),
    *(pl.Boolean(), pl.Date(), pl.Datetime("us")),
    *(pl.Decimal(12, 2), pl.Decimal(5, 0), pl.Decimal(2, 2)),
    *(pl.String(), pl.Enum(["x", "y", "1"]), pl.Categorical()),
]  # fmt: skip
READ_IN_DUCKDB: list[pl.DataType] = [pl.Float64(), pl.Float32()]
NOT_READ: list[pl.DataType] = [
    pl.Datetime("us", "UTC"), pl.Datetime("ms"), pl.Time(), pl.Duration("us"), pl.List(pl.String())
]  # fmt: skip


def of_each(dtypes: list[pl.DataType], **options: Any) -> Contract:
    columns = {f"c{at}": pa.Column(dtype, **options) for at, dtype in enumerate(dtypes)}
    return Contract.compile(pa.DataFrameSchema(columns), null_values=["NA", "1.5"])


def test_every_text_is_read_as_the_same_value(engine: Any) -> None:
    dtypes = READ + (READ_IN_DUCKDB if engine.name == "duckdb" else [])
    texts = pl.Series([None, *TEXTS], dtype=pl.String)
    frame = pl.DataFrame([texts.alias(f"c{at}") for at in range(len(dtypes))])
    frame = frame.with_row_index("_row", offset=1).with_columns(pl.col("_row").cast(pl.Int64))
    contract = of_each(dtypes, nullable=True)
    agree(contract, frame, engine)
    flagged = contract.verify_table(lies_in(engine, frame))
    there = flagged.flagged.to_polars().sort("_row")
    values = [there.get_column(flagged.typed[name]).alias(name) for name in contract.columns]
    here = type_cells(frame, contract._facts.columns, contract.null_values).frame
    assert pl.DataFrame(values).cast(dict(here.schema)).equals(here)


def test_texts_of_other_dtypes_are_refused(engine: Any) -> None:
    dtypes = NOT_READ + (READ_IN_DUCKDB if engine.name == "postgres" else [])
    frame = pl.DataFrame({f"c{at}": ["1"] for at in range(len(dtypes))})
    with pytest.raises(ContractNotTranslated) as caught:
        of_each(dtypes).verify_table(lies_in(engine, frame))
    assert {problem.where for problem in caught.value.problems} == {
        f"column 'c{at}'" for at in range(len(dtypes))
    }


def of_other(frame: pl.DataFrame, dtypes: list[pl.DataType]) -> pl.DataFrame:
    """The one column as often as there are dtypes for it to become."""
    copies = [frame.to_series(1).alias(f"c{at}") for at in range(len(dtypes))]
    return pl.DataFrame([frame.get_column("_row"), *copies])


def test_values_of_another_dtype_stay_or_are_refused_as_here(engine: Any) -> None:
    plain = [dtype for dtype in READ if not isinstance(dtype, pl.Enum | pl.Decimal)]
    judged = 0
    for name in ("i", "small", "f", "single", "s", "b", "d", "m", "z", "x"):
        source = COLUMNS[name][0]
        wanted = [*plain, pl.Float64(), pl.Float32(), pl.Datetime("us", "UTC")]
        wanted.append(pl.Decimal(25, 4))
        # Polars raises where a Boolean is to become a Decimal, in whichever direction.
        odd = {pl.Boolean: pl.Decimal, pl.Decimal: pl.Boolean}.get(type(source), pl.Null)
        wanted = [one for one in wanted if not isinstance(one, odd)]
        pair = rows(20).select("_row", name)
        try:
            table = lies_in(engine, of_other(pair, wanted))
            of_each(wanted, nullable=True).verify_table(table)
        except ContractNotTranslated as refusal:
            refused = {problem.where for problem in refusal.problems}
            wanted = [one for at, one in enumerate(wanted) if f"column 'c{at}'" not in refused]
        agree(of_each(wanted, nullable=True), of_other(pair, wanted), engine)
        judged += len(wanted)
    assert judged > 80


SIGNS = st.sampled_from(
    [*r"ab1 \.[]^$(){}|*+?-,:&~2", r"\d", r"\s", r"\.", "[a-b]", "é", "[^a]", "(?:a|b)", "\n"]
)
PATTERNS = st.lists(SIGNS, min_size=1, max_size=8).map("".join)
MATCHED = [
    "",
    "a",
    "b",
    "ab",
    "ba",
    "aab",
    "a b",
    "a\nb",
    "1",
    "\u0661",
    "é",
    "a1",
    "]",
    "\\",
    "^",
    "a\n",
    "\u2003",
    "{2}",
    "aa-",
    "b" * 9,
]
KNOWN = [
    "^[a-z]+$", r"^\d{1,3}$", r"\s", r"^\S+$", r"^\D*$", "[^a]", "a|b$", "(?:a|1)b", "(?P<x>a)b?",
    "a*?b", r"[\]]",
    r"[a\-z]", r"\\", r"\^", "^a|b$", "a.b", "^$", "$", "b{9}", "b{2,}", "[[:alpha:]][[:digit:]]",
    "[^\n]", r"a\n", "[-a]", "[a-]", r"[\d]",
]  # fmt: skip


UNSHRUNK = [Phase.explicit, Phase.generate]
MOST_REPEATS = {"duckdb": 1000, "postgres": 255}


def contains(pattern: str, data: Any) -> pl.LazyFrame:
    found: pl.LazyFrame = data.lazyframe.select(pl.col(data.key).str.contains(pattern))
    return found


def patterns_agree(patterns: list[str], engine: Any) -> int:
    """How many of `patterns` are translated; each of those matches what it matches in Polars."""
    texts = pl.DataFrame({"_row": range(len(MATCHED)), "s": MATCHED})
    readable = []
    for pattern in dict.fromkeys(patterns):
        try:
            texts.select(pl.col("s").str.contains(pattern))
            common_pattern(pattern, MOST_REPEATS[engine.name])
        except (pl.exceptions.PolarsError, NotTranslatedError):
            continue
        readable.append(pattern)
    # Not `str_contains`: that has Python's own `re` read the pattern first.
    checks = [
        pa.Check(partial(contains, pattern), name=f"p{at}") for at, pattern in enumerate(readable)
    ]
    agree(Contract.compile(pa.DataFrameSchema({"s": pa.Column(str, checks)})), texts, engine)
    return len(readable)


def test_known_patterns_match_the_same_texts(engine: Any) -> None:
    assert patterns_agree(KNOWN, engine) == len(KNOWN)


@settings(max_examples=3, deadline=None, phases=UNSHRUNK)
@given(st.lists(PATTERNS, min_size=60, max_size=60))
def test_any_pattern_matches_the_same_texts_or_is_refused(engine: Any, patterns: list[str]) -> None:
    patterns_agree(patterns, engine)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, phases=UNSHRUNK)
@given(st.lists(PATTERNS, min_size=60, max_size=60))
def test_many_more_patterns_match_the_same_texts(engine: Any, patterns: list[str]) -> None:
    patterns_agree(patterns, engine)
