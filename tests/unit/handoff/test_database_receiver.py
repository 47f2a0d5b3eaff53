import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import psycopg2
import pytest
from care_desk import Desk, delivery, rows
from sqlalchemy import MetaData, Table, create_engine, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from opsintel_dagster import crashpoints
from opsintel_dagster.errors import (
    DeliveryRefused,
    LeaseLost,
    ReceiverDown,
    ReceiverUnfit,
    SettingsError,
)
from opsintel_dagster.handoff import Delivery, Guarantee, open_receiver
from opsintel_dagster.outcome import TableReceiver

NO_ZONE = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def test_rows_and_receipt_arrive_together(desk: Desk) -> None:
    sent = rows(1, {"UA1": 20, "AA2": 30})
    receipt = desk.send("d1", sent)
    assert desk.receiver.guarantee is Guarantee.EXACTLY_ONCE
    assert desk.delays() == {"UA1": 20, "AA2": 30}
    assert receipt.records == 2
    assert receipt.detail["applied"] == 2
    assert desk.receiver.find(delivery("d1")) == receipt
    assert desk.confirm("d1", sent).state == "confirmed"
    assert desk.counts() == {"d1": 2}
    controls = desk.sql("SELECT _record, _seq, _delivery FROM care_queue ORDER BY _record")
    assert controls == [("arrival1:1", 1, "d1"), ("arrival1:2", 1, "d1")]


def test_the_same_delivery_again_writes_nothing_and_gives_the_same_receipt(desk: Desk) -> None:
    first = desk.send("d1", rows(1, {"UA1": 20}))
    desk.sql("DELETE FROM care_queue")
    assert desk.send("d1", rows(1, {"UA1": 20})) == first
    assert desk.delays() == {}


def test_nothing_is_found_of_a_delivery_that_was_never_made(desk: Desk) -> None:
    assert desk.receiver.find(delivery("d1")) is None
    desk.send("d1", rows(1, {"UA1": 20}))
    assert desk.receiver.find(delivery("d2")) is None


def test_a_newer_row_of_a_key_replaces_the_older_one(desk: Desk) -> None:
    desk.send("d1", rows(1, {"UA1": 20, "AA2": 30}))
    desk.send("d2", rows(2, {"UA1": 99}))
    assert desk.delays() == {"UA1": 99, "AA2": 30}
    assert desk.counts() == {"d1": 2, "d2": 1}


def test_a_late_retry_never_overwrites_newer_data(desk: Desk) -> None:
    desk.send("d2", rows(2, {"UA1": 99}))
    late = rows(1, {"UA1": 20, "AA2": 30})
    receipt = desk.send("d1", late)
    assert desk.delays() == {"UA1": 99, "AA2": 30}
    assert (receipt.detail["applied"], receipt.detail["outdated"]) == (1, 1)
    assert desk.confirm("d1", late).state == "confirmed"
    assert desk.counts() == {"d1": 2, "d2": 1}


def test_of_two_arrivals_in_one_delivery_the_newer_row_of_a_key_stays(desk: Desk) -> None:
    sent = pl.concat([rows(2, {"UA1": 99}), rows(1, {"UA1": 20, "AA2": 30})])
    receipt = desk.send("d1", sent)
    assert desk.delays() == {"UA1": 99, "AA2": 30}
    assert (receipt.records, receipt.detail["applied"]) == (3, 2)
    assert desk.confirm("d1", sent).state == "confirmed"
    assert desk.counts() == {"d1": 3}


def test_a_row_deleted_by_hand_makes_the_count_and_the_confirmation_fail(desk: Desk) -> None:
    sent = rows(1, {"UA1": 20, "AA2": 30})
    desk.send("d1", sent)
    desk.send("d2", rows(2, {"UA1": 99}))
    desk.sql("DELETE FROM care_queue WHERE flight = 'AA2'")
    assert desk.counts() == {"d1": 1, "d2": 1}
    missing = desk.confirm("d1", sent)
    assert (missing.state, missing.records) == ("missing", 1)
    assert "1 of 2 rows" in missing.reason
    desk.sql("DELETE FROM care_queue WHERE flight = 'UA1'")
    assert desk.counts() == {"d1": 1, "d2": 0}


def test_a_receipt_that_is_gone_counts_for_nothing(desk: Desk) -> None:
    sent = rows(1, {"UA1": 20})
    desk.send("d1", sent)
    desk.sql("DELETE FROM opsintel_receipt")
    assert desk.counts() == {"d1": 0}
    assert desk.confirm("d1", sent).state == "missing"


