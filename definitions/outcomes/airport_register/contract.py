"""What a usable airport is: a place in the United States that an aircraft can land at."""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData


class Airport(pa.DataFrameModel):
    """One line of the airport register, as ground data publishes it.

    Coordinates are degrees, `alt` is feet, `tz` hours from UTC, `dst` the daylight saving rule:
    A as in the United States, N none, U unknown.
    """

    faa: str = pa.Field(str_matches=r"^[0-9A-Z]{3}$")
    name: str = pa.Field(str_length={"min_value": 1})
    lat: float
    lon: float
    alt: int
    tz: int
    dst: str = pa.Field(isin=["A", "N", "U"])
    tzone: str = pa.Field(nullable=True)

    @pa.dataframe_check
    @classmethod
    def lies_in_the_united_states(cls, data: PolarsData) -> pl.LazyFrame:
        """It lies in the United States.

        Most misses are a longitude without its minus sign, which puts Phoenix into China; beyond
        180° lie the last of the Aleutians.
        """
        in_the_west = pl.col("lon").is_between(-180, -64) | (pl.col("lon") >= 172)
        is_there = pl.col("lat").is_between(17, 72) & in_the_west & pl.col("tz").is_between(-11, -4)
        return data.lazyframe.select(is_there)

    @pa.dataframe_check
    @classmethod
    def is_one_airport(cls, data: PolarsData) -> pl.LazyFrame:
        """It is one airport; NYC, CHI and WAS stand for all of a city, and nobody lands there."""
        return data.lazyframe.select(pl.col("name") != "All Airports")

    @pa.dataframe_check(raise_warning=True)
    @classmethod
    def has_a_time_zone(cls, data: PolarsData) -> pl.LazyFrame:
        """Its time zone is named, so that local times stay right when the clocks change."""
        return data.lazyframe.select(pl.col("tzone").is_not_null())
