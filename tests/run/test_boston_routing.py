"""A real history of routing: a table that knew nothing learns from where the city sent requests."""

from pathlib import Path

import polars as pl
import pytest
from boston import BOSTON, CityHall, desk_of, stretches_of

pytestmark = pytest.mark.skipif(not BOSTON.is_dir(), reason="shared data is absent")
EACH = 10_000


def wrong(city: CityHall) -> pl.Series:
    """Of everything that an amendment sent to a desk, whether the city sent it elsewhere."""
    rows = city.delivered().filter(pl.col("_route_rule").str.starts_with("amendment"))
    sent = pl.col("QUEUE").fill_null("").map_elements(desk_of, return_dtype=pl.String)
    return rows.select(sent != pl.col("_route")).to_series()


def test_what_people_answered_again_and_again_is_learned_and_routed_without_them(
    tmp_path: Path,
) -> None:
    rows = pl.read_csv(BOSTON / "boston_311_2015-10-01_14.csv", infer_schema=False)
    often = rows["TYPE"].value_counts(sort=True)["TYPE"].head(12)
    rows = rows.filter(pl.col("TYPE").is_in(often.to_list()))
    city = CityHall(tmp_path, sorted(rows["QUEUE"].unique().drop_nulls()))
    for number, day in enumerate(list(stretches_of(rows, "1d"))[:5], start=1):
        city.take(number, day)
        if number == 3:
            city.keep_what_was_repeated()
    assert [known for _, known in city.untouched[:3]] == [0, 0, 0]
    assert city.kept > 0
    came, known = (sum(column) for column in zip(*city.untouched[3:], strict=True))
    assert 0.1 < known / came < 1
    assert wrong(city).len() == known
    assert wrong(city).mean() == 0
    with city.installation.ledger.read() as connection:
        fired = connection.exec_driver_sql("SELECT sum(fired) FROM opsintel_amendment").scalar()
    assert fired == known


@pytest.mark.slow
def test_a_year_of_boston(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = pl.read_parquet(BOSTON / "boston_311_2015.parquet")
    city = CityHall(tmp_path, sorted(rows["QUEUE"].unique().drop_nulls()))
    lines = []
    came = known = 0
    for week, some in enumerate(stretches_of(rows, "1w"), start=1):
        city.take(week, some)
        city.keep_what_was_repeated()
        came, known = came + city.untouched[-1][0], known + city.untouched[-1][1]
        if came >= EACH:
            lines.append(f"to week {week:2}: {known / came:6.1%} of {came:,} untouched")
            came = known = 0
    judged = wrong(city)
    with capsys.disabled():
        print(f"\n{rows.height:,} requests, {city.kept} amendments kept of what was repeated")
        print(f"{city.answered:,} cases were sent on, {city.by_hand:,} done by hand")
        print("\n".join(lines))
        print(f"{judged.len():,} sent by amendments, {judged.mean():.2%} of them elsewhere")
    assert judged.mean() < 0.1
