"""Real departures and a real register: a cause that a person mends once, and for good."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from test_demo_figures import FLIGHTS, drained, put

from opsintel_dagster.cli.demo_source import DemoSource
from opsintel_dagster.ledger import cases
from opsintel_dagster.ledger.decisions import DecisionKind
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.decisions import decide
from opsintel_dagster.orchestration.drain import Drain
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.keeping import amendments_of, in_force, with_new
from opsintel_dagster.orchestration.reading import read
from opsintel_dagster.orchestration.simulation import simulate

SWAPPED = {"lat": {"72.270833": "42.898333"}, "lon": {"42.898333": "-72.270833"}}
"""Keene, New Hampshire, whose latitude stands under longitude, without its sign."""


def test_the_missing_airports_are_one_case_that_the_register_closes(
    installation: Installation, outcomes: dict[str, Compiled], source: DemoSource, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    put(inbox / "airports" / "airports.csv", source.airports.read_bytes())
    put(inbox / "aircraft" / "planes.csv", source.planes.read_bytes())
    for file in source.day_files(2):
        put(inbox / "departures" / file.name, file.read_bytes())
    drained(installation, outcomes, "airport_register", "fleet_register", FLIGHTS)
    identity = cases.case_id(FLIGHTS, "unknown_destination")
    with installation.ledger.read() as connection:
        case = cases.find(connection, identity)
        waiting = cases.open_rows(connection, identity)
    assert case is not None
    assert set(case.facts["values"]) == {"BQN", "PSE", "SJU", "STT"}
    assert waiting == sum(case.facts["values"].values()) > 30
    put(inbox / "airports" / "airports.csv", source.corrected_airports().read_bytes())
    Drain(outcomes["airport_register"], installation).run()
    report = Drain(outcomes[FLIGHTS], installation).run()
    assert report.verified.replayed == waiting
    with installation.ledger.read() as connection:
        case = cases.find(connection, identity)
    assert case is not None
    assert case.state == "closed"
    assert case.closed_by.startswith("reference airport_register changed")


def test_a_kept_answer_does_what_the_simulation_said_and_the_next_file_passes_untouched(
    installation: Installation, outcomes: dict[str, Compiled], source: DemoSource, tmp_path: Path
) -> None:
    register = tmp_path / "inbox" / "airports" / "airports.csv"
    declared = outcomes["airport_register"]
    put(register, source.airports.read_bytes())
    Drain(declared, installation).run()
    identity = cases.case_id(declared.name, "misplaced")
    with installation.ledger.read() as connection:
        now = in_force(connection, declared)
        news = amendments_of(DecisionKind.REPAIR, {"values": SWAPPED})
        after, _ = with_new(connection, declared, news)
        misplaced = cases.open_rows(connection, identity)
    predicted = simulate(installation, after, before=now)
    moved = {f"{one.before} → {one.after}": one.records for one in predicted.moved}
    assert moved == {"quarantine misplaced → route register": 1}
    decide(
        installation,
        declared,
        identity,
        DecisionKind.REPAIR,
        arguments={"values": SWAPPED},
        actor="kim",
        reason="looked up on the chart",
        now=datetime.now(UTC),
        keeps=True,
    )
    report = Drain(declared, installation).run()
    assert report.verified.replayed == 1
    with installation.ledger.read() as connection:
        left = cases.open_rows(connection, identity)
    assert misplaced - left == predicted.next_drain["misplaced"].leave == 1
    published = source.airports.read_text().replace("Dillant Hopkins", "Dillant-Hopkins")
    put(register, published.encode())  # again, with another name and the same slip
    report = Drain(declared, installation).run()
    with installation.ledger.read() as connection:
        assert cases.open_rows(connection, identity) == left
    assert (report.verified.verified, report.routed.by_route) == (1, {"register": 1})
    delivered = read(declared.name, "delivered", settings=installation.settings)
    keene = delivered.filter(pl.col("name").str.contains("Dillant")).collect()
    assert [(row["name"][:15], row["lat"], row["lon"]) for row in keene.to_dicts()] == [
        ("Dillant Hopkins", 42.898333, -72.270833),
        ("Dillant-Hopkins", 42.898333, -72.270833),
    ]
    assert keene["_amended"].to_list() == [["lat", "lon"]] * 2
