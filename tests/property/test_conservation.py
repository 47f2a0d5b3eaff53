"""The law of conservation, over random files, registers, decisions and interrupted drains.

After every action the law must hold, and after the last one, once everything has drained, what
was delivered must be what a plain reading of the files says: each good record once, nothing else.
Where somebody decided about bad ones, they may have been delivered or left out, and none twice.
"""

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenario import HEADER, Operation, parcels
from sqlalchemy import select

from opsintel_dagster import crashpoints
from opsintel_dagster.crashpoints import CRASH_POINTS
from opsintel_dagster.errors import DecisionRefused, ReferenceDown
from opsintel_dagster.ledger import amendments, case_listing, decisions
from opsintel_dagster.ledger.cases import CaseState
from opsintel_dagster.ledger.decisions import DecisionKind
from opsintel_dagster.ledger.tables import arrival
from opsintel_dagster.orchestration import case_rows, causes
from opsintel_dagster.orchestration.case_rows import CaseRows
from opsintel_dagster.orchestration.decisions import decide
from opsintel_dagster.orchestration.drain import Drain
from opsintel_dagster.orchestration.reports import Conservation, Stage

DEPOT_CODES = ("HAM", "BER", "XXX", "")
WEIGHTS = ("1", "55", "0", "-1", "heavy", "")


