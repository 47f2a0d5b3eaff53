"""The demo's figures worked out a second time: plain Polars on raw lines, without the package.

What the outcomes of `definitions/` mean is written down here again, from the operation's point of
view, so that a slip in a contract, a failure mode or the machinery shows as two figures that
differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

COLUMNS = [
    *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time"),
    *("sched_arr_time", "arr_delay", "carrier", "flight", "tailnum", "origin", "dest"),
    *("air_time", "distance", "hour", "minute", "time_hour"),
]
TEXTS = ("carrier", "tailnum", "origin", "dest", "time_hour")
NUMBERS = tuple(name for name in COLUMNS if name not in TEXTS)
MAY_BE_EMPTY = ("dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "air_time")
KEY = ("year", "month", "day", "carrier", "flight", "origin")
HOME = ["EWR", "JFK", "LGA"]
MINUTES = {
    "file_refused": 15,
    "garbled_line": 8,
    "contradiction": 8,
    "impossible_leg": 5,
    "unknown_destination": 6,
    "never_arrived": 20,
    "airborne_without_aircraft": 5,
    "arrived_by_detour": 4,
    "cancelled_before_assignment": 2,
    "unknown_aircraft": 0.5,
    "midnight_as_2400": 2,
    "faster_than_possible": 3,
}
TOLERATED = 0.2


@dataclass
class Recount:
    """The figures of `flight_disruptions`."""

    arrivals: int = 0
    received: int = 0
    delivered: dict[str, int] = field(default_factory=dict)
    no_action: int = 0
    unchanged: int = 0
    duplicates: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    warned: dict[str, int] = field(default_factory=dict)

    @property
    def minutes(self) -> float:
        """What people would have spent."""
        every = [*self.quarantined.items(), *self.warned.items()]
        return sum(MINUTES[mode] * records for mode, records in every)


def airports_that_count(file: Path) -> pl.DataFrame:
    """Airports a flight can go to: in the United States, and not a whole city."""
    rows = pl.read_csv(file, null_values=["NA"])
    is_west = ((pl.col.lon >= -180) & (pl.col.lon <= -64)) | (pl.col.lon >= 172)
    is_there = (pl.col.lat >= 17) & (pl.col.lat <= 72) & (pl.col.tz >= -11) & (pl.col.tz <= -4)
    return rows.filter(is_west & is_there, pl.col.name != "All Airports")


def aircraft_that_count(file: Path) -> pl.DataFrame:
    """Aircraft an airline flies with: several turbines, twenty seats."""
    rows = pl.read_csv(file, null_values=["NA"])
    return rows.filter(
        pl.col.type == "Fixed wing multi engine",
        pl.col.engine.is_in(["Turbo-fan", "Turbo-jet", "Turbo-prop", "Turbo-shaft"]),
        pl.col.seats >= 20,
    )


def recount(files: Sequence[Path], airports: Path, planes: Path) -> Recount:
    """Work the figures out; `files` in the order in which they were received."""
    result = Recount(arrivals=len(files))
    judged = []
    contents: set[bytes] = set()
    for number, file in enumerate(files):
        content = file.read_bytes()
        if content in contents:
            result.duplicates += 1
            continue
        contents.add(content)
        rows = _judged(content, airports, planes)
        if rows.height:
            judged.append(rows.with_columns(file=pl.lit(number)))
    if not judged:
        return result
    rows = pl.concat(judged)
    result.received = rows.height
    result.quarantined = _counts(rows.filter(pl.col.mode.is_not_null()), "mode")
    good = _without_repeats(rows.filter(pl.col.mode.is_null()))
    result.unchanged = rows.height - sum(result.quarantined.values()) - good.height
    warned = {mode: good.filter(mode).height for mode in WARNINGS}
    result.warned = {mode: records for mode, records in warned.items() if records}
    desk = (
        pl.when(pl.col.dep_time.is_null())
        .then(pl.lit("rebooking"))
        .when(pl.col.dep_delay >= 180)
        .then(pl.lit("care"))
        .when(pl.col.dep_delay >= 15)
        .then(pl.lit("gate"))
        .otherwise(pl.lit("nowhere"))
    )
    desks = _counts(good.with_columns(desk=desk), "desk")
    result.no_action = desks.pop("nowhere", 0)
    result.delivered = {name: desks.get(name, 0) for name in ("rebooking", "care", "gate")}
    return result


WARNINGS = (
    "unknown_aircraft",
    "cancelled_before_assignment",
    "arrived_by_detour",
    "midnight_as_2400",
    "faster_than_possible",
)


def _counts(rows: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(rows.group_by(column).len().sort(column).iter_rows())


def _without_repeats(good: pl.DataFrame) -> pl.DataFrame:
    """Leave out what an earlier file has said already, in the same words."""
    same = [pl.col(name).eq_missing(pl.col(name).shift(1).over(KEY)) for name in COLUMNS]
    is_repeat = (pl.int_range(pl.len()).over(KEY) > 0) & pl.all_horizontal(same)
    return good.filter(~is_repeat)


def _judged(content: bytes, airports: Path, planes: Path) -> pl.DataFrame:
    """One file: typed columns, `mode` of the rows that must wait, a column per warning."""
    header, *lines = content.split(b"\n")
    lines = [line for line in lines if line]
    names = header.decode().split(",")
    cells, is_readable = [], []
    for line in lines:
        try:
            parts = line.decode().split(",")
        except UnicodeDecodeError:
            parts = []
        fits = len(parts) == len(names)
        is_readable.append(fits)
        cells.append(parts if fits else [None] * len(names))
    raw = pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String), orient="row")
    raw = raw.with_columns(
        pl.lit(None, dtype=pl.String).alias(name) for name in COLUMNS if name not in names
    )
    rows, is_garbled = _typed(raw.select(COLUMNS))
    known = airports_that_count(airports)["faa"].implode()
    fleet = aircraft_that_count(planes)["tailnum"].implode()
    rows = rows.with_columns(
        readable=pl.Series(is_readable, dtype=pl.Boolean), garbled=is_garbled
    ).with_columns(**_warnings(fleet))
    rows = rows.with_columns(mode=_mode(known))
    if not set(COLUMNS) <= set(names):
        # What cannot be read cannot be read, whatever the header says.
        refused = pl.when("readable").then(pl.lit("file_refused")).otherwise(pl.lit("garbled_line"))
        return rows.with_columns(mode=refused)
    if rows.height and rows["mode"].is_not_null().mean() > TOLERATED:
        return rows.with_columns(mode=pl.lit("file_refused"))
    return rows


def _typed(raw: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Values instead of texts, and which rows have a cell or a key that is none."""
    is_empty = {name: pl.col(name).is_null() | pl.col(name).is_in(["", "NA"]) for name in COLUMNS}
    is_number = {
        name: pl.col(name).str.contains(r"^[+-]?\d+$")
        & pl.col(name).cast(pl.Int64, strict=False).is_not_null()
        for name in NUMBERS
    }
    is_hour = pl.col("time_hour").str.contains(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
    when = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", strict=False)
    bad = [~is_empty[name] & ~is_number[name] for name in NUMBERS]
    bad += [~is_empty["time_hour"] & ~(is_hour & when.is_not_null())]
    bad += [is_empty[name] for name in COLUMNS if name not in MAY_BE_EMPTY]
    bad += [~is_empty["carrier"] & ~pl.col("carrier").str.contains(r"^[0-9A-Z]{2}$")]
    bad += [~is_empty["origin"] & ~pl.col("origin").is_in(HOME)]
    numbers = [
        pl.when(is_number[name]).then(pl.col(name)).cast(pl.Int64, strict=False).alias(name)
        for name in NUMBERS
    ]
    texts = [
        pl.when(~is_empty[name]).then(pl.col(name)).alias(name)
        for name in TEXTS
        if name != "time_hour"
    ]
    hour = pl.when(is_hour).then(when).dt.replace_time_zone("UTC").alias("time_hour")
    garbled = raw.select(pl.any_horizontal(bad)).to_series()
    rows = raw.select(*numbers, *texts, hour).select(COLUMNS)
    no_flight = rows.select((~pl.col.flight.is_between(1, 9999)).fill_null(False)).to_series()
    has_key = pl.all_horizontal(pl.col(KEY).is_not_null())
    twice = rows.select(has_key & (pl.len().over(KEY) > 1)).to_series()
    return rows, garbled | no_flight | twice


def _warnings(fleet: pl.Expr) -> dict[str, pl.Expr]:
    cancelled = pl.col.dep_time.is_null()
    no_figures = pl.col.air_time.is_null() | pl.col.arr_delay.is_null()
    speed = pl.col.distance / pl.col.air_time * 60
    warnings = {
        "unknown_aircraft": pl.col.tailnum.is_not_null() & ~pl.col.tailnum.is_in(fleet),
        "cancelled_before_assignment": cancelled & pl.col.tailnum.is_null(),
        "arrived_by_detour": pl.col.arr_time.is_not_null() & no_figures,
        "midnight_as_2400": (pl.col.dep_time == 2400) | (pl.col.arr_time == 2400),
        "faster_than_possible": (pl.col.air_time <= 0) | (speed > 650),
    }
    return {mode: holds.fill_null(False) for mode, holds in warnings.items()}


def _mode(known: pl.Expr) -> pl.Expr:
    """The first failure mode a row belongs to, in the order of the declaration."""
    local = pl.col.time_hour.dt.convert_time_zone("America/New_York")
    minutes = {name: pl.col(name) // 100 * 60 + pl.col(name) % 100 for name in NUMBERS}
    late = minutes["dep_time"] - minutes["sched_dep_time"]
    clocks = [pl.col(name) for name in ("dep_time", "arr_time", "sched_arr_time")]
    no_clock = [(clock < 1) | (clock > 2400) | (clock % 100 > 59) for clock in clocks]
    later = [pl.col(name) for name in ("dep_delay", "arr_time", "arr_delay", "air_time")]
    departed = pl.col.dep_time.is_not_null()
    contradiction = [
        local.dt.strftime("%Y-%m-%d").ne(
            pl.format(
                "{}-{}-{}",
                pl.col.year,
                pl.col.month.cast(pl.String).str.zfill(2),
                pl.col.day.cast(pl.String).str.zfill(2),
            )
        ),
        local.dt.hour() != pl.col.hour,
        pl.col.hour * 100 + pl.col.minute != pl.col.sched_dep_time,
        (pl.col.minute < 0) | (pl.col.minute > 59),
        *no_clock,
        (late - pl.col.dep_delay) % 1440 != 0,
        departed & pl.col.dep_delay.is_null(),
        ~departed & pl.any_horizontal(value.is_not_null() for value in later),
    ]
    modes = {
        "garbled_line": ~pl.col.readable | pl.col.garbled,
        "contradiction": pl.any_horizontal(one.fill_null(False) for one in contradiction),
        "impossible_leg": (pl.col.dest.is_in(HOME) | (pl.col.distance <= 0)).fill_null(False),
        "unknown_destination": pl.col.dest.is_not_null() & ~pl.col.dest.is_in(known),
        "never_arrived": departed & pl.col.arr_time.is_null(),
        "airborne_without_aircraft": departed & pl.col.tailnum.is_null(),
    }
    return pl.coalesce(pl.when(holds).then(pl.lit(name)) for name, holds in modes.items())
