"""How much runs untouched, as an asset whose numbers the Dagster UI plots."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from running import Running

from opsintel_dagster.ledger import entries
from opsintel_dagster.ledger.tables import touch
from opsintel_dagster.orchestration.autonomy import Autonomy, Cause, Period
from opsintel_dagster.orchestration.autonomy_asset import (
    AUTONOMY_KEY,
    MOST_CAUSES,
    MOST_OUTCOMES,
    autonomy_asset,
    autonomy_metadata,
    report_autonomy,
)
from opsintel_dagster.orchestration.keys import outcome_keys
from opsintel_dagster.orchestration.manual_runs import count_run, is_by_hand
from opsintel_dagster.orchestration.watch_cursor import WatchCursor

NOW = datetime(2026, 6, 29, 10, tzinfo=UTC)


def materialize(running: Running) -> dict[str, object]:
    """By hand, as somebody does it in the UI."""
    result = dg.materialize([autonomy_asset()], instance=running.instance)
    (event,) = result.asset_materializations_for_node("opsintel__autonomy")
    return {name: value.value for name, value in event.metadata.items()}


def test_before_the_first_drain_it_measures_nothing_and_makes_no_ledger(running: Running) -> None:
    told = materialize(running)
    assert told["outcomes"] == told["received"] == told["touches"] == 0
    assert "share_untouched" not in told
    assert not running.operation.installation.ledger.exists()


def test_materialized_by_hand_it_tells_totals_and_each_outcome_in_numbers(
    running: Running,
) -> None:
    running.operation.begin()
    with running.operation.installation.ledger.write() as connection:
        entries.touched(connection, "parcels", "ada", "decided", "x", minutes=9)
    told = materialize(running)
    assert (told["outcomes"], told["received"], told["touches"]) == (2, 11, 1)
    assert told["parcels_share_untouched"] == 0.333333
    assert told["parcels_minutes_per_1000"] == 1_000.0
    assert told["parcels_minutes_per_1000_estimated"] == 0.0
    assert told["depots_share_untouched"] == 1.0
    assert told["open_minutes"] == 12.0
    assert "| parcels | 9 | 33.33% | 1 |" in str(told["by_outcome"])
    assert "| parcels | unknown_depot | 2 | 12.0 | 2 |" in str(told["top_causes"])


def test_a_thousand_outcomes_are_told_in_bounds_and_in_full_in_the_totals() -> None:
    period = Period(begins_at=NOW, received=10, through=10, quarantined=1)
    cause = Cause(failure_mode="odd", records=1, open=0, minutes=None, open_minutes=None)
    found = [
        Autonomy(outcome=f"o{n}", whole=period, trend=(period,), causes=(cause,), kinds={})
        for n in range(1_000)
    ]
    told = autonomy_metadata(found)
    assert told["received"] == 10_000
    assert told["share_untouched"] == 0.9
    assert sum(name.endswith("_share_untouched") for name in told) == MOST_OUTCOMES
    causes = told["top_causes"]
    assert isinstance(causes, dg.MarkdownMetadataValue)
    assert len((causes.value or "").splitlines()) == MOST_CAUSES + 2
    assert AUTONOMY_KEY.to_user_string() == "opsintel/autonomy"


def touches(running: Running) -> list[tuple[str, str, str]]:
    with running.operation.installation.ledger.read() as connection:
        return [(row.kind, row.actor, row.subject) for row in connection.execute(touch.select())]


def test_a_run_that_a_person_started_is_one_touch_however_many_stages_it_has(
    running: Running,
) -> None:
    run = running.run("depots")
    assert touches(running) == [("manual run", "somebody in Dagster", run.run_id)]
    some = running.run("depots", ["routed", "promise"])
    assert [subject for _, _, subject in touches(running)] == [run.run_id, some.run_id]


def test_a_run_that_something_started_is_none(running: Running) -> None:
    job = running.repository.get_job("opsintel_drain")
    for tag in ("dagster/sensor_name", "dagster/schedule_name", "opsintel/demo"):
        job.execute_in_process(
            instance=running.instance, asset_selection=outcome_keys("depots"), tags={tag: "it"}
        )
    assert running.operation.installation.ledger.exists()
    assert touches(running) == []


def test_a_run_says_who_started_it_where_dagster_knows_and_asks_nothing_of_a_sensor_s(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.operation.drain("depots")
    ledger = running.operation.installation.ledger
    for _ in range(3):
        count_run(ledger, "depots", "run-1", {"user": "ada@example.com"})
    assert touches(running) == [("manual run", "ada@example.com", "run-1")]
    monkeypatch.setattr(ledger, "read", None)
    count_run(ledger, "depots", "run-2", {"dagster/sensor_name": "opsintel_arrivals"})


@pytest.mark.parametrize(
    ("tags", "is_counted"),
    [
        ({}, True),
        ({"opsintel/outcome": "depots", "dagster/from_ui": "true"}, True),
        ({"dagster/backfill": "b"}, False),
        ({"opsintel/healed_by": "opsintel_watch"}, False),
        ({"dagster/sensor_name": "s", "dagster/parent_run_id": "r"}, True),
        ({"dagster/parent_run_id": "r", "dagster/retry_number": "1"}, False),
    ],
)
def test_tags_tell_a_person_from_what_runs_by_itself(
    tags: dict[str, str], *, is_counted: bool
) -> None:
    assert is_by_hand(tags) is is_counted


def told(running: Running) -> list[dict[str, object]]:
    """What was said of it without a run, oldest first."""
    found = running.instance.fetch_materializations(AUTONOMY_KEY, limit=10).records
    events = [record.asset_materialization for record in reversed(found)]
    return [
        {name: value.value for name, value in event.metadata.items()} for event in events if event
    ]


def test_the_watcher_says_it_once_a_day_and_only_what_is_new(running: Running) -> None:
    running.operation.begin()
    cursor = running.tick(sensor_name="opsintel_watch").cursor
    assert [one["parcels_share_untouched"] for one in told(running)] == [0.333333]
    running.tick(cursor, sensor_name="opsintel_watch")
    running.tick(sensor_name="opsintel_watch")
    assert len(told(running)) == 1

    installation, later = running.operation.installation, datetime.now(UTC) + timedelta(days=1)
    report_autonomy(running.instance, installation, WatchCursor(), later)
    assert len(told(running)) == 1
    with installation.ledger.write() as connection:
        entries.touched(connection, "parcels", "ada", "decided", "x")
    report_autonomy(running.instance, installation, WatchCursor(), later - timedelta(hours=1))
    assert len(told(running)) == 1
    report_autonomy(running.instance, installation, WatchCursor(), later)
    assert [one["touches"] for one in told(running)] == [0, 1]


def test_the_watcher_measures_hourly_and_says_nothing_of_nothing(running: Running) -> None:
    running.operation.drain("depots")
    cursor = running.tick(sensor_name="opsintel_watch").cursor
    assert told(running) == []
    installation, now = running.operation.installation, datetime.now(UTC)
    known = WatchCursor.read(cursor, now)
    assert known.measured is not None
    assert not report_autonomy(running.instance, installation, known, now)
    running.operation.begin()
    assert not report_autonomy(running.instance, installation, known, now)
    assert report_autonomy(running.instance, installation, known, now + timedelta(hours=1))
    assert WatchCursor.read(known.write(now), now).measured == known.measured