Per = str | tuple[str, ...] | None


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    """Few causes have a case of their own, and few rows are a part: each has several."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(causes, "CAUSES_KEPT", 2)
        patched.setattr(case_rows, "PART_ROWS", 2)
        yield


class Killed(BaseException):
    """The process dies here; nothing may catch it."""


@dataclass(frozen=True)
class Row:
    parcel: str
    depot: str
    weight: str
    is_ragged: bool

    @property
    def line(self) -> str:
        cells = [self.parcel, self.depot, self.weight, *([] if self.is_ragged else ["note"])]
        return ",".join(cells) + "\n"

    def fate(self, register: set[str]) -> str:
        """What a person who reads the file would do with the line."""
        is_number = self.weight.lstrip("-").isdigit()
        is_bad = (
            self.is_ragged
            or not self.parcel
            or self.depot not in register
            or not is_number
            or int(self.weight) < 0
        )
        if is_bad:
            return "open"
        return "no_action" if self.weight == "0" else "delivered"


@dataclass(frozen=True)
class Drop:
    """A file comes in; `name` may be one that came before."""

    name: str
    rows: tuple[Row, ...]

    def content(self) -> str:
        return HEADER + "".join(row.line for row in self.rows)


@dataclass(frozen=True)
class Register:
    """The register is corrected."""

    codes: frozenset[str]


@dataclass(frozen=True)
class Run:
    """A drain of some stages, in some order, that may be killed on its way."""

    stages: tuple[Stage, ...]
    killed_at: str | None
    nth: int


@dataclass(frozen=True)
class Deploy:
    """Batches are cut differently from here on, and unknown depots are told apart otherwise."""

    max_rows: int
    max_files: int
    per: Per = None


@dataclass(frozen=True)
class Decide:
    """Somebody answers a case, if there is one to be answered so, and may keep the answer."""

    failure_mode: str
    kind: DecisionKind
    nth: int
    keeps: bool


@dataclass(frozen=True)
class Retire:
    """What was kept first is applied no longer."""


REPAIRS = {"values": {"weight": {"-1": "1", "heavy": "2"}, "depot": {"": "HAM", "XXX": "BER"}}}

parcel_names = st.sampled_from(["P1", "P2", "P3", ""])
rows = st.builds(
    Row, parcel_names, st.sampled_from(DEPOT_CODES), st.sampled_from(WEIGHTS), st.booleans()
)
drops = st.builds(
    Drop,
    st.sampled_from(["a.csv", "b.csv", "c.csv"]),
    st.lists(rows, max_size=5).map(tuple),
)
registers = st.builds(Register, st.frozensets(st.sampled_from(["BER", "XXX"])))
runs = st.builds(
    Run,
    st.lists(st.sampled_from(list(Stage)), min_size=1, max_size=5).map(tuple)
    | st.just(tuple(Stage)),
    st.none() | st.sampled_from(CRASH_POINTS),
    st.integers(1, 2),
)
deploys = st.builds(
    Deploy,
    st.integers(1, 6),
    st.integers(1, 3),
    st.sampled_from([None, "file", ("depot",), ("depot", "weight")]),
)
decides = st.builds(
    Decide,
    st.sampled_from(["unknown_depot", "bad_weight", "unmapped"]),
    st.sampled_from(
        [DecisionKind.DISCARD, DecisionKind.ACCEPT, DecisionKind.REPLAY, DecisionKind.REPAIR]
    ),
    st.integers(0, 4),
    st.booleans(),
)
SOME_BAD = (
    *(Row("P1", "XXX", "1", False), Row("P2", "HAM", "-1", False), Row("P3", "BER", "55", False)),
    *(Row("", "HAM", "heavy", False), Row("P3", "HAM", "1", True), Row("P2", "", "0", False)),
)
beginnings = st.tuples(
    st.just(Drop("a.csv", SOME_BAD)), st.just(Run(tuple(Stage), None, 1)), decides
)
with_decisions = st.builds(
    lambda begun, rest: [*begun, *rest],
    beginnings,
    st.lists(
        drops | decides | decides | st.just(Retire()) | runs | runs | registers | deploys,
        max_size=7,
    ),
)
actions = st.lists(drops | drops | registers | runs | runs | deploys, min_size=2, max_size=10)


def law(operation: Operation, outcome: str = "parcels") -> Conservation:
    report = Drain(operation.compiled[outcome], operation.installation).promise()
    assert report.conservation is not None
    return report.conservation


def run(operation: Operation, action: Run) -> None:
    seen = 0

    def kill(point: str) -> None:
        nonlocal seen
        seen += point == action.killed_at
        if point == action.killed_at and seen == action.nth:
            raise Killed

    stages = Drain(operation.compiled["parcels"], operation.installation)
    crashpoints.on_reached = kill
    try:
        for stage in action.stages:
            getattr(stages, stage.value)()
    except Killed:
        pass
    finally:
        crashpoints.on_reached = None


def deploy(operation: Operation, limits: dict[str, Any], per: Per = None) -> None:
    # A key repeats from file to file here: every record shall be delivered, so none is the key.
    # A route of another name makes it another declaration: what is open is judged again by it.
    routes = [
        {"to": "freight", "when": "weight >= 30", "name": f"heavy {limits.get('max_files', 0)}"},
        {"to": "gate", "when": "weight > 0"},
        {"to": "nowhere", "when": "weight = 0"},
    ]
    first, second = parcels().failure_modes
    modes = [first.model_copy(update={"per": per}), second]
    operation.redeclare(
        operation.outcomes[0], parcels(key=[], batch=limits, routes=routes, failure_modes=modes)
    )


def answer(operation: Operation, action: Decide) -> None:
    with operation.installation.ledger.read() as connection:
        asked = case_listing.of_failure_mode(
            connection, "parcels", action.failure_mode, CaseState.OPEN, limit=5
        )
    if not asked:
        return
    identity = asked[action.nth % len(asked)].id
    with contextlib.suppress(DecisionRefused, ReferenceDown):
        decide(
            operation.installation,
            operation.compiled["parcels"],
            identity,
            action.kind,
            arguments=REPAIRS if action.kind is DecisionKind.REPAIR else {},
            actor="somebody",
            reason="so be it",
            now=datetime.now(UTC),
            keeps=action.keeps,
        )


def retire(operation: Operation) -> None:
    with operation.installation.ledger.write() as connection:
        for row in amendments.listing(connection, ["parcels"])[:1]:
            told = {"actor": "somebody", "reason": "enough", "now": datetime.now(UTC)}
            amendments.retire(connection, "parcels", row.number, **told)


def perform(operation: Operation, action: Any) -> None:
    match action:
        case Drop():
            operation.drop("parcels", action.name, action.content())
        case Register():
            lines = "".join(f"{code},city\n" for code in sorted(action.codes))
            operation.drop("depots", "depots.csv", "code,city\n" + lines)
            operation.drain("depots")
        case Run():
            run(operation, action)
        case Deploy():
            limits = {"max_rows": action.max_rows, "max_files": action.max_files}
            deploy(operation, limits, action.per)
        case Decide():
            answer(operation, action)
        case Retire():
            retire(operation)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(actions)
def test_every_record_is_in_exactly_one_place_whatever_happens(script: Sequence[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        operation = Operation(Path(folder))
        deploy(operation, {})
        try:
            follow(operation, script)
        finally:
            operation.close()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(with_decisions)
def test_whatever_is_decided_no_record_is_lost_or_delivered_twice(script: Sequence[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        operation = Operation(Path(folder))
        deploy(operation, {})
        try:
            follow(operation, script)
        finally:
            operation.close()


def follow(operation: Operation, script: Sequence[Any]) -> None:
    register = {"HAM"}
    perform(operation, Register(frozenset(register)))
    dropped: dict[str, Drop] = {}
    lying: dict[str, str] = {}
    for scripted in script:
        action = scripted
        if isinstance(action, Register):
            register |= action.codes
            action = Register(frozenset(register))  # a code that was good once stays good
        if isinstance(action, Drop):
            lying[action.name] = sha256(action.content().encode()).hexdigest()
            dropped[lying[action.name]] = action
        perform(operation, action)
        counted = law(operation)
        assert counted.problems == ()
        assert counted.holds, counted
        assert_cases_have_their_rows(operation)
    for _ in range(3):
        operation.drain()
    with operation.installation.ledger.read() as connection:
        query = select(arrival.c.name, arrival.c.content).where(
            arrival.c.outcome == "parcels", arrival.c.state == "batched"
        )
        claimed = [tuple(row) for row in connection.execute(query)]
    assert set(lying.items()) <= set(claimed)
    came = [row for _, content in claimed for row in dropped[content].rows]
    operation.assert_simulating_changes_nothing()
    if any(isinstance(action, Decide) for action in script):
        assert_nothing_twice(operation, Counter(row.fate({"HAM"}) for row in came))
    else:
        assert_fates(operation, Counter(row.fate(register) for row in came))


def assert_cases_have_their_rows(operation: Operation) -> None:
    """Each open case finds as many rows in the files as the ledger counts for it."""
    with operation.installation.ledger.read() as connection:
        for case in case_listing.listing(connection, ["parcels"]):
            parts = [*CaseRows.of(operation.installation, connection, case)]
            assert sum(part.height for part in parts) == case.open_rows, case


def assert_nothing_twice(operation: Operation, fates: Counter[str]) -> None:
    """Decisions are about what is open: what was good when it came has reached its place."""
    counted = law(operation)
    assert counted.holds
    assert counted.in_flight == 0
    gate = operation.records("gate_queue")
    freight = operation.files("out/freight")
    records = [*gate, *(freight["_record"] if freight.height else [])]
    assert len(records) == len(set(records)) == counted.delivered
    assert counted.delivered >= fates["delivered"]
    assert counted.no_action >= fates["no_action"]
    assert counted.open + counted.discarded <= fates["open"]
    with operation.installation.ledger.read() as connection:
        assert decisions.requested(connection, "parcels") == []


def assert_fates(operation: Operation, fates: Counter[str]) -> None:
    counted = law(operation)
    assert counted.holds
    assert counted.in_flight == 0
    found = {
        "open": counted.open, "no_action": counted.no_action, "delivered": counted.delivered,
    }  # fmt: skip
    assert found == {fate: fates[fate] for fate in found}
    gate = operation.records("gate_queue")
    freight = operation.files("out/freight")
    records = [*gate, *(freight["_record"] if freight.height else [])]
    assert len(records) == len(set(records)) == fates["delivered"]
