"""When a file is new, known, a correction or a repeat, and what that does to its records."""

import os
from datetime import timedelta
from typing import Any

import pytest
from scenario import DAY_ONE, DEPOTS, HEADER, MORE_DEPOTS, Operation, parcels

from opsintel_dagster.orchestration.drain import Drain, DrainReport
from opsintel_dagster.orchestration.references import current_rows


def files(**options: Any) -> dict[str, Any]:
    return {"kind": "files", "path": "inbox/parcels/*", "settle": "0s", **options}


@pytest.fixture
def ready(operation: Operation) -> Operation:
    operation.drop("depots", "depots.csv", DEPOTS)
    operation.drain("depots")
    return operation


def declare(operation: Operation, **changes: Any) -> None:
    operation.redeclare(operation.outcomes[0], parcels(**changes))


def law_holds(report: DrainReport) -> dict[str, int]:
    law = report.promise.conservation
    assert law is not None
    assert law.problems == ()
    assert law.holds
    return {
        "received": law.received,
        "delivered": law.delivered,
        "unchanged": law.unchanged,
        "superseded": law.superseded,
        "open": law.open,
    }


def test_the_same_file_under_another_name_is_new_by_default(ready: Operation) -> None:
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\n")
    ready.drain()
    ready.drop("parcels", "b.csv", HEADER + "R1,HAM,1,\n")
    assert ready.drain().arrivals.claimed == 1


def test_by_content_the_same_file_under_another_name_is_a_duplicate(ready: Operation) -> None:
    declare(ready, source=files(identity="content"))
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\n")
    ready.drop("parcels", "b.csv", HEADER + "R1,HAM,1,\n")
    report = ready.drain()
    assert (report.arrivals.seen, report.arrivals.claimed, report.arrivals.duplicates) == (2, 1, 1)
    assert report.promise.conservation is not None
    assert report.promise.conservation.arrivals_duplicate == 1
    assert law_holds(report)["received"] == 1


def test_by_name_a_known_name_is_never_new(ready: Operation) -> None:
    declare(ready, source=files(identity="name"))
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\n")
    ready.drain()
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\nR2,HAM,1,\n", age=timedelta(seconds=4))
    report = ready.drain()
    assert (report.arrivals.claimed, report.arrivals.duplicates) == (0, 1)


def test_a_file_that_was_only_touched_is_a_duplicate_and_counted(ready: Operation) -> None:
    path = ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\n")
    ready.drain()
    os.utime(path)
    report = ready.drain()
    assert (report.arrivals.seen, report.arrivals.duplicates) == (1, 1)
    law_holds(report)
    assert ready.drain().arrivals.seen == 0


def test_changed_content_under_a_known_name_is_new_by_default(ready: Operation) -> None:
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\n")
    ready.drain()
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,2,\n")
    report = ready.drain()
    assert law_holds(report)["delivered"] == 2
    assert ready.table("gate_queue") == [("R1", "HAM", 2.0, None)]


def test_a_correction_supersedes_what_is_open_and_delivers_only_what_differs(
    ready: Operation,
) -> None:
    declare(ready, source=files(same_name="correction"))
    ready.drop("parcels", "day1.csv", DAY_ONE)
    ready.drain()
    mended = DAY_ONE.replace("-1", "4").replace("heavy", "7").replace("P1,HAM,2.5", "P1,HAM,2.6")
    ready.drop("parcels", "day1.csv", mended)
    report = ready.drain()
    assert report.arrivals.corrections == 1
    assert (report.verified.unchanged, report.verified.superseded) == (2, 6)
    assert law_holds(report) == {
        "received": 18, "delivered": 5, "unchanged": 2, "superseded": 6, "open": 4,
    }  # fmt: skip
    assert ready.table("gate_queue") == [
        ("P1", "HAM", 2.6, "fragile"),
        ("P4", "BER", 4.0, None),
        ("P5", "BER", 7.0, None),
    ]


def test_a_correction_back_to_what_was_first_is_a_correction_too(ready: Operation) -> None:
    declare(ready, source=files(same_name="correction"))
    for weight in (1, 2, 1):
        ready.drop("parcels", "a.csv", HEADER + f"R1,HAM,{weight},\n")
        report = ready.drain()
    assert report.arrivals.corrections == 1
    assert ready.table("gate_queue") == [("R1", "HAM", 1.0, None)]
    assert law_holds(report)["delivered"] == 3


