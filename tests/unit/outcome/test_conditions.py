from typing import Any

import polars as pl
import pytest

from opsintel_dagster.outcome import ConditionError, parse_condition


@pytest.mark.parametrize(
    "text",
    [
        "dep_delay >= 180",
        "dep_time IS NULL",
        "flight IN (1, 2)",
        "carrier NOT IN ('AA', 'UA')",
        "carrier LIKE 'A%' OR carrier ILIKE '%b'",
        "carrier REGEXP '^A'",
        "NOT cancelled AND dep_delay BETWEEN 15 AND 30",
        "day > DATE '2013-01-31'",
        "EXTRACT(YEAR FROM dep_time) = 2013",
        "COALESCE(dep_delay, 0) > GREATEST(flight, 3)",
        "CASE WHEN cancelled THEN TRUE ELSE dep_delay > 3 END",
        "TRY_CAST(carrier AS INT) > 1",
        "ROUND(ABS(dep_delay), 1) % 2 = 1",
        "carrier || 'x' = 'AAx'",
        "carrier = 'now()'",
        "carrier IS DISTINCT FROM 'AA'",
        '"flight" > 1',
    ],
)
def test_a_condition_about_one_record_is_taken(text: str, facts: Any) -> None:
    rows = pl.DataFrame(schema=facts.columns).clear(2)
    assert rows.select(parse_condition(text, facts.columns).expression).to_series().len() == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dep_delay >", "does not parse as SQL; write one SQL condition"),
        ("", "does not parse"),
        ("frobnicate(flight)", "unsupported function"),
        ("dep_dely > 1", "no column `dep_dely`; write `dep_delay`"),
        ("carrier = AA", "no column `AA`; the columns are"),
        ("flights.dep_delay > 3", "no column `flights`; write `flight`"),
        ("dep_delay > AVG(dep_delay)", "beyond the record itself (Agg)"),
        ("SUM(flight) > 1", "beyond the record"),
        ("COUNT(*) > 1", "beyond the record itself (Len)"),
        ("MAX(flight) > 1 OR cancelled", "beyond the record"),
        ("RANK() OVER (ORDER BY flight) > 1", "beyond the record"),
        ("LAG(flight) OVER (ORDER BY flight) > 1", "beyond the record"),
        ("QUANTILE_CONT(dep_delay, 0.5) > 1", "beyond the record"),
        ("CORR(dep_delay, dep_delay) > 0", "beyond the record"),
        ("UNNEST(flight) > 1", "beyond the record"),
        ("flight IN (SELECT 1)", "beyond the record"),
        ("day < CURRENT_DATE", "clock (`CURRENT_DATE`)"),
        ("dep_time < NOW()", "clock (`NOW`)"),
        ("true", "without looking at the record; leave `when` out"),
        ("flight", "it is Int64, not true or false"),
        ("carrier > 3", "fails on values its columns allow"),
        ("CAST(carrier AS INT) > 1", "write TRY_CAST"),
        ("carrier REGEXP '['", "fails on values its columns allow"),
        ("day > '2013-01-31'", "DATE '2013-01-31'"),
    ],
)
def test_a_condition_that_cannot_decide_is_refused(text: str, said: str, facts: Any) -> None:
    with pytest.raises(ConditionError) as raised:
        parse_condition(text, facts.columns)
    assert said in str(raised.value)
