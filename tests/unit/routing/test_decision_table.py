from collections.abc import Mapping

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome import Route
from opsintel_dagster.routing import DecisionTable

COLUMNS: Mapping[str, pl.DataType] = {
    "dep_time": pl.Int64(),
    "dep_delay": pl.Float64(),
    "carrier": pl.String(),
    "is_diverted": pl.Boolean(),
    "flight_date": pl.Date(),
}

DESKS = [
    Route(to="rebooking", when="dep_time IS NULL", name="cancelled"),
    Route(to="care", when="dep_delay >= 180"),
    Route(to="gate", when="dep_delay >= 15"),
    Route(to="nowhere", when="dep_delay < 15"),
]


def flights(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(COLUMNS))


def routed(routes: list[Route], rows: list[dict[str, object]]) -> list[tuple[object, object]]:
    frame = DecisionTable.compile(routes, COLUMNS).route(flights(rows))
    return frame.select("_route", "_route_rule").rows()


def findings(when: str) -> str:
    with pytest.raises(DeclarationError) as caught:
        DecisionTable.compile([Route(to="gate", when=when)], COLUMNS)
    return str(caught.value)


def test_the_first_rule_that_holds_takes_the_row() -> None:
    rows: list[dict[str, object]] = [
        {"dep_time": 900, "dep_delay": 200.0},
        {"dep_time": 900, "dep_delay": 20.0},
        {"dep_time": 900, "dep_delay": 3.0},
        {"dep_time": None, "dep_delay": 300.0},
    ]
    assert routed(DESKS, rows) == [
        ("care", "dep_delay >= 180"),
        ("gate", "dep_delay >= 15"),
        ("nowhere", "dep_delay < 15"),
        ("rebooking", "cancelled"),
    ]


def test_a_condition_that_is_null_does_not_take_the_row() -> None:
    assert routed(DESKS, [{"dep_time": 900, "dep_delay": None}]) == [(None, None)]


def test_not_a_number_counts_as_the_greatest_number_as_in_postgresql() -> None:
    assert routed(DESKS, [{"dep_time": 900, "dep_delay": float("nan")}])[0][0] == "care"


def test_a_rule_without_a_condition_takes_what_is_left() -> None:
    routes = [Route(to="care", when="dep_delay >= 180"), Route(to="gate")]
    assert routed(routes, [{"dep_delay": None}]) == [("gate", "otherwise")]


def test_without_any_rule_no_row_is_taken() -> None:
    assert routed([], [{"dep_delay": 1.0}]) == [(None, None)]


def test_a_frame_without_rows_gets_both_columns_as_text() -> None:
    frame = DecisionTable.compile(DESKS, COLUMNS).route(flights([]))
    assert frame.schema["_route"] == pl.String
    assert frame.schema["_route_rule"] == pl.String
    assert frame.columns == [*COLUMNS, "_route", "_route_rule"]


def test_all_conditions_that_cannot_decide_are_reported_at_once() -> None:
    routes = [Route(to="gate", when="dep_dely > 3"), Route(to="care", when="dep_delay >")]
    with pytest.raises(DeclarationError) as caught:
        DecisionTable.compile(routes, COLUMNS)
    assert [finding.where for finding in caught.value.findings] == [
        "routes[0].when",
        "routes[1].when",
    ]
    assert "no column `dep_dely`" in str(caught.value)


@pytest.mark.parametrize("when", ["dep_delay", "carrier", "dep_delay + 1"])
def test_a_condition_must_be_true_or_false(when: str) -> None:
    assert "not true or false" in findings(when)


@pytest.mark.parametrize(
    "when",
    [
        "SUM(dep_delay) > 3",
        "dep_delay > AVG(dep_delay)",
        "COUNT(*) > 2",
        "MIN(dep_delay) > 1",
        "FIRST(dep_delay) > 1",
        "MEDIAN(dep_delay) > 1",
        "STDDEV(dep_delay) > 1",
        "QUANTILE_CONT(dep_delay, 0.5) > 1",
        "CORR(dep_delay, dep_time) > 1",
        "COUNT(DISTINCT carrier) > 1",
        "dep_delay = MAX(dep_delay) OVER (PARTITION BY carrier)",
        "ROW_NUMBER() OVER (ORDER BY dep_delay) = 1",
        "LAG(dep_delay) OVER (ORDER BY dep_delay) > 1",
        "COLUMNS('^dep_delay$') > 1",
        "dep_delay IN (SELECT 1)",
        "EXISTS (SELECT 1)",
    ],
)
def test_a_condition_that_looks_at_other_rows_is_refused(when: str) -> None:
    assert "looks beyond the record itself" in findings(when)


@pytest.mark.parametrize(
    "when",
    [
        "carrier > 5",
        "flight_date > '2013-01-01'",
        "CAST(carrier AS INT) > 3",
        "carrier ~ '^a('",
        "is_diverted AND 5",
    ],
)
def test_a_condition_that_would_fail_on_a_batch_is_refused_before_any_batch(when: str) -> None:
    assert "fails on values its columns allow" in findings(when)