def test_equal_rows_are_unchanged_as_often_as_they_were_delivered(ready: Operation) -> None:
    declare(ready, source=files(same_name="correction"), key=[])
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\nR1,HAM,1,\n")
    ready.drain()
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\n" * 3)
    report = ready.drain()
    assert (report.verified.unchanged, report.delivered.delivered) == (2, 1)
    law_holds(report)


def test_a_correction_waits_for_the_rows_it_may_find_delivered(ready: Operation) -> None:
    declare(ready, source=files(same_name="correction"))
    (ready.root / "out").write_text("in the way")
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,90,\n")
    assert ready.drain().failures
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,95,\n")
    report = ready.drain()
    assert list(report.verified.waiting.values()) == [
        "the arrivals it corrects are still on their way"
    ]
    law_holds(report)


def test_a_correction_that_is_held_supersedes_nothing_and_the_next_one_all(
    ready: Operation,
) -> None:
    declare(ready, source=files(same_name="correction"), tolerance=0.4)
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\nR2,HAM,1,\nR3,HAM,-1,\n")
    ready.drain()
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,-1,\nR2,HAM,-1,\nR3,HAM,1,\n")
    assert law_holds(ready.drain())["open"] == 4
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\nR2,HAM,1,\nR3,HAM,5,\n")
    report = ready.drain()
    assert law_holds(report) == {
        "received": 9, "delivered": 3, "unchanged": 2, "superseded": 4, "open": 0,
    }  # fmt: skip


@pytest.mark.parametrize("max_files", [1, 10])
def test_a_key_that_comes_again_is_delivered_again_by_default(
    ready: Operation, max_files: int
) -> None:
    declare(ready, batch={"max_files": max_files})
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\n", age=timedelta(seconds=9))
    ready.drop("parcels", "b.csv", HEADER + "R1,HAM,2,\n")
    assert law_holds(ready.drain())["delivered"] == 2
    assert ready.table("gate_queue") == [("R1", "HAM", 2.0, None)]


@pytest.mark.parametrize("max_files", [1, 10])
def test_repeats_that_are_equal_can_be_skipped(ready: Operation, max_files: int) -> None:
    declare(ready, repeats="skip_equal", batch={"max_files": max_files})
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\nR2,HAM,1,\n", age=timedelta(seconds=9))
    ready.drop("parcels", "b.csv", HEADER + "R1,HAM,1,\nR2,HAM,5,\n")
    report = ready.drain()
    assert law_holds(report)["unchanged"] == 1
    ready.drop("parcels", "c.csv", HEADER + "R2,HAM,5,\nR1,HAM,7,\n")
    report = ready.drain()
    assert law_holds(report)["unchanged"] == 2
    assert ready.table("gate_queue") == [("R1", "HAM", 7.0, None), ("R2", "HAM", 5.0, None)]


@pytest.mark.parametrize("max_files", [1, 10])
def test_repeats_can_be_held(ready: Operation, max_files: int) -> None:
    declare(ready, repeats="hold", batch={"max_files": max_files})
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\nR2,HAM,1,\n", age=timedelta(seconds=9))
    ready.drop("parcels", "b.csv", HEADER + "R1,HAM,5,\nR3,HAM,1,\n")
    report = ready.drain()
    assert report.verified.open_by_rule == {"key.repeat": 1}
    assert law_holds(report) == {
        "received": 4, "delivered": 3, "unchanged": 0, "superseded": 0, "open": 1,
    }  # fmt: skip


def test_a_header_only_file_is_an_arrival_of_zero_records(ready: Operation) -> None:
    ready.drop("parcels", "a.csv", HEADER)
    report = ready.drain()
    assert (report.arrivals.claimed, report.arrivals.records) == (1, 0)
    assert report.promise.outstanding_batches == 0
    law_holds(report)


