"""One installation, and everything that can go wrong with it, in an order that a seed draws.

A schedule drops files, drains under faults, moves the clock, deploys and asks for another try.
After each step the law must hold and nothing may be delivered twice; in the end, when all faults
are over, every record must be where the files say it belongs.
"""

import random
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import faulty_store
from dropped_files import Dropped, Line
from faulty_files import TRAPS, Traps
from faulty_receiver import ANSWERS, CONFIRMS, Behaviour, in_place
from going_wrong import (
    ERRORS,
    Died,
    Faults,
    Place,
    declared,
    desk_of,
    drain_to_be_killed,
    going_wrong,
    opened,
)
from killed_drain import PROCESSES, WAIT_SECONDS
from sqlalchemy import select

from opsintel_dagster.crashpoints import CRASH_POINTS
from opsintel_dagster.ledger import batches, breakers, case_listing
from opsintel_dagster.ledger.breakers import outcome_breaker
from opsintel_dagster.ledger.tables import delivery
from opsintel_dagster.orchestration import quarantine, trying_again
from opsintel_dagster.orchestration.conservation import count_places
from opsintel_dagster.orchestration.drain import DrainReport
from opsintel_dagster.orchestration.reports import Conservation
from opsintel_dagster.orchestration.troubles import dependencies_of
from opsintel_dagster.outcome import FailureClass

KINDS: Final = ("point", "store", "receiver", "confirm")

LIKELY: Final = [point for point in CRASH_POINTS if point.split(".")[0] != "replay"]
"""Points that a drain comes to whenever there is something to do."""

SIMULATED_EVERY: Final = 4

LONGEST_END: Final = 25
"""Drains within which everything must have come to its place when the faults are over."""


