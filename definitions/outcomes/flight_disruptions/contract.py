"""What a departure is, and what may be wrong with one."""

from typing import Annotated

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from opsintel_dagster import in_reference


class Departure(pa.DataFrameModel):
    """One scheduled departure from New York, as the operations centre reports it after the day.

    Clock times are local and written as hours and minutes (`517` is 5:17); delays and `air_time`
    are minutes, `distance` is statute miles, `time_hour` is the hour of the schedule in UTC. A
    cancelled flight has no departure time, and nothing that follows from one.
    """

    year: int
    month: int
    day: int
    dep_time: int = pa.Field(nullable=True)
    sched_dep_time: int
    dep_delay: int = pa.Field(nullable=True)
    arr_time: int = pa.Field(nullable=True)
    sched_arr_time: int
    arr_delay: int = pa.Field(nullable=True)
    carrier: str = pa.Field(str_matches=r"^[0-9A-Z]{2}$")
    flight: int = pa.Field(in_range={"min_value": 1, "max_value": 9999})
    tailnum: str = pa.Field(nullable=True)
    origin: str = pa.Field(isin=["EWR", "JFK", "LGA"])
    dest: str
    air_time: int = pa.Field(nullable=True)
    distance: int
    hour: int
    minute: int
    time_hour: Annotated[pl.Datetime, "us", "UTC"]

    @in_reference("airport_register.faa", column="dest")
    @classmethod
    def dest_known(cls) -> None:
        """The destination is in the airport register."""

    @in_reference("fleet_register.tailnum", column="tailnum", raise_warning=True)
    @classmethod
    def aircraft_known(cls) -> None:
        """The aircraft is in the fleet register."""

    @pa.dataframe_check
    @classmethod
    def goes_somewhere(cls, data: PolarsData) -> pl.LazyFrame:
        """It leaves New York: no seats are sold from one of its airports to another."""
        is_away = ~pl.col("dest").is_in(["EWR", "JFK", "LGA"])
        return data.lazyframe.select(is_away & (pl.col("distance") > 0))

    @pa.dataframe_check
    @classmethod
    def schedule_agrees(cls, data: PolarsData) -> pl.LazyFrame:
        """Date, hour, minute, scheduled time and the hour in UTC tell the same time."""
        local = pl.col("time_hour").dt.convert_time_zone("America/New_York")
        is_same = (
            (local.dt.year() == pl.col("year"))
            & (local.dt.month() == pl.col("month"))
            & (local.dt.day() == pl.col("day"))
            & (local.dt.hour() == pl.col("hour"))
            & (pl.col("hour") * 100 + pl.col("minute") == pl.col("sched_dep_time"))
        )
        return data.lazyframe.select(is_same & pl.col("minute").is_between(0, 59))

    @pa.dataframe_check
    @classmethod
    def clock_times_exist(cls, data: PolarsData) -> pl.LazyFrame:
        """Every clock time is one a clock can show, midnight as 2400 included."""
        times = [pl.col(name) for name in ("dep_time", "arr_time", "sched_arr_time")]
        is_time = [one.is_between(1, 2400) & (one % 100 < 60) for one in times]
        return data.lazyframe.select(pl.all_horizontal(one.fill_null(True) for one in is_time))

    @pa.dataframe_check
    @classmethod
    def delay_agrees(cls, data: PolarsData) -> pl.LazyFrame:
        """The departure delay is what lies between the scheduled and the actual departure."""
        actual, planned = (
            (pl.col(name) // 100) * 60 + pl.col(name) % 100
            for name in ("dep_time", "sched_dep_time")
        )
        apart = (actual - planned - pl.col("dep_delay")) % 1440
        return data.lazyframe.select((apart == 0).fill_null(True))

    @pa.dataframe_check
    @classmethod
    def cancelled_or_departed(cls, data: PolarsData) -> pl.LazyFrame:
        """It departed and has a delay, or it was cancelled and has neither delay nor arrival."""
        departed = pl.col("dep_time").is_not_null() & pl.col("dep_delay").is_not_null()
        after = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
        cancelled = pl.all_horizontal(pl.col(name).is_null() for name in after)
        return data.lazyframe.select(departed | cancelled)

    @pa.dataframe_check
    @classmethod
    def airborne_has_an_aircraft(cls, data: PolarsData) -> pl.LazyFrame:
        """A flight that departed names the aircraft it departed with."""
        return data.lazyframe.select(pl.col("dep_time").is_null() | pl.col("tailnum").is_not_null())

    @pa.dataframe_check(raise_warning=True)
    @classmethod
    def cancelled_has_an_aircraft(cls, data: PolarsData) -> pl.LazyFrame:
        """A cancelled flight names the aircraft that was to fly it."""
        departed = pl.col("dep_time").is_not_null()
        return data.lazyframe.select(departed | pl.col("tailnum").is_not_null())

    @pa.dataframe_check
    @classmethod
    def arrived_somewhere(cls, data: PolarsData) -> pl.LazyFrame:
        """A flight that departed has reached its destination, by whatever detour."""
        return data.lazyframe.select(
            pl.col("dep_time").is_null() | pl.col("arr_time").is_not_null()
        )

    @pa.dataframe_check(raise_warning=True)
    @classmethod
    def arrived_directly(cls, data: PolarsData) -> pl.LazyFrame:
        """A flight that arrived has an air time and a delay; after a diversion it has neither."""
        is_direct = pl.col("air_time").is_not_null() & pl.col("arr_delay").is_not_null()
        return data.lazyframe.select(pl.col("arr_time").is_null() | is_direct)

    @pa.dataframe_check(raise_warning=True)
    @classmethod
    def midnight_is_zero(cls, data: PolarsData) -> pl.LazyFrame:
        """No clock time is written 2400, which other systems take for the day before or after."""
        is_2400 = [pl.col(name) == 2400 for name in ("dep_time", "arr_time")]
        return data.lazyframe.select(~pl.any_horizontal(one.fill_null(False) for one in is_2400))

    @pa.dataframe_check(raise_warning=True)
    @classmethod
    def speed_is_possible(cls, data: PolarsData) -> pl.LazyFrame:
        """It was not faster over the ground than 650 mph, or its air time is wrong."""
        is_possible = pl.col("distance") * 60 <= pl.col("air_time") * 650
        return data.lazyframe.select(is_possible.fill_null(True))