def test_a_file_nothing_can_be_read_from_is_a_case_and_blocks_nobody(ready: Operation) -> None:
    ready.drop("parcels", "a.csv", b"", age=timedelta(seconds=9))
    ready.drop("parcels", "b.csv", HEADER + "R1,HAM,1,\n")
    report = ready.drain()
    assert list(report.arrivals.unreadable) == ["a.csv"]
    assert report.delivered.delivered == 1
    assert report.promise.open_cases == 1
    law_holds(report)
    ready.drop("parcels", "a.csv", HEADER + "R2,HAM,1,\n")
    report = ready.drain()
    assert report.promise.open_cases == 0
    assert law_holds(report)["delivered"] == 2


def test_a_folder_that_vanished_is_reported_and_loses_nothing(ready: Operation) -> None:
    ready.drop("parcels", "day1.csv", DAY_ONE)
    ready.drain()
    (ready.root / "inbox/parcels/day1.csv").unlink()
    (ready.root / "inbox/parcels").rmdir()
    report = ready.drain()
    assert report.arrivals.source_down is not None
    assert law_holds(report)["received"] == 9


def test_a_file_that_is_still_moving_waits_for_the_next_drain(ready: Operation) -> None:
    declare(ready, source=files(settle="2s"))
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\n", age=timedelta())
    assert ready.drain().arrivals.claimed == 1  # it waited the two seconds


def put(operation: Operation, content: str, modified: float) -> None:
    """Put a.csv there with its own modification time, as `mv` and `cp -p` do."""
    path = operation.root / "inbox/parcels/a.csv"
    path.write_text(content)
    os.utime(path, (modified, modified))


def test_two_versions_of_a_file_may_take_turns_with_their_modification_times(
    ready: Operation,
) -> None:
    for _ in range(3):
        put(ready, HEADER + "R1,HAM,1,\n", 1_700_000_000)
        ready.drain()
        put(ready, HEADER + "R1,HAM,2,\n", 1_700_000_100)
        report = ready.drain()
    assert law_holds(report)["received"] == 2
    assert report.promise.conservation is not None
    assert report.promise.conservation.arrivals_duplicate == 4


def test_an_unreadable_version_may_come_back_with_its_modification_time(ready: Operation) -> None:
    for _ in range(2):
        put(ready, "", 1_700_000_000)
        assert ready.drain().promise.open_cases == 1
        put(ready, HEADER + "R1,HAM,2,\n", 1_700_000_100)
        assert ready.drain().promise.open_cases == 0


def test_every_unreadable_version_of_a_file_is_relieved_when_it_is_mended(ready: Operation) -> None:
    for modified, content in enumerate(["", "\n", HEADER + "R1,HAM,2,\n"]):
        put(ready, content, 1_700_000_000 + modified)
        report = ready.drain()
    assert report.promise.open_cases == 0
    law_holds(report)


def test_a_correction_corrects_what_was_read_even_if_an_unreadable_version_came_between(
    ready: Operation,
) -> None:
    declare(ready, source=files(same_name="correction"))
    for content in (HEADER + "R1,HAM,1,\nR2,HAM,-1,\n", "", HEADER + "R1,HAM,1,\nR2,HAM,1,\n"):
        ready.drop("parcels", "a.csv", content)
        report = ready.drain()
    assert law_holds(report) == {
        "received": 4, "delivered": 2, "unchanged": 1, "superseded": 1, "open": 0,
    }  # fmt: skip


def test_what_is_current_waits_for_the_correction_even_if_one_before_it_was_held(
    ready: Operation,
) -> None:
    sound = files(same_name="correction")
    handoff = {"gate": {"kind": "files", "path": "out/gate"}}
    always = [{"to": "gate"}]
    declare(ready, source=sound, tolerance=0.4, handoff=handoff, routes=always)
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,1,\n")
    ready.drain()
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,-1,\n")
    assert ready.drain().verified.held
    ready.drop("parcels", "a.csv", HEADER + "R1,HAM,2,\n")
    stages = Drain(ready.compiled["parcels"], ready.installation)
    stages.arrivals()
    for stage in (stages.verified, stages.routed):
        stage()
        assert current_weights(ready) == [1.0]
    stages.delivered()
    assert current_weights(ready) == [2.0]