class Laboratory:
    """One schedule; what it draws depends on its seed alone."""

    def __init__(
        self,
        root: Path,
        seed: int,
        *,
        kills: int = 0,
        url: str | None = None,
        begun: Path | None = None,
    ) -> None:
        """Begin where `begun` is, whose database was copied to `url`."""
        self.seed = seed
        self.chance = random.Random(seed)  # noqa: S311  # it has to be drawn again, not to be secret
        self.kills = kills
        self.dropped = Dropped()
        self.register = {"HAM", "BER"}
        self.traps = Traps()
        self.fired: Counter[str] = Counter()
        self.in_doubt = 0
        ledger, desk = (f"sqlite:///{root / name}" for name in ("ledger.db", "desk.db"))
        store = root / "store"
        self.place = Place(
            root,
            url or ledger,
            url or desk,
            faulty_store.url_of(store) if self.chance.random() < 0.5 else str(store),
            self.chance.random() < 0.3,
            self._limits(0),
            timedelta(),
        )
        self.furthest = timedelta()
        shutil.copytree(begun or ready(), root, dirs_exist_ok=True)
        self.operation = opened(self.place)
        self.operation.clock = self.now
        self.desk = desk_of(self.place)

    def now(self) -> datetime:
        """The time as the drains of this laboratory are told it."""
        return datetime.now(UTC) + self.place.offset

    def run(self) -> None:
        """The schedule, from the first file to the last record in its place."""
        steps = self.chance.randint(3, 7)
        try:
            self._drop()
            for at in range(steps):
                self.step(is_last=at == steps - 1)
                self.assert_nothing_is_lost_or_doubled()
            self.end()
        finally:
            self.operation.close()

    def step(self, *, is_last: bool) -> None:
        """Something happens."""
        if self.kills and (is_last or self.chance.random() < 0.4):
            self.kills -= 1
            self.killed()
            return
        weights = {
            self._drop: 4,
            self.drain: 9,
            self._correct: 0 if self.place.asks else 2,
            self._copy: 0 if self.place.asks else 1,
            self._repeat: 1,
            self._garbage: 1,
            self._gain_depot: 1,
            self._move_clock: 3,
            self._deploy: 1,
            self._decide: 1,
        }
        [act] = self.chance.choices(list(weights), list(weights.values()))
        act()

    def drain(self) -> None:
        """A drain during which things go wrong, most often of something that just came in."""
        if self.chance.random() < 0.6:
            self._drop()
        faults = self._faults(self.chance.choice(["died", "died", *ERRORS]))
        error: Exception | None = None
        with going_wrong(faults, self.desk) as behaviour, self.traps.in_place():
            try:
                self.operation.drain(sleep=lambda _seconds: None)
            except Died:
                pass
            except Exception as raised:  # noqa: BLE001  # a whole stage may fail of what was planned
                error = raised
        assert error is None or behaviour.fired, f"nothing had gone wrong: {error!r}"
        self.fired += behaviour.fired
        self._take_in_traps()

    def killed(self) -> None:
        """A drain in a process of its own, which is killed with -9 where it has got to."""
        if self.chance.random() < 0.8:
            self._drop()
        point = self.chance.choice(CRASH_POINTS if self.chance.random() < 0.2 else LIKELY)
        others = self._faults("killed") if self.chance.random() < 0.4 else Faults(how="killed")
        faults = replace(others, point=point, nth=1)
        pipe, theirs = PROCESSES.Pipe()
        process = PROCESSES.Process(
            target=drain_to_be_killed, args=(self.place, faults, theirs), daemon=True
        )
        process.start()
        theirs.close()
        assert pipe.poll(WAIT_SECONDS), "the drain neither reached the point nor finished"
        if pipe.recv() == "reached":
            self.fired["kill -9"] += 1
        process.kill()
        process.join(WAIT_SECONDS)
        pipe.close()

    def end(self) -> None:
        """All faults are over: within some drains everything has come to its place."""
        self.traps.set.clear()
        self.place = _moved(self.place, self.furthest)
        for _ in range(LONGEST_END):
            self.place = _moved(self.place, self.place.offset + timedelta(hours=3))
            with going_wrong(Faults(), self.desk):
                self.operation.drain("depots")  # a desk that was down has kept it, too
                if self._has_given_up():
                    self._decide()
                report = self.operation.drain()
            if self._is_over(report):
                break
        else:
            raise AssertionError(f"it never ends: {report.failures} {report.verified.waiting}")
        self.assert_nothing_is_lost_or_doubled()
        self._assert_everything_is_in_its_place()
        if self.seed % SIMULATED_EVERY == 0:
            self.operation.assert_simulating_changes_nothing()

    def assert_nothing_is_lost_or_doubled(self) -> None:
        """The law, and that no record was taken twice, as things stand now."""
        law = self.law()
        assert law.problems == (), law.problems
        assert law.holds, law
        freight = self.operation.files("out/freight")
        rows = freight.to_dicts() if freight.height else []
        for taken in (rows, self.desk.taken()):
            assert _often(row["_record"] for row in taken) == []
            assert _often((row["parcel"], row["weight"]) for row in taken) == []

    def law(self) -> Conservation:
        """Count the places, without a drain that might mend something."""
        operation = self.operation
        with in_place(Behaviour(), self.desk), operation.installation.ledger.read() as connection:
            return count_places(operation.installation, connection, operation.compiled["parcels"])

    def _assert_everything_is_in_its_place(self) -> None:
        wanted = self.dropped.expected(self.register)
        in_doubt = self._in_doubt()
        doubtful = {parcel for parcel, route in in_doubt.items() if route == "desk"}
        gate = {row[0]: int(row[2]) for row in self.operation.table("gate_queue")}
        freight = self.operation.files("out/freight")
        found = {
            "gate": gate,
            "freight": _newest(freight.to_dicts() if freight.height else []),
            "desk": _newest(self.desk.taken()),
        }
        for place, there in found.items():
            odd = _without(there, doubtful).items() ^ _without(wanted[place], doubtful).items()
            assert odd == set(), f"at the {place} or not: {odd}"
        with self.operation.installation.ledger.read() as connection:
            rows = quarantine.open_rows(self.operation.installation, connection, "parcels")
            open_cases = case_listing.listing(connection, ["parcels"])
        parcels_open = set(rows["parcel"]) if rows.height else set()
        odd = (parcels_open ^ set(wanted["open"])) - set(in_doubt)  # refused when the batch closes
        assert odd == set(), f"open or not: {odd}"
        assert "stopped" not in {case.failure_mode for case in open_cases}

    def _in_doubt(self) -> dict[str, str]:
        """Parcels, by route, of batches with a delivery nobody can say arrived."""
        with self.operation.installation.ledger.read() as connection:
            query = select(delivery.c.batch_id).where(delivery.c.state == "in_doubt")
            found = set(connection.execute(query).scalars())
            paths = [
                file.path
                for batch_id in found
                for file in batches.files_of(connection, batch_id, batches.Role.ROUTED)
            ]
        self.in_doubt = len(found)
        rows = self.operation.installation.store.read(paths)
        return dict(rows.select("parcel", "_route").iter_rows()) if found else {}

    def _is_over(self, report: DrainReport) -> bool:
        with self.operation.installation.ledger.read() as connection:
            left = batches.outstanding(connection, "parcels")
        return all(row.failure_class == FailureClass.IN_DOUBT for row in left) and not (
            set(report.failures) - {row.id for row in left}
        )

    def _has_given_up(self) -> bool:
        with self.operation.installation.ledger.read() as connection:
            waiting = batches.given_up(connection, "parcels")
            stopped = breakers.find(connection, outcome_breaker("parcels"))
        return stopped is not None or any(row.failure_class != "in_doubt" for row in waiting)

    def _faults(self, how: str) -> Faults:
        chance = self.chance
        kinds = chance.sample(KINDS, k=chance.choice([1, 1, 2]), counts=[3, 2, 3, 1])
        ways = [way for way in ANSWERS if way != "reset" or chance.random() < 0.5]
        return Faults(
            chance.choice(CRASH_POINTS) if "point" in kinds else None,
            chance.choice([1, 1, 1, 2]),
            how,
            {chance.randint(1, 12): chance.choice(faulty_store.FAULTS) for _ in range(3)}
            if "store" in kinds
            else {},
            tuple(chance.choices(ways, k=chance.choice([1, 2, 6]))) if "receiver" in kinds else (),
            tuple(chance.choices(CONFIRMS, k=2)) if "confirm" in kinds else (),
        )

    def _drop(self) -> None:
        name = self.dropped.new(self.chance)
        self._write(name)
        if self.chance.random() < 0.3:
            self.traps.set[name] = self.chance.choice(TRAPS)
            self.traps.growth[name] = Line(f"G{name[1:3]}", "HAM", "7", "").text
            self.dropped.fixed.add(name)

    def _correct(self) -> None:
        name = self.dropped.correct(self.chance)
        if name is not None:
            self._write(name)

    def _copy(self) -> None:
        name = self.dropped.copy(self.chance)
        if name is not None:
            self._write(name)

    def _repeat(self) -> None:
        if self.dropped.files:
            name = self.chance.choice(sorted(self.dropped.files))
            self.traps.set.pop(name, None)  # it may have been received: it cannot disappear unseen
            self._write(name)

    def _garbage(self) -> None:
        self.operation.drop("parcels", f"g{self.chance.randint(1, 3)}.parquet", "no such thing")

    def _gain_depot(self) -> None:
        self.register.add("XXX")
        self._tell_register()

    def _tell_register(self) -> None:
        lines = "".join(f"{code},city\n" for code in sorted(self.register))
        self.operation.drop("depots", "depots.csv", f"code,city\n{lines}")
        self.operation.drain("depots")

    def _move_clock(self) -> None:
        minutes = self.chance.choice([1, 5, 45, 120, -10, -180])
        self.place = _moved(self.place, self.place.offset + timedelta(minutes=minutes))
        self.furthest = max(self.furthest, self.place.offset)
        self.fired["clock back" if minutes < 0 else "clock on"] += 1

    def _deploy(self) -> None:
        limits = self._limits(self.place.deployed[-1] + 1)
        self.place = Place(**{**vars(self.place), "deployed": limits})
        self.operation.redeclare(*declared(self.place))

    def _limits(self, version: int) -> tuple[int, int, int]:
        return self.chance.choice([1, 2, 50]), self.chance.choice([2, 3, 10]), version

    def _decide(self) -> None:
        operation = self.operation
        compiled = operation.compiled["parcels"]
        names = dependencies_of(operation.installation, compiled)
        operation.installation.ledger.migrate()
        with operation.installation.ledger.write() as connection:
            trying_again.decided(connection, "parcels", "somebody", names)

    def _write(self, name: str) -> None:
        self.operation.drop("parcels", name, self.dropped.content(name), age=timedelta(0))

    def _take_in_traps(self) -> None:
        for name in self.traps.gone:
            del self.dropped.files[name]
        for name in self.traps.grown:
            self.dropped.grow(name)
        self.traps.gone.clear()
        self.traps.grown.clear()
        self.fired += self.traps.fired
        self.traps.fired.clear()


@cache
def ready(url: str | None = None) -> Path:
    """A folder, and a database at this URL, in which the register is known, to begin with."""
    folder = Path(tempfile.mkdtemp(prefix="opsintel-laboratory-"))
    weakref.finalize(Laboratory, shutil.rmtree, folder, ignore_errors=True)
    ledger, desk = (f"sqlite:///{folder / name}" for name in ("ledger.db", "desk.db"))
    store = str(folder / "store")
    place = Place(folder, url or ledger, url or desk, store, False, (50, 10, 0), timedelta())
    operation = opened(place)
    operation.drop("depots", "depots.csv", "code,city\nBER,city\nHAM,city\n")
    operation.drain("depots")
    operation.close()
    return folder


def _moved(place: Place, offset: timedelta) -> Place:
    return Place(**{**vars(place), "offset": offset})


def _often(values: Iterator[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


def _newest(rows: list[dict[str, Any]]) -> dict[str, int]:
    ordered = sorted(rows, key=lambda row: row["_seq"])
    return {row["parcel"]: int(row["weight"]) for row in ordered}


def _without(there: dict[str, int], doubtful: set[str]) -> dict[str, int]:
    return {parcel: weight for parcel, weight in there.items() if parcel not in doubtful}
