"""Service requests of Boston in 2015, and the people who send them where the city sent them.

The outcome begins with a table that knows nothing: every record is a question, one for each type of
request. People answer the questions; what they have answered again and again is kept.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandera.polars as pa
import polars as pl

from opsintel_dagster import Outcome
from opsintel_dagster.ledger import case_listing
from opsintel_dagster.ledger.decisions import DecisionKind
from opsintel_dagster.orchestration.case_rows import CaseRows
from opsintel_dagster.orchestration.compiled import Compiled, compile_outcomes
from opsintel_dagster.orchestration.decisions import decide
from opsintel_dagster.orchestration.drain import Drain, DrainReport
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.keeping import add, in_force
from opsintel_dagster.orchestration.learning import learn
from opsintel_dagster.orchestration.reading import closed_rows
from opsintel_dagster.settings import Settings

BOSTON = Path(__file__).parents[2] / "shared" / "data" / "boston_311_2015"
COLUMNS = ("CASE_ENQUIRY_ID", "TYPE", "REASON", "neighborhood", "QUEUE")
NAME = "requests"


class Request(pa.DataFrameModel):
    """A request as somebody called it in; where the city sent it is looked at by nobody here."""

    CASE_ENQUIRY_ID: str = pa.Field(unique=True)
    TYPE: str
    REASON: str
    neighborhood: str = pa.Field(nullable=True)
    QUEUE: str = pa.Field(nullable=True)


def desk_of(queue: str) -> str:
    """A queue's name as the name of a route."""
    return "q_" + re.sub(r"[^a-z0-9]+", "_", queue.lower()).strip("_")


def requests(queues: list[str], per: tuple[str, ...] = ("TYPE",)) -> Outcome:
    """The outcome: a desk for each queue, and a table that knows none of them."""
    return Outcome(
        name=NAME,
        promise="Every request reaches the queue that can do something about it.",
        within="1h",
        owner="team:311",
        source={"kind": "files", "path": "inbox/requests/*.csv", "settle": "0s"},
        contract=Request,
        key=["CASE_ENQUIRY_ID"],
        failure_modes=[
            {
                "name": "unknown_request",
                "rules": ["route.none"],
                "per": list(per),
                "human_step": {"does": "reads it and sends it to a queue", "minutes": 2},
            }
        ],
        handoff={desk_of(one): {"kind": "files", "path": f"out/{desk_of(one)}"} for one in queues},
    )


def stretches_of(rows: pl.DataFrame, every: str) -> Iterator[pl.DataFrame]:
    """The requests of each day (`1d`) or week (`1w`), in the order in which they were called in."""
    opened = pl.col("OPEN_DT").str.to_datetime("%m/%d/%Y %I:%M:%S %p", strict=False)
    opened = pl.coalesce(opened, pl.col("OPEN_DT").str.to_datetime(strict=False))
    ordered = rows.with_columns(opened.alias("_at")).sort("_at", maintain_order=True)
    for _, some in ordered.group_by(pl.col("_at").dt.truncate(every), maintain_order=True):
        yield some.select(COLUMNS)


@dataclass
class CityHall:
    """An installation, and the people who answer its questions."""

    root: Path
    queues: list[str]
    per: tuple[str, ...] = ("TYPE",)
    kept: int = 0
    answered: int = 0
    by_hand: int = 0
    untouched: list[tuple[int, int]] = field(default_factory=list)
    """Each time: how many requests came, and how many of them nobody had to look at."""

    def __post_init__(self) -> None:
        self.installation = Installation.open(Settings.below(self.root))
        [self.declared] = compile_outcomes([requests(self.queues, self.per)], location="tests")
        self.inbox = self.root / "inbox" / NAME
        self.inbox.mkdir(parents=True)

    @property
    def compiled(self) -> Compiled:
        """The outcome as it is declared, with what was kept since."""
        with self.installation.ledger.read() as connection:
            return in_force(connection, self.declared)

    def drain(self) -> DrainReport:
        return Drain(self.declared, self.installation).run()

    def take(self, number: int, requests_: pl.DataFrame) -> None:
        """Requests come, people answer what is open, and go home."""
        requests_.write_csv(self.inbox / f"{number:03}.csv")
        report = self.drain()
        assert not report.failures
        self.untouched.append((report.arrivals.records, report.routed.records))
        self.answer()
        report = self.drain()
        assert report.promise.conservation is not None
        assert report.promise.conservation.holds

    def answer(self) -> None:
        """Send each kind of request where all that came were sent; else one by one, by hand."""
        with self.installation.ledger.read() as connection:
            open_cases = case_listing.listing(connection, [NAME])
            parts = {
                case.id: CaseRows.of(self.installation, connection, case) for case in open_cases
            }
        for case in open_cases:
            queues = {queue for part in parts[case.id] for queue in part["QUEUE"]}
            if len(queues) == 1:
                self.decide(case.id, DecisionKind.ROUTE, {"to": desk_of(queues.pop() or "")})
                self.answered += 1
            else:
                self.decide(case.id, DecisionKind.DISCARD, {})
                self.by_hand += 1

    def decide(self, case_id: str, kind: DecisionKind, arguments: dict[str, str]) -> None:
        decide(
            self.installation,
            self.compiled,
            case_id,
            kind,
            arguments=arguments,
            actor="311",
            reason="as the city did",
            now=datetime.now(UTC),
        )

    def keep_what_was_repeated(self) -> None:
        """Keep every proposal; in a city somebody would look at each of them first."""
        found = learn(self.installation, self.compiled, most=1000, simulates=False)
        news = [one.amendment for one in found]
        now = datetime.now(UTC)
        add(self.installation.ledger, self.declared, news, actor="311", reason="repeated", now=now)
        self.kept += len(news)

    def delivered(self) -> pl.DataFrame:
        """Every request that reached a desk, with the rule that sent it there."""
        with self.installation.ledger.read() as connection:
            return closed_rows(self.installation, connection, NAME).collect()
