"""What keeps outcomes from going on is read in few queries, the same from every database."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from opsintel_dagster.ledger import Ledger, attempts, batches, breakers, standing
from opsintel_dagster.ledger.batches import BatchKind, BatchState
from opsintel_dagster.ledger.breakers import BreakerKind
from opsintel_dagster.ledger.tables import batch

NOW = datetime(2026, 6, 1, 10, tzinfo=UTC)


@pytest.fixture
def ledger(database_url: str) -> Ledger:
    opened = Ledger(database_url)
    opened.migrate()
    return opened


def test_batches_that_fail_of_the_same_are_one_reason_and_breakers_name_whom_they_hold_back(
    ledger: Ledger,
) -> None:
    with ledger as opened, opened.write() as connection:
        for number, outcome in enumerate(("parcels", "parcels", "parcels", "others")):
            connection.execute(
                insert(batch).values(
                    id=f"b{number}",
                    outcome=outcome,
                    seq=number + 1,
                    kind=BatchKind.ARRIVALS,
                    state=BatchState.VERIFIED,
                    declaration="x",
                    records=1,
                    reference_versions={},
                    available_at=NOW - timedelta(minutes=number),
                    claimed_at=NOW,
                    attempts=0,
                )
            )
        for number in range(2):
            batches.fail(
                connection,
                f"b{number}",
                failure_class="permission",
                reason="no rights",
                attempts=number + 1,
                next_attempt_at=None,
                is_given_up=True,
            )
        batches.wait(connection, "b2", "depots has delivered nothing", {})
        batches.block(connection, "b3", "receiver desk")
        attempts.note(
            connection,
            "parcels",
            at=NOW,
            batch_id="b0",
            stage="delivered",
            failure_class="dependency_down",
            reason="refused",
            dependency="receiver desk",
            run_id=None,
            next_attempt_at=NOW,
        )
        for name, kind in (
            ("receiver desk", BreakerKind.RECEIVER),
            ("source inbox", BreakerKind.SOURCE),
            ("outcome others", BreakerKind.OUTCOME),
        ):
            breakers.open_(
                connection, name, kind, failure_class="bug", reason="x", retry_at=None, now=NOW
            )
        found = standing.outstanding(connection, ["parcels"])
        assert list(found) == ["parcels"]
        assert (found["parcels"].batches, found["parcels"].oldest) == (
            3,
            NOW - timedelta(minutes=2),
        )
        given_up, waiting = standing.reasons(connection, ["parcels"])["parcels"]
        assert (given_up.batches, given_up.reason, given_up.attempts) == (2, "no rights", 2)
        assert bool(given_up.is_given_up)
        assert (waiting.batches, waiting.failure_class) == (1, None)
        held = standing.held_back(connection, {"parcels": "source inbox", "others": ""})
        assert held.behind == {
            "parcels": {"source inbox": 0, "receiver desk": 0},
            "others": {"receiver desk": 1},
        }
        assert list(held.stops) == ["others"]
        assert standing.last_arrivals(connection, ["parcels"]) == {}
        assert standing.leases(connection, ["parcels"]) == {}
