"""The drain of `flight_disruptions` written by hand: the same five steps as plain Dagster assets.

It is what a careful engineer writes who knows Dagster and Polars and has no package for it: files
seen are remembered, nothing is lost, bad rows are kept with their reasons, desks are written in one
transaction, the records are counted at the end. What it leaves out: crash safety between the steps,
leases, corrections, replays, pinning, receipts, traces. It does no work that is not needed, and it
has one asset check per rule, as the package has; `MODES` has one per failure mode instead.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl

KEY = ["year", "month", "day", "carrier", "flight", "origin"]
TEXTS = ["carrier", "tailnum", "origin", "dest", "time_hour"]
OPTIONAL = {"dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "air_time"}
COLUMNS = [
    *("year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time"),
    *("sched_arr_time", "arr_delay", "carrier", "flight", "tailnum", "origin", "dest"),
    *("air_time", "distance", "hour", "minute", "time_hour"),
]
NUMBERS = [name for name in COLUMNS if name not in TEXTS]
HOME = ["EWR", "JFK", "LGA"]
WARNINGS = {
    "aircraft_known",
    "cancelled_has_an_aircraft",
    "arrived_directly",
    "midnight_is_zero",
    "speed_is_possible",
}
CHECKS = [
    *(f"{name}__coerce" for name in [*NUMBERS, "time_hour"]),
    *(f"{name}__not_null" for name in COLUMNS if name not in OPTIONAL),
    *("carrier__matches", "flight__in_range", "origin__isin", "dest_known", "aircraft_known"),
    *("goes_somewhere", "schedule_agrees", "clock_times_exist", "delay_agrees"),
    *("cancelled_or_departed", "airborne_has_an_aircraft", "cancelled_has_an_aircraft"),
    *("arrived_somewhere", "arrived_directly", "midnight_is_zero", "speed_is_possible"),
    "key__unique",
]
MODES = {
    "garbled_line": [name for name in CHECKS if "__" in name],
    "contradiction": [
        "schedule_agrees",
        "clock_times_exist",
        "delay_agrees",
        "cancelled_or_departed",
    ],
    "impossible_leg": ["goes_somewhere"],
    "unknown_destination": ["dest_known"],
    "never_arrived": ["arrived_somewhere"],
    "airborne_without_aircraft": ["airborne_has_an_aircraft"],
    "arrived_by_detour": ["arrived_directly"],
    "cancelled_before_assignment": ["cancelled_has_an_aircraft"],
    "unknown_aircraft": ["aircraft_known"],
    "midnight_as_2400": ["midnight_is_zero"],
    "faster_than_possible": ["speed_is_possible"],
}
RULE_BY_RULE = {name: [name] for name in CHECKS}


@dataclass(frozen=True)
class Place:
    """Where the pipeline keeps its things."""

    root: Path

    @property
    def inbox(self) -> Path:
        """Where the files come in."""
        return self.root / "inbox"

    def file(self, stage: str, arrival: str) -> Path:
        """The Parquet file of one stage of one arrival."""
        folder = self.root / "data" / stage
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{arrival}.parquet"

    def connect(self) -> sqlite3.Connection:
        """The database of the desks, which also remembers the files."""
        connection = sqlite3.connect(self.root / "desk.db")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS arrival "
            "(id TEXT PRIMARY KEY, name TEXT, mark TEXT, records INT, stage TEXT)"
        )
        for desk in ("rebooking", "care", "gate"):
            names = ", ".join(f'"{name}"' for name in COLUMNS)
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {desk}_queue "
                f"({names}, record TEXT, PRIMARY KEY ({', '.join(KEY)}))"
            )
        return connection

    def waiting(self, stage: str) -> list[str]:
        """Arrivals whose last stage is `stage`."""
        with self.connect() as connection:
            query = "SELECT id FROM arrival WHERE stage = ? ORDER BY rowid"
            return [row[0] for row in connection.execute(query, (stage,))]

    def advance(self, arrival: str, stage: str) -> None:
        """Note that an arrival has come this far."""
        with self.connect() as connection:
            connection.execute("UPDATE arrival SET stage = ? WHERE id = ?", (stage, arrival))


def rules(airports: pl.DataFrame, planes: pl.DataFrame, raw: pl.DataFrame) -> dict[str, pl.Expr]:
    """What must hold of a row, by rule; over the typed columns, with the raw ones as `raw_…`."""
    minute = {n: pl.col(n) // 100 * 60 + pl.col(n) % 100 for n in ("dep_time", "sched_dep_time")}
    local = pl.col("time_hour").dt.convert_time_zone("America/New_York")
    departed = pl.col("dep_time").is_not_null()
    clocks = [pl.col(name) for name in ("dep_time", "arr_time", "sched_arr_time")]
    after = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")
    found: dict[str, pl.Expr] = {}
    for name in [*NUMBERS, "time_hour"]:
        found[f"{name}__coerce"] = pl.col(f"raw_{name}").is_null() | pl.col(name).is_not_null()
    for name in COLUMNS:
        if name not in OPTIONAL:
            source = f"raw_{name}" if f"raw_{name}" in raw.columns else name
            found[f"{name}__not_null"] = pl.col(source).is_not_null()
    return found | {
        "carrier__matches": pl.col("carrier").str.contains(r"^[0-9A-Z]{2}$"),
        "flight__in_range": pl.col("flight").is_between(1, 9999),
        "origin__isin": pl.col("origin").is_in(HOME),
        "dest_known": pl.col("dest").is_in(airports["faa"].implode()),
        "aircraft_known": pl.col("tailnum").is_in(planes["tailnum"].implode()),
        "goes_somewhere": ~pl.col("dest").is_in(HOME) & (pl.col("distance") > 0),
        "schedule_agrees": (local.dt.year() == pl.col("year"))
        & (local.dt.month() == pl.col("month"))
        & (local.dt.day() == pl.col("day"))
        & (local.dt.hour() == pl.col("hour"))
        & (pl.col("hour") * 100 + pl.col("minute") == pl.col("sched_dep_time"))
        & pl.col("minute").is_between(0, 59),
        "clock_times_exist": pl.all_horizontal(
            (clock.is_between(1, 2400) & (clock % 100 < 60)).fill_null(True) for clock in clocks
        ),
        "delay_agrees": (minute["dep_time"] - minute["sched_dep_time"] - pl.col("dep_delay")) % 1440
        == 0,
        "cancelled_or_departed": (departed & pl.col("dep_delay").is_not_null())
        | pl.all_horizontal(pl.col(name).is_null() for name in after),
        "airborne_has_an_aircraft": ~departed | pl.col("tailnum").is_not_null(),
        "cancelled_has_an_aircraft": departed | pl.col("tailnum").is_not_null(),
        "arrived_somewhere": ~departed | pl.col("arr_time").is_not_null(),
        "arrived_directly": pl.col("arr_time").is_null()
        | (pl.col("air_time").is_not_null() & pl.col("arr_delay").is_not_null()),
        "midnight_is_zero": ~pl.any_horizontal(
            (pl.col(name) == 2400).fill_null(False) for name in ("dep_time", "arr_time")
        ),
        "speed_is_possible": pl.col("distance") * 60 <= pl.col("air_time") * 650,
        "key__unique": ~pl.struct(KEY).is_duplicated(),
    }


def _arrivals(place: Place) -> dg.AssetsDefinition:
    """Step 1: claim."""

    @dg.asset(
        key="arrivals",
        kinds={"csv"},
        check_specs=[dg.AssetCheckSpec(name, asset="arrivals") for name in ("readable", "drift")],
    )
    def arrivals() -> Iterator[object]:
        """Files that are new, as text."""
        records = files = 0
        headers: set[str] = set()
        with place.connect() as connection:
            query = "SELECT name, mark FROM arrival"
            known = dict(connection.execute(query))
        for file in sorted((place.inbox / "departures").glob("*.csv")):
            stat = file.stat()
            mark = f"{stat.st_size} {stat.st_mtime_ns}"
            if known.get(file.name) == mark:
                continue
            content = file.read_bytes()
            arrival = hashlib.sha256(content).hexdigest()[:32]
            rows = pl.read_csv(content, infer_schema=False).with_row_index("row", 1)
            rows.write_parquet(place.file("arrivals", arrival))
            headers.update(set(rows.columns) ^ {*COLUMNS, "row"})
            with place.connect() as connection:
                connection.execute(
                    "INSERT OR IGNORE INTO arrival VALUES (?, ?, ?, ?, 'arrived')",
                    (arrival, file.name, mark, rows.height),
                )
            records += rows.height
            files += 1
        yield dg.MaterializeResult(
            asset_key="arrivals", metadata={"dagster/row_count": records, "files": files}
        )
        yield dg.AssetCheckResult(asset_key="arrivals", check_name="readable", passed=True)
        yield dg.AssetCheckResult(
            asset_key="arrivals",
            check_name="drift",
            passed=not headers,
            metadata={"columns": sorted(headers)},
        )

    return arrivals


def _verified(place: Place, checks: dict[str, list[str]]) -> dg.AssetsDefinition:
    """Step 2: verify; two assets in one pass."""
    specs = [dg.AssetSpec(name, deps=["arrivals"]) for name in ("verified", "quarantine")]
    verdicts = [dg.AssetCheckSpec(name, asset="verified") for name in checks]
    unresolved = dg.AssetCheckSpec("unresolved", asset="quarantine")

    @dg.multi_asset(specs=specs, check_specs=[*verdicts, unresolved], name="verified_quarantine")
    def verified() -> Iterator[object]:
        """Typed rows that keep every rule; the others with the rules they broke."""
        airports = pl.read_csv(place.inbox / "airports" / "airports.csv", columns=["faa"])
        planes = pl.read_csv(place.inbox / "aircraft" / "planes.csv", columns=["tailnum"])
        broken = dict.fromkeys(CHECKS, 0)
        good = bad = 0
        for arrival in place.waiting("arrived"):
            raw = pl.read_parquet(place.file("arrivals", arrival))
            cells = {name: pl.when(pl.col(name) != "NA").then(pl.col(name)) for name in COLUMNS}
            numbers = [cells[name].cast(pl.Int64, strict=False).alias(name) for name in NUMBERS]
            hour = cells["time_hour"].str.to_datetime("%Y-%m-%dT%H:%M:%SZ", strict=False)
            raws = [cells[name].alias(f"raw_{name}") for name in [*NUMBERS, "time_hour"]]
            texts = [cells[name].alias(name) for name in TEXTS if name != "time_hour"]
            utc = hour.dt.replace_time_zone("UTC").alias("time_hour")
            rows = raw.select("row", *numbers, *texts, utc, *raws)
            holds = rules(airports, planes, rows)
            masks = rows.select((~holds[name]).fill_null(False).alias(name) for name in CHECKS)
            for name, count in masks.sum().row(0, named=True).items():
                broken[name] += count
            errors = [name for name in CHECKS if name not in WARNINGS]
            is_bad = masks.select(pl.any_horizontal(errors)).to_series()
            reasons = masks.select(
                pl.concat_list(pl.when(name).then(pl.lit(name)) for name in errors)
                .list.drop_nulls()
                .alias("rules")
            )
            rows.filter(~is_bad).select("row", *COLUMNS).write_parquet(
                place.file("verified", arrival)
            )
            pl.concat([raw, reasons], how="horizontal").filter(is_bad).write_parquet(
                place.file("quarantine", arrival)
            )
            good += int((~is_bad).sum())
            bad += int(is_bad.sum())
            place.advance(arrival, "verified")
        yield dg.MaterializeResult(asset_key="verified", metadata={"dagster/row_count": good})
        for name, about in checks.items():
            count = sum(broken[rule] for rule in about)
            yield dg.AssetCheckResult(
                asset_key="verified",
                check_name=name,
                passed=not count,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"broken": count},
            )
        yield dg.MaterializeResult(asset_key="quarantine", metadata={"dagster/row_count": bad})
        yield dg.AssetCheckResult(
            asset_key="quarantine",
            check_name="unresolved",
            passed=not bad,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"open": bad},
        )

    return verified


def _routed(place: Place) -> dg.AssetsDefinition:
    """Step 3: route."""

    @dg.asset(
        key="routed",
        deps=["verified"],
        check_specs=[dg.AssetCheckSpec("all_routed", asset="routed")],
    )
    def routed() -> Iterator[object]:
        """Verified rows with the desk they go to."""
        counts: dict[str, int] = {}
        lost = 0
        for arrival in place.waiting("verified"):
            delay = pl.col("dep_delay")
            desk = (
                pl.when(pl.col("dep_time").is_null())
                .then(pl.lit("rebooking"))
                .when(delay >= 180)
                .then(pl.lit("care"))
                .when(delay >= 15)
                .then(pl.lit("gate"))
                .when(delay < 15)
                .then(pl.lit("nowhere"))
            )
            rows = pl.read_parquet(place.file("verified", arrival)).with_columns(desk=desk)
            rows.write_parquet(place.file("routed", arrival))
            lost += rows["desk"].null_count()
            for name, count in rows.group_by("desk").len().iter_rows():
                counts[str(name)] = counts.get(str(name), 0) + count
            place.advance(arrival, "routed")
        yield dg.MaterializeResult(
            asset_key="routed",
            metadata={"dagster/row_count": sum(counts.values()), **counts},
        )
        yield dg.AssetCheckResult(asset_key="routed", check_name="all_routed", passed=not lost)

    return routed


def _delivered(place: Place) -> dg.AssetsDefinition:
    """Step 4: hand over."""

    @dg.asset(
        key="delivered",
        deps=["routed"],
        check_specs=[dg.AssetCheckSpec("confirmed", asset="delivered")],
    )
    def delivered() -> Iterator[object]:
        """Rows on their desks, all of an arrival or none."""
        counts: dict[str, int] = {}
        for arrival in place.waiting("routed"):
            rows = pl.read_parquet(place.file("routed", arrival))
            record = pl.concat_str(pl.lit(arrival), pl.col("row").cast(pl.String), separator=":")
            rows = rows.with_columns(record.alias("record"), pl.col("time_hour").cast(pl.String))
            with place.connect() as connection:
                for desk in ("rebooking", "care", "gate"):
                    mine = rows.filter(pl.col("desk") == desk).select(*COLUMNS, "record")
                    marks = ", ".join("?" * len(mine.columns))
                    connection.executemany(
                        f"INSERT OR REPLACE INTO {desk}_queue VALUES ({marks})", mine.iter_rows()
                    )
                    counts[desk] = counts.get(desk, 0) + mine.height
                connection.execute(
                    "UPDATE arrival SET stage = 'delivered' WHERE id = ?", (arrival,)
                )
        yield dg.MaterializeResult(
            asset_key="delivered",
            metadata={"dagster/row_count": sum(counts.values()), **counts},
        )
        yield dg.AssetCheckResult(asset_key="delivered", check_name="confirmed", passed=True)

    return delivered


def _promise(place: Place) -> dg.AssetsDefinition:
    """Step 5: account for everything."""

    @dg.asset(
        key="promise",
        deps=["delivered"],
        check_specs=[
            dg.AssetCheckSpec(name, asset="promise") for name in ("conservation", "deadline")
        ],
    )
    def promise() -> Iterator[object]:
        """Every record is in one place, counted there."""
        with place.connect() as connection:
            query = "SELECT coalesce(sum(records), 0), coalesce(sum(stage <> 'delivered'), 0)"
            received, waiting = connection.execute(f"{query} FROM arrival").fetchone()
            there = sum(
                connection.execute(f"SELECT count(*) FROM {desk}_queue").fetchone()[0]
                for desk in ("rebooking", "care", "gate")
            )
        data = place.root / "data"
        bad = pl.scan_parquet(data / "quarantine" / "*.parquet").select(pl.len()).collect().item()
        routed_rows = pl.scan_parquet(data / "routed" / "*.parquet")
        nowhere = routed_rows.select((pl.col("desk") == "nowhere").sum()).collect().item()
        holds = received == there + nowhere + bad
        yield dg.MaterializeResult(
            asset_key="promise",
            metadata={
                "received": received,
                "delivered": there,
                "no_action": nowhere,
                "open": bad,
            },
        )
        yield dg.AssetCheckResult(asset_key="promise", check_name="conservation", passed=holds)
        yield dg.AssetCheckResult(asset_key="promise", check_name="deadline", passed=not waiting)

    return promise


def handwritten(place: Place, checks: dict[str, list[str]]) -> dg.Definitions:
    """The pipeline; `checks` says which rules each asset check of `verified` is about."""
    assets = [
        _arrivals(place),
        _verified(place, checks),
        _routed(place),
        _delivered(place),
        _promise(place),
    ]
    job = dg.define_asset_job("drain", selection=assets, executor_def=dg.in_process_executor)
    return dg.Definitions(assets=assets, jobs=[job])