@pytest.mark.parametrize(
    "when",
    [
        "carrier IN ('UA', 'AA')",
        "carrier = 'Agg'",
        "carrier LIKE 'U%' AND NOT is_diverted",
        "dep_delay BETWEEN 1 AND 3",
        "CASE WHEN is_diverted THEN dep_delay > 1 ELSE FALSE END",
        "TRY_CAST(carrier AS INT) > 3",
        "flight_date >= DATE '2013-01-31'",
        "COALESCE(dep_delay, 0) > 1",
        "UPPER(carrier) = 'UA' OR LENGTH(carrier) > 2",
        "EXTRACT(YEAR FROM flight_date) = 2013",
    ],
)
def test_row_wise_sql_is_taken(when: str) -> None:
    DecisionTable.compile([Route(to="gate", when=when)], COLUMNS)


def test_a_condition_that_fails_on_a_batch_names_itself_and_not_the_data() -> None:
    table = DecisionTable.compile([Route(to="gate", when="carrier = 'UA'")], COLUMNS)
    odd = pl.DataFrame({"carrier": [["secret"]]})
    with pytest.raises(DeclarationError, match="carrier = 'UA'") as caught:
        table.route(odd)
    assert "secret" not in str(caught.value)


# The law: the same answer as going through the table row by row, in plain Python.

Row = dict[str, object]
Decide = bool | None
numbers = st.none() | st.integers(-3, 3).map(float)
words = st.none() | st.sampled_from(["UA", "AA", ""])
rows_of_flights = st.fixed_dictionaries(
    {
        "dep_time": st.none() | st.integers(-3, 3),
        "dep_delay": numbers,
        "carrier": words,
        "is_diverted": st.none() | st.booleans(),
    }
)


class Plain:
    """A condition twice: as SQL, and as the three-valued logic of SQL written out in Python."""

    def __init__(self, sql: str, decide: object) -> None:
        self.sql = sql
        self.decide = decide

    def __repr__(self) -> str:
        return self.sql

    def of(self, row: Row) -> Decide:
        assert callable(self.decide)
        answer: Decide = self.decide(row)
        return answer


def comparison(column: str, sign: str, value: int) -> Plain:
    signs = {
        "<": lambda a: a < value,
        "<=": lambda a: a <= value,
        "=": lambda a: a == value,
        "<>": lambda a: a != value,
        ">": lambda a: a > value,
    }
    return Plain(
        f"{column} {sign} {value}",
        lambda row: None if row[column] is None else signs[sign](row[column]),
    )


def both(left: Plain, right: Plain) -> Plain:
    def decide(row: Row) -> Decide:
        answers = {left.of(row), right.of(row)}
        return False if False in answers else None if None in answers else True

    return Plain(f"({left.sql} AND {right.sql})", decide)


def either(left: Plain, right: Plain) -> Plain:
    def decide(row: Row) -> Decide:
        answers = {left.of(row), right.of(row)}
        return True if True in answers else None if None in answers else False

    return Plain(f"({left.sql} OR {right.sql})", decide)


def negated(inner: Plain) -> Plain:
    def decide(row: Row) -> Decide:
        answer = inner.of(row)
        return None if answer is None else not answer

    return Plain(f"(NOT {inner.sql})", decide)


simple = st.one_of(
    st.builds(
        comparison,
        st.sampled_from(["dep_time", "dep_delay"]),
        st.sampled_from(["<", "<=", "=", "<>", ">"]),
        st.integers(-3, 3),
    ),
    st.sampled_from(
        [
            Plain("is_diverted", lambda row: row["is_diverted"]),
            Plain("dep_time IS NULL", lambda row: row["dep_time"] is None),
            Plain(
                "carrier IN ('UA', '')",
                lambda row: None if row["carrier"] is None else row["carrier"] in {"UA", ""},
            ),
        ]
    ),
)
conditions = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.builds(both, inner, inner), st.builds(either, inner, inner), st.builds(negated, inner)
    ),
    max_leaves=4,
)


@given(
    table=st.lists(st.tuples(st.sampled_from(["gate", "care", "nowhere"]), conditions), max_size=5),
    has_last=st.booleans(),
    rows=st.lists(rows_of_flights, max_size=20),
)
def test_the_table_decides_like_plain_python_row_by_row(
    table: list[tuple[str, Plain]], has_last: bool, rows: list[Row]
) -> None:
    routes = [Route(to=to, when=condition.sql) for to, condition in table]
    routes += [Route(to="rest")] if has_last else []

    def by_hand(row: Row) -> tuple[str | None, str | None]:
        for to, condition in table:
            if condition.of(row) is True:
                return to, condition.sql
        return ("rest", "otherwise") if has_last else (None, None)

    assert routed(routes, rows) == [by_hand(row) for row in rows]