def test_a_table_that_is_gone_counts_for_nothing(desk: Desk) -> None:
    sent = rows(1, {"UA1": 20})
    desk.send("d1", sent)
    desk.sql("DROP TABLE care_queue")
    assert desk.counts() == {"d1": 0}
    assert desk.confirm("d1", sent).state == "missing"


def test_receipts_count_in_the_table_they_were_written_for(
    open_desk: Callable[..., Desk],
) -> None:
    before = open_desk()
    before.send("d1", rows(1, {"UA1": 20}))
    after = open_desk(table="renamed_queue")
    after.receipts = dict(before.receipts)
    after.send("d2", rows(2, {"UA1": 99}))
    assert after.counts() == {"d1": 1, "d2": 1}


def test_users_of_a_consumed_table_may_delete_what_they_handled(
    open_desk: Callable[..., Desk],
) -> None:
    desk = open_desk(consumed=True)
    sent = rows(1, {"UA1": 20, "AA2": 30})
    desk.send("d1", sent)
    desk.sql("DELETE FROM care_queue")
    assert desk.counts() == {"d1": 2}
    assert desk.confirm("d1", sent).state == "confirmed"


def test_a_zombie_of_an_older_epoch_writes_nothing(desk: Desk) -> None:
    desk.send("d1", rows(1, {"UA1": 20}), epoch=2)
    with pytest.raises(LeaseLost):
        desk.send("d2", rows(2, {"UA1": 99, "AA2": 1}), epoch=1)
    assert desk.delays() == {"UA1": 20}
    assert desk.receiver.find(delivery("d2")) is None


def test_a_zombie_is_stopped_even_where_its_delivery_was_already_made(desk: Desk) -> None:
    desk.send("d1", rows(1, {"UA1": 20}), epoch=2)
    with pytest.raises(LeaseLost):
        desk.send("d1", rows(1, {"UA1": 20}), epoch=1)


def test_epochs_of_other_outcomes_and_routes_do_not_meet(desk: Desk) -> None:
    desk.send("d1", rows(1, {"UA1": 20}), epoch=5)
    other = Delivery("d2", "disruptions", "gate", "b", 1, ("flight",), 1)
    desk.receiver.deliver(other, rows(2, {"AA2": 30}))
    assert desk.delays() == {"UA1": 20, "AA2": 30}


