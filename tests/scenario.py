"""One awkward operation shared by all tests: parcels, a depot register, and files that go wrong.

`parcels` promises that every parcel reaches its desk; a depot missing from `depots` is healed when
the register gains it. The first day's file holds one record of every kind, so that a test that
forgets a kind is a test of something simpler.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
from sqlalchemy import create_engine, inspect, text

from opsintel_dagster.ledger.tables import metadata
from opsintel_dagster.orchestration.compiled import Compiled, compile_outcomes
from opsintel_dagster.orchestration.drain import Drain, DrainReport
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.simulation import simulate
from opsintel_dagster.outcome import Outcome
from opsintel_dagster.settings import Settings
from opsintel_dagster.verification import in_reference

HEADER = "parcel,depot,weight,note\n"
DAY_ONE = HEADER + (
    "P1,HAM,2.5,fragile\n"  # gate: under 10 kg
    "P2,HAM,80,\n"  # freight: heavy
    "P3,XXX,1,\n"  # depot unknown: heals when the register gains XXX
    "P4,BER,-1,\n"  # weight below zero
    "P5,BER,heavy,\n"  # weight is no number
    "P6,BER\n"  # too few cells
    ",BER,3,\n"  # no parcel number
    "P7,BER,0,\n"  # empty parcel: nowhere
    "P8,YYY,-2,\n"  # two rules at once
)
RECORDS_OF_DAY_ONE = 9
DEPOTS = "code,city\nHAM,Hamburg\nBER,Berlin\n"
MORE_DEPOTS = DEPOTS + "XXX,Cuxhaven\nYYY,Yport\n"


class Depot(pa.DataFrameModel):
    code: str = pa.Field(unique=True)
    city: str = pa.Field(nullable=True)


class Parcel(pa.DataFrameModel):
    parcel: str
    depot: str
    weight: float = pa.Field(ge=0)
    note: str = pa.Field(nullable=True)

    @in_reference("depots.code", column="depot")
    def depot_known(cls) -> None:
        """The depot is in the register."""


def depots(**changes: Any) -> Outcome:
    """The register: every file corrects the one before."""
    return Outcome(
        **{
            "name": "depots",
            "promise": "The register knows every depot.",
            "within": "1h",
            "owner": "team:ground",
            "source": {
                "kind": "files",
                "path": "inbox/depots/*.csv",
                "same_name": "correction",
                "settle": "0s",
            },
            "contract": Depot,
            "key": ["code"],
            "handoff": {
                "register": {"kind": "table", "url": "sqlite:///desk.db", "table": "depots"}
            },
            **changes,
        }
    )


def parcels(**changes: Any) -> Outcome:
    """The outcome under test; `changes` replace fields of it."""
    return Outcome(
        **{
            "name": "parcels",
            "promise": "Every parcel reaches its desk, once.",
            "within": "15m",
            "owner": "team:parcels",
            "source": {"kind": "files", "path": "inbox/parcels/*", "settle": "0s"},
            "contract": Parcel,
            "key": ["parcel"],
            "failure_modes": [
                {
                    "name": "unknown_depot",
                    "rules": ["depot_known"],
                    "human_step": {"does": "asks for the depot to be added", "minutes": 6},
                    "remedy": {"kind": "quarantine", "replay_when": "depots"},
                },
                {"name": "bad_weight", "rules": ["weight.ge", "weight.coerce"]},
            ],
            "routes": [
                {"to": "freight", "when": "weight >= 30", "name": "heavy"},
                {"to": "gate", "when": "weight > 0"},
                {"to": "nowhere", "when": "weight = 0"},
            ],
            "handoff": {
                "freight": {"kind": "files", "path": "out/freight"},
                "gate": {"kind": "table", "url": "sqlite:///desk.db", "table": "gate_queue"},
            },
            **changes,
        }
    )


@dataclass
class Operation:
    """An installation in a folder, its outcomes, and files dropped into their inboxes."""

    root: Path
    outcomes: Sequence[Outcome] = field(default_factory=lambda: (depots(), parcels()))
    ledger_url: str | None = None
    desk_url: str | None = None
    store_url: str | None = None
    clock: Callable[[], datetime] | None = None

    def __post_init__(self) -> None:
        settings = Settings.below(self.root)
        settings = Settings(
            settings.root,
            self.ledger_url or settings.ledger_url,
            self.store_url or settings.store_url,
        )
        self.installation = Installation.open(settings)
        self.redeclare(*self.outcomes)
        for outcome in self.outcomes:
            (self.root / "inbox" / outcome.name).mkdir(parents=True, exist_ok=True)

    def redeclare(self, *outcomes: Outcome) -> None:
        """Deploy other declarations."""
        self.outcomes = outcomes
        self.compiled: dict[str, Compiled] = {
            one.name: one for one in compile_outcomes(outcomes, location="tests")
        }

    def drop(
        self,
        outcome: str,
        name: str,
        content: str | bytes,
        *,
        age: timedelta = timedelta(seconds=5),
    ) -> Path:
        """Put a file into an inbox, as old as `age` says."""
        path = self.root / "inbox" / outcome / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        at = (datetime.now(UTC) - age).timestamp()
        os.utime(path, (at, at))
        return path

    def drain(self, outcome: str = "parcels", **options: Any) -> DrainReport:
        """One pass over what is outstanding, as the assets and the CLI do it."""
        if self.clock is not None:
            options.setdefault("clock", self.clock)
        return Drain(self.compiled[outcome], self.installation, **options).run()

    def begin(self) -> DrainReport:
        """The register and the first day."""
        self.drop("depots", "depots.csv", DEPOTS)
        self.drop("parcels", "day1.csv", DAY_ONE)
        self.drain("depots")
        return self.drain("parcels")

    def assert_simulating_changes_nothing(self) -> None:
        """Judged again by the declarations of now, all history comes to what it came to."""
        for compiled in self.compiled.values():
            with self.installation.ledger.read() as connection:
                is_known = inspect(connection).has_table("opsintel_batch")
            if is_known:
                simulated = simulate(self.installation, compiled, before=compiled)
                assert simulated.moved == (), simulated.moved
                assert simulated.cases == ()

    def table(self, name: str) -> list[tuple[Any, ...]]:
        """What the desk's people see in one of their tables, without our bookkeeping."""
        rows = self._rows(name)
        return [
            tuple(value for column, value in row.items() if not column.startswith("_"))
            for row in rows
        ]

    def refuse(self, name: str, parcel: str) -> None:
        """From now on a table of the desk takes no row about this parcel."""
        engine = create_engine(self.desk_url or f"sqlite:///{self.root / 'desk.db'}")
        try:
            with engine.begin() as connection:
                if engine.dialect.name == "sqlite":
                    refusal = (
                        f"CREATE TRIGGER no_{parcel} BEFORE INSERT ON {name} WHEN "
                        f"NEW.parcel = '{parcel}' BEGIN SELECT RAISE(ABORT, 'not this one'); END"
                    )
                else:
                    refusal = f"ALTER TABLE {name} ADD CHECK (parcel <> '{parcel}')"
                connection.execute(text(refusal))
        finally:
            engine.dispose()

    def records(self, name: str) -> list[str]:
        """Which records (`_record`) a table of the desk holds."""
        return [row["_record"] for row in self._rows(name)]

    def _rows(self, name: str) -> list[dict[str, Any]]:
        engine = create_engine(self.desk_url or f"sqlite:///{self.root / 'desk.db'}")
        try:
            with engine.connect() as connection:
                if not inspect(connection).has_table(name):
                    return []
                rows = connection.execute(text(f'SELECT * FROM "{name}" ORDER BY 1')).mappings()
                return [dict(row) for row in rows]
        finally:
            engine.dispose()

    def files(self, folder: str) -> pl.DataFrame:
        """All rows a file receiver holds."""
        paths = sorted((self.root / folder).glob("*.parquet"))
        return pl.concat([pl.read_parquet(path) for path in paths]) if paths else pl.DataFrame()

    def lose_ledger(self) -> None:
        """Nothing is left of what the ledger knew; store, inboxes and desks are."""
        with self.installation.ledger.write() as connection:
            connection.execute(text("DROP TABLE opsintel_alembic_version"))
            metadata.drop_all(connection)

    def close(self) -> None:
        """Give the ledger's connections back."""
        self.installation.ledger.close()