def current_weights(operation: Operation) -> list[float]:
    with operation.installation.ledger.read() as connection:
        return list(current_rows(operation.installation, connection, "parcels")["weight"])


def test_a_repeat_is_compared_with_the_newest_row_of_its_key(ready: Operation) -> None:
    declare(ready, repeats="skip_equal")
    weights = range(1, 7)
    for weight in weights:
        ready.drop("parcels", f"{weight}.csv", HEADER + f"R1,HAM,{weight},\n")
        assert ready.drain().verified.unchanged == 0
        ready.drop("parcels", f"{weight}-again.csv", HEADER + f"R1,HAM,{weight},\n")
        assert ready.drain().verified.unchanged == 1


def test_what_is_current_of_a_key_is_its_newest_arrival_even_if_an_older_one_was_replayed_since(
    ready: Operation,
) -> None:
    handoff = {"gate": {"kind": "table", "url": "sqlite:///desk.db", "table": "gate_queue"}}
    declare(ready, handoff=handoff, routes=[{"to": "gate"}])
    ready.drop("parcels", "a.csv", HEADER + "R1,XXX,1,\n")
    ready.drain()
    ready.drop("parcels", "b.csv", HEADER + "R1,HAM,2,\n")
    ready.drain()
    ready.drop("depots", "depots.csv", MORE_DEPOTS)
    ready.drain("depots")
    assert ready.drain().verified.replayed == 1
    assert [row[2] for row in ready.table("gate_queue")] == [2.0]
    assert current_weights(ready) == [2.0]


def test_a_copy_that_comes_with_a_correction_repeats_what_the_correction_left_alone(
    ready: Operation,
) -> None:
    declare(ready, source=files(same_name="correction"), repeats="skip_equal")
    ready.drop("parcels", "a.csv", f"{HEADER}R1,HAM,1,\nR2,HAM,-1,\n")
    ready.drain()
    corrected = f"{HEADER}R1,HAM,1,\nR2,HAM,1,\n"
    ready.drop("parcels", "a.csv", corrected, age=timedelta(seconds=9))
    ready.drop("parcels", "copy.csv", corrected)
    report = ready.drain()
    assert (report.arrivals.batches, report.verified.verified) == (1, 1)
    assert law_holds(report) == {
        "received": 6, "delivered": 2, "unchanged": 3, "superseded": 1, "open": 0,
    }  # fmt: skip


def test_a_correction_may_go_back_to_what_was_said_before_the_last_one(ready: Operation) -> None:
    declare(ready, source=files(same_name="correction"), repeats="skip_equal")
    for weight in (1, 2, 1):
        ready.drop("parcels", "a.csv", f"{HEADER}R1,HAM,{weight},\n")
        assert ready.drain().delivered.delivered == 1
    assert current_weights(ready) == [1.0]
    assert [row[2] for row in ready.table("gate_queue")] == [1.0]


def test_what_a_receiver_refused_was_not_delivered_when_its_key_comes_again(
    ready: Operation,
) -> None:
    declare(ready, repeats="skip_equal")
    ready.drop("parcels", "a.csv", f"{HEADER}R1,HAM,1,\n")
    ready.drain()
    ready.refuse("gate_queue", "R2")
    for name in ("b.csv", "c.csv"):
        ready.drop("parcels", name, f"{HEADER}R2,HAM,1,\n")
        report = ready.drain()
        assert (report.verified.unchanged, report.delivered.refused) == (0, 1)
    assert law_holds(report) == {
        "received": 3, "delivered": 1, "unchanged": 0, "superseded": 0, "open": 2,
    }  # fmt: skip


def test_a_copy_of_a_correction_is_the_same_content_under_whatever_name(ready: Operation) -> None:
    declare(ready, source=files(same_name="correction", identity="content"))
    ready.drop("parcels", "a.csv", f"{HEADER}R1,HAM,1,\n")
    ready.drain()
    ready.drop("parcels", "a.csv", f"{HEADER}R1,HAM,2,\n")
    ready.drain()
    ready.drop("parcels", "copy.csv", f"{HEADER}R1,HAM,2,\n")
    report = ready.drain()
    assert (report.arrivals.duplicates, law_holds(report)["received"]) == (1, 2)