def test_two_drains_at_once_take_turns(desk: Desk) -> None:
    names = [f"d{number}" for number in range(6)]
    threads = [
        Thread(target=desk.send, args=(name, rows(number, {"UA1": number, name: number})))
        for number, name in enumerate(names)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.delays() == {"UA1": 5} | {name: number for number, name in enumerate(names)}
    assert desk.counts() == dict.fromkeys(names, 2)


def test_two_outcomes_may_fill_one_table_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.send("d0", rows(0, {"ZZ9": 7}))  # who creates the tables is alone anyway
    other = Delivery("d2", "another_outcome", "care", "b", 1, ("flight",), 1)
    receipts = [*desk.receipts.values()]
    second = Thread(
        target=lambda: receipts.append(desk.receiver.deliver(other, rows(2, {"UA1": 99})))
    )

    def let_the_second_begin(_: str) -> None:
        monkeypatch.setattr(crashpoints, "on_reached", None)
        second.start()
        second.join(timeout=0.3)
        assert second.is_alive()

    monkeypatch.setattr(crashpoints, "on_reached", let_the_second_begin)
    receipts.append(desk.send("d1", rows(1, {"UA1": 20})))
    second.join()
    assert desk.delays() == {"ZZ9": 7, "UA1": 99}
    assert desk.receiver.count(receipts) == {"d0": 1, "d1": 1, "d2": 1}


def test_a_row_of_the_same_arrival_does_not_replace_the_one_that_is_there(desk: Desk) -> None:
    desk.send("d1", rows(1, {"UA1": 20}))
    receipt = desk.send("d2", rows(1, {"UA1": 99}))
    assert desk.delays() == {"UA1": 20}
    assert receipt.detail["outdated"] == 1
    assert desk.counts() == {"d1": 1, "d2": 1}


def test_a_delivery_of_no_records_has_a_receipt_too(desk: Desk) -> None:
    sent = rows(1, {})
    assert desk.send("d1", sent).records == 0
    assert desk.confirm("d1", sent).state == "confirmed"
    assert desk.counts() == {"d1": 0}


def test_without_a_key_each_record_has_a_row_of_its_own(desk: Desk) -> None:
    desk.send("d1", rows(1, {"UA1": 20}), key=())
    desk.send("d2", rows(2, {"UA1": 30}), key=())
    assert desk.sql("SELECT flight, delay FROM care_queue ORDER BY delay") == [
        ("UA1", 20),
        ("UA1", 30),
    ]
    assert desk.counts() == {"d1": 1, "d2": 1}


def test_a_row_without_its_key_is_refused_before_anything_is_written(desk: Desk) -> None:
    sent = rows(1, {"UA1": 20}).with_columns(flight=pl.lit(None, dtype=pl.String))
    with pytest.raises(DeliveryRefused, match="1 rows have no value in key column flight"):
        desk.send("d1", sent)
    assert desk.tables() == set()


def test_every_type_comes_back_as_it_was(desk: Desk) -> None:
    sent = pl.DataFrame(
        {
            "flight": ["a\rb", "", 'q"\n,', "\\N"],
            "whole": [1, None, -(2**62), 2**62],
            "ratio": [0.1, None, 1e300, -1e-7],
            "price": [Decimal("1.50"), None, Decimal("-99999999.99"), Decimal("0.01")],
            "wide": [2**64 - 1, None, 0, 1],
            "is_open": [True, None, False, True],
            "day": [date(2013, 1, 1), None, date(1, 1, 1), date(9999, 12, 31)],
            "at": [NO_ZONE + timedelta(days=15706, microseconds=456789), None, NO_ZONE, None],
            "seen": [datetime(2013, 1, 1, 5, tzinfo=UTC), None, None, None],
            "clock": [time(23, 59, 59, 123456), None, time(0), None],
            "took": [timedelta(days=1, microseconds=7), None, timedelta(0), timedelta(hours=-1)],
            "raw": [b"\x00\xff", None, b"", b"\\x"],
            "kind": ["x", None, "y", "x"],
            "none": [None] * 4,
            "_record": ["a:1", "a:2", "a:3", "a:4"],
            "_seq": [1] * 4,
        },
        schema_overrides={
            "price": pl.Decimal(10, 2),
            "wide": pl.UInt64,
            "seen": pl.Datetime("ms", "America/New_York"),
            "kind": pl.Categorical,
            "at": pl.Datetime("ns"),
        },
    )
    desk.send("d1", sent, key=("_record",))
    assert desk.confirm("d1", sent, key=("_record",)).state == "confirmed"
    engine = create_engine(desk.url, poolclass=NullPool)
    with engine.connect() as connection:
        table = Table("care_queue", MetaData(), autoload_with=connection)
        back = connection.execute(select(table).order_by(table.c["_record"])).mappings().all()
    for there, expected in zip(back, sent.iter_rows(named=True), strict=True):
        for column, value in expected.items():
            found = there[column]
            if isinstance(value, Decimal) or column == "wide":
                found = None if found is None else type(value or 0)(found)
            if isinstance(found, bytes | memoryview):
                found = bytes(found)
            if column == "seen" and found is not None and found.tzinfo is None:
                found = found.replace(tzinfo=UTC)
            if column == "is_open" and found is not None:
                found = bool(found)
            if column == "took" and isinstance(found, datetime):
                found -= NO_ZONE
            assert found == value, column


def test_awkward_names_are_quoted(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(table="Order")
    sent = rows(1, {"UA1": 20}).rename({"flight": 'sel"ect %(x)s', "delay": "Größe :y"})
    desk.send("d1", sent, key=('sel"ect %(x)s',))
    assert desk.confirm("d1", sent, key=('sel"ect %(x)s',)).state == "confirmed"


def test_an_existing_table_of_the_desk_is_used_as_it_is(desk: Desk) -> None:
    desk.sql(
        "CREATE TABLE care_queue (flight VARCHAR(9) PRIMARY KEY, delay INTEGER, handled BOOLEAN,"
        " _record TEXT, _seq BIGINT, _delivery TEXT)"
    )
    desk.sql("INSERT INTO care_queue (flight, delay) VALUES ('UA1', 1), ('ZZ9', 2)")
    desk.send("d1", rows(1, {"UA1": 20}))
    assert desk.delays() == {"UA1": 20, "ZZ9": 2}
    assert desk.counts() == {"d1": 1}


def test_an_existing_table_that_lacks_a_column_is_refused_with_the_way_out(desk: Desk) -> None:
    desk.sql("CREATE TABLE care_queue (flight TEXT PRIMARY KEY, _record TEXT, _seq BIGINT)")
    with pytest.raises(ReceiverUnfit, match="has no column delay, _delivery") as caught:
        desk.send("d1", rows(1, {"UA1": 20}))
    _follow_the_fix(desk, str(caught.value))
    desk.send("d1", rows(1, {"UA1": 20}))


def test_an_existing_table_whose_key_is_not_unique_is_refused_with_the_way_out(
    desk: Desk,
) -> None:
    desk.sql(
        "CREATE TABLE care_queue (flight TEXT, delay BIGINT, _record TEXT, _seq BIGINT,"
        " _delivery TEXT)"
    )
    desk.sql("CREATE UNIQUE INDEX partly ON care_queue (flight) WHERE delay > 3")
    with pytest.raises(ReceiverUnfit, match="nothing keeps the key") as caught:
        desk.send("d1", rows(1, {"UA1": 20}))
    _follow_the_fix(desk, str(caught.value))
    desk.send("d1", rows(1, {"UA1": 20}))


def _follow_the_fix(desk: Desk, message: str) -> None:
    statements = message.partition("run ")[2]
    for statement in filter(None, (one.strip() for one in statements.split(";"))):
        desk.sql(statement)


def test_a_schema_may_stand_before_the_table(postgres_url: str, tmp_path: Path) -> None:
    engine = create_engine(postgres_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA desks"))
    spec = TableReceiver(url=postgres_url, table="desks.care_queue")
    receiver = open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")
    sent = rows(1, {"UA1": 20})
    receipt = receiver.deliver(delivery("d1"), sent)
    receiver.deliver(delivery("d2"), rows(2, {"UA1": 30}))
    assert receiver.confirm(delivery("d1"), receipt, sent).state == "confirmed"
    assert receiver.count([receipt]) == {"d1": 1}
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM desks.care_queue")).scalar() == 1


def test_what_the_database_will_not_take_is_refused_without_quoting_it(desk: Desk) -> None:
    desk.sql(
        "CREATE TABLE care_queue (flight TEXT PRIMARY KEY, delay BIGINT CHECK (delay < 50),"
        " _record TEXT, _seq BIGINT, _delivery TEXT)"
    )
    with pytest.raises(DeliveryRefused) as caught:
        desk.send("d1", rows(1, {"SECRET7": 987654321}))
    assert "constraint" in str(caught.value).lower()
    assert "SECRET7" not in str(caught.value)
    assert "987654321" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert desk.delays() == {}
    assert desk.receiver.find(delivery("d1")) is None


def test_a_value_of_another_type_than_the_column_is_refused_without_quoting_it(
    postgres_url: str, tmp_path: Path
) -> None:
    engine = create_engine(postgres_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE care_queue (flight VARCHAR(3) PRIMARY KEY, delay INT,"
                " _record TEXT, _seq BIGINT, _delivery TEXT)"
            )
        )
    spec = TableReceiver(url=postgres_url, table="care_queue")
    receiver = open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")
    with pytest.raises(DeliveryRefused, match=r"value too long for type character varying\(3\)"):
        receiver.deliver(delivery("d1"), rows(1, {"SECRET7": 77}))


@pytest.mark.parametrize("value", ["a\0b"])
def test_text_that_postgresql_cannot_hold_is_refused(
    value: str, postgres_url: str, tmp_path: Path
) -> None:
    spec = TableReceiver(url=postgres_url, table="care_queue")
    receiver = open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")
    with pytest.raises(DeliveryRefused, match="invalid byte sequence"):
        receiver.deliver(delivery("d1"), rows(1, {value: 1}))


def test_nested_values_are_refused_with_the_column(desk: Desk) -> None:
    sent = rows(1, {"UA1": 20}).with_columns(legs=pl.lit([["JFK"]]))
    with pytest.raises(ReceiverUnfit, match="column legs is List"):
        desk.send("d1", sent)


def test_a_server_that_is_not_there_is_down_and_its_password_is_not_shown(tmp_path: Path) -> None:
    url = "postgresql+psycopg2://desk:hunter22@127.0.0.1:1/desk?connect_timeout=2&sslpassword=tops3cret"
    spec = TableReceiver(url=url, table="care_queue")
    receiver = open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")
    with pytest.raises(ReceiverDown) as caught:
        receiver.deliver(delivery("d1"), rows(1, {"UA1": 20}))
    shown = [str(caught.value), repr(receiver), receiver.address, str(receiver.check()), repr(spec)]
    assert caught.value.__cause__ is not None
    shown.append(str(caught.value.__cause__))
    assert not any("hunter22" in one or "tops3cret" in one for one in shown)
    assert receiver.check() is not None


def test_a_server_that_goes_away_in_the_middle_of_a_delivery_has_refused_nothing(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psycopg2 calls it an error in the database; the mark that the connection is lost decides."""
    spec = TableReceiver(url=postgres_url, table="care_queue")
    receiver = open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")

    def goes_away(point: str) -> None:
        if point == "deliver.staged":
            words = "server closed the connection unexpectedly"
            cut = psycopg2.DatabaseError(words)
            raise DatabaseError("INSERT", {}, cut, connection_invalidated=True)

    monkeypatch.setattr(crashpoints, "on_reached", goes_away)
    with pytest.raises(ReceiverDown, match="server closed the connection"):
        receiver.deliver(delivery("d1"), rows(1, {"UA1": 20}))
    monkeypatch.undo()
    assert receiver.deliver(delivery("d1"), rows(1, {"UA1": 20})).records == 1


def test_a_receiver_can_be_checked_without_leaving_a_trace(desk: Desk, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    assert desk.receiver.check() is None
    assert sorted(tmp_path.iterdir()) == before
    desk.send("d1", rows(1, {"UA1": 20}))
    assert desk.receiver.check() is None


def test_a_relative_sqlite_file_lies_below_the_root_and_its_folder_is_made(tmp_path: Path) -> None:
    spec = TableReceiver(url="sqlite:///desks/care.db", table="care_queue")
    receiver = open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")
    receiver.deliver(delivery("d1"), rows(1, {"UA1": 20}))
    assert (tmp_path / "desks" / "care.db").is_file()


def test_a_sqlite_folder_that_is_gone_is_down_and_not_empty(tmp_path: Path) -> None:
    spec = TableReceiver(url="sqlite:///desks/care.db", table="care_queue")
    receiver = open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")
    with pytest.raises(ReceiverDown, match="there is no folder"):
        receiver.count([])


def test_a_file_that_is_no_database_is_not_delivered_to(tmp_path: Path) -> None:
    (tmp_path / "care.db").write_text("this is a letter to somebody, not a database" * 50)
    spec = TableReceiver(url="sqlite:///care.db", table="care_queue")
    receiver = open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")
    with pytest.raises(ReceiverUnfit, match="file is not a database"):
        receiver.deliver(delivery("d1"), rows(1, {"UA1": 20}))
    assert "not a database" in str(receiver.check())


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"url": "mysql://desk:hunter22@host/desk"}, "mysql is not supported"),
        ({"url": "sqlite://"}, "in memory"),
        ({"url": "sqlite:///:memory:"}, "in memory"),
        ({"url": "://"}, "not a database URL"),
        ({"url": "sqlite:///a.db", "table": "opsintel_receipt"}, "kept by opsintel"),
    ],
)
def test_a_place_that_cannot_be_delivered_to_is_refused_when_opened(
    declared: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    spec = TableReceiver(**{"table": "care_queue", **declared})
    with pytest.raises(SettingsError, match=reason) as caught:
        open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")
    assert "disruptions.handoff.care" in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_a_postgresql_url_without_a_driver_means_the_one_that_is_installed(
    postgres_url: str, tmp_path: Path
) -> None:
    url = postgres_url.replace("postgresql+psycopg2://", "postgresql://")
    spec = TableReceiver(url=url, table="care_queue")
    receiver = open_receiver(spec, root=tmp_path, outcome="disruptions", route="care")
    assert receiver.check() is None


def test_a_driver_that_is_not_there_is_told_with_the_command_that_installs_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    for url in ("postgresql://desk@127.0.0.1/desk", "sqlite+nope:///desk.db"):
        with pytest.raises(SettingsError, match=r"handoff\.care\.url.*opsintel-dagster\[postgres"):
            open_receiver(TableReceiver(url=url, table="t"), root=Path(), outcome="o", route="care")


def test_a_hundred_thousand_rows_are_delivered(desk: Desk) -> None:
    sent = rows(1, {f"UA{number}": number for number in range(100_000)})
    desk.send("d1", sent)
    assert desk.confirm("d1", sent).records == 100_000
