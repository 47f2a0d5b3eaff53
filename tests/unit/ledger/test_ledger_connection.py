import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text

from opsintel_dagster.errors import LedgerError
from opsintel_dagster.ledger import (
    Ledger,
    arrivals,
    bindings,
    case_listing,
    cases,
    migrations,
)
from opsintel_dagster.ledger.amendments import amendment
from opsintel_dagster.ledger.connection import HEAD_REVISION
from opsintel_dagster.ledger.decisions import decision
from opsintel_dagster.ledger.tables import entry, metadata


def test_opening_a_ledger_touches_nothing(tmp_path: Path) -> None:
    file = tmp_path / "below" / "ledger.db"
    ledger = Ledger(f"sqlite:///{file}")
    assert not ledger.exists()
    assert not file.parent.exists()


def test_the_shipped_revisions_make_exactly_the_tables_the_code_uses(database_url: str) -> None:
    with Ledger(database_url) as ledger:
        ledger.migrate()
        with ledger.read() as connection:
            options = {"version_table": "opsintel_alembic_version"}
            context = MigrationContext.configure(connection, opts=options)
            assert {entry, amendment, decision} <= set(metadata.tables.values())
            assert compare_metadata(context, metadata) == []
            assert context.get_current_revision() == HEAD_REVISION


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    with Ledger(database_url) as ledger:
        ledger.migrate()
        ledger.migrate()
        assert ledger.exists()


def test_a_ledger_of_before_keeps_its_arrivals(database_url: str) -> None:
    with Ledger(database_url) as ledger:
        with ledger.write() as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(migrations.__file__).parent))
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            moment = "'2013-01-01 00:00:00'"
            connection.execute(
                text(
                    "INSERT INTO opsintel_arrival (id, outcome, seq, name, identity, state, "
                    "content, size, records, columns, available_at, claimed_at, is_late) VALUES "
                    "('a', 'o', 1, 'day.csv', 'i', 'batched', 'c', 1, 7, '[\"n\"]', "
                    f"{moment}, {moment}, false)"
                )
            )
        ledger.migrate()
        with ledger.read() as connection:
            assert connection.dialect.has_table(connection, "opsintel_breaker")
            assert arrivals.sequence(connection, "o") == {"a": 1}
            assert arrivals.recent(connection, "o", 10) == []


def test_a_ledger_of_before_keeps_its_cases(database_url: str) -> None:
    with Ledger(database_url) as ledger:
        with ledger.write() as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(migrations.__file__).parent))
            config.attributes["connection"] = connection
            command.upgrade(config, "0005")
            moment = "'2013-01-01 00:00:00'"
            identity = cases.case_id("o", "unmapped")
            connection.execute(
                text(
                    "INSERT INTO opsintel_case (id, outcome, failure_mode, episode, revision, "
                    "state, owner, facts, opened_at, last_seen_at, tried_version) VALUES "
                    f"('{identity}', 'o', 'unmapped', 1, 1, 'open', 'team:o', "
                    f"'{{\"values\": {{}}}}', {moment}, {moment}, '{{}}')"
                )
            )
        ledger.migrate()
        with ledger.write() as connection:
            cases.raise_case(connection, "o", "unmapped", owner="team:o", values={}, judged_by={})
        with ledger.read() as connection:
            [kept] = case_listing.listing(connection, ["o"])
            assert (kept.id, kept.cause, kept.revision) == (identity, "", 2)
            assert cases.name_of("o", kept.failure_mode, kept.cause) == "o.unmapped"


def test_a_ledger_of_a_newer_version_is_refused_with_the_fix(database_url: str) -> None:
    with Ledger(database_url) as ledger:
        ledger.migrate()
        with ledger.write() as connection:
            connection.execute(text("UPDATE opsintel_alembic_version SET version_num = '9999'"))
        with pytest.raises(LedgerError, match="upgrade the package"):
            ledger.migrate()


def test_times_come_back_aware_and_equal_whatever_zone_they_were_written_in(
    database_url: str,
) -> None:
    moment = datetime.fromisoformat("2013-03-10T09:30:00.123456+05:30")
    with Ledger(database_url) as ledger:
        ledger.migrate()
        row = {"outcome": "o", "actor": "a", "kind": "k", "subject": "s", "reason": "r"}
        with ledger.write() as connection:
            connection.execute(insert(entry).values(at=moment, **row))
        with ledger.read() as connection:
            assert connection.execute(select(entry.c.at)).scalar_one() == moment
            assert connection.execute(select(entry.c.at)).scalar_one().tzinfo is UTC


def test_a_read_sees_one_snapshot_while_others_write(database_url: str) -> None:
    row = {
        "at": datetime.now(UTC), "outcome": "o", "actor": "a",
        "kind": "k", "subject": "s", "reason": "r",
    }  # fmt: skip
    with Ledger(database_url) as ledger, Ledger(database_url) as other:
        ledger.migrate()
        with ledger.read() as connection:
            before = len(connection.execute(select(entry)).all())
            with other.write() as writing:
                writing.execute(insert(entry).values(**row))
            assert len(connection.execute(select(entry)).all()) == before
        with ledger.read() as connection:
            assert len(connection.execute(select(entry)).all()) == before + 1


def test_the_password_is_never_shown() -> None:
    ledger = Ledger("postgresql+psycopg2://ops:secret@127.0.0.1:1/none")
    assert "secret" not in repr(ledger)
    with pytest.raises(LedgerError) as caught, ledger.read():
        pass
    assert "secret" not in str(caught.value)


def test_a_place_where_no_ledger_can_be_is_told_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("this is no database, and long enough to be looked at as one")
    for url in (f"sqlite:///{tmp_path}/file/ledger.db", f"sqlite:///{tmp_path}/file"):
        with pytest.raises(LedgerError, match=r"cannot be opened: .*OPSINTEL_LEDGER_URL"):
            Ledger(url).migrate()


def test_a_folder_nobody_may_look_into_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(LedgerError, match=r"Permission denied; look after the file and its folder"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db").exists()


def test_a_url_without_a_driver_means_the_one_our_extra_installs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = Ledger("postgresql://ops:secret@127.0.0.1:1/none")
    assert ledger.address.startswith("postgresql+psycopg2://ops:***@")
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(LedgerError, match=r"psycopg2 is not installed.*opsintel-dagster\[postgres"):
        ledger.migrate()


def test_first_drains_of_an_outcome_may_bind_its_name_at_once(database_url: str) -> None:
    with Ledger(database_url) as ledger:
        ledger.migrate()
        together = Barrier(4)

        def bind_one() -> None:
            together.wait()
            with ledger.write() as connection:
                bindings.bind(connection, "parcels", "here", "d1", {"promise": "kept"})

        with ThreadPoolExecutor(4) as threads:
            for one in [threads.submit(bind_one) for _ in range(4)]:
                one.result()
        with ledger.read() as connection:
            assert [row.name for row in bindings.all_bound(connection)] == ["parcels"]
            assert len(connection.execute(select(entry)).all()) == 1
