"""What an aircraft of the fleets is: something an airline can put passengers on."""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData


class Aircraft(pa.DataFrameModel):
    """One line of the fleet register: the FAA's registry, less what never flies for an airline.

    `year` is the year of manufacture; `speed` (cruise, mph) is hardly ever given.
    """

    tailnum: str = pa.Field(
        str_matches=r"^N[1-9](\d{0,4}|\d{0,3}[A-HJ-NP-Z]|\d{0,2}[A-HJ-NP-Z]{2})$"
    )
    year: int = pa.Field(nullable=True, ge=1935)
    type: str
    manufacturer: str
    model: str
    engines: int = pa.Field(ge=1)
    seats: int = pa.Field(ge=1)
    speed: int = pa.Field(nullable=True)
    engine: str

    @pa.dataframe_check
    @classmethod
    def is_an_airliner(cls, data: PolarsData) -> pl.LazyFrame:
        """It has several turbine engines, and twenty seats or more.

        Registrations that an airline gave up are given out again: N201AA is a Cessna 150 today.
        """
        is_multi = pl.col("type") == "Fixed wing multi engine"
        is_turbine = pl.col("engine").str.starts_with("Turbo-")
        return data.lazyframe.select(is_multi & is_turbine & (pl.col("seats") >= 20))

    @pa.dataframe_check(raise_warning=True)
    @classmethod
    def has_a_year(cls, data: PolarsData) -> pl.LazyFrame:
        """Its year of manufacture is known."""
        return data.lazyframe.select(pl.col("year").is_not_null())
