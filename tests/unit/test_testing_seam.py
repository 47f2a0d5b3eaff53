"""What users' own CI sees: the real drain on their files, and nothing of theirs touched."""

import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from scenario import DAY_ONE, HEADER, RECORDS_OF_DAY_ONE, parcels

from opsintel_dagster.errors import UnknownName
from opsintel_dagster.orchestration.reading import read
from opsintel_dagster.outcome import EnvValue, Outcome, TableReceiver
from opsintel_dagster.testing import Drained, declared, drain

DEPOTS = pl.DataFrame({"code": ["HAM", "BER"], "city": ["Hamburg", "Berlin"]})
MORE_DEPOTS = pl.DataFrame({"code": ["HAM", "BER", "XXX", "YYY"], "city": ["h", "b", "x", "y"]})


@pytest.fixture(scope="module")
def day_one() -> Drained:
    return drain(parcels(), {"day1.csv": DAY_ONE}, references={"depots": DEPOTS})


def test_every_route_shows_what_its_receiver_confirmed(day_one: Drained) -> None:
    assert day_one.delivered["gate"]["parcel"].to_list() == ["P1"]
    assert day_one.delivered["freight"].rows() == [("P2", "HAM", 80.0, None)]
    assert day_one.no_action["parcel"].to_list() == ["P7"]
    assert set(day_one.delivered) == {"gate", "freight"}


def test_quarantine_shows_raw_values_with_rules_and_failure_mode(day_one: Drained) -> None:
    rows = day_one.quarantine
    broken = dict(rows.select("parcel", pl.struct("weight", "_rules", "_cause")).iter_rows())
    assert broken["P5"] == {"weight": "heavy", "_rules": ["weight.coerce"], "_cause": "bad_weight"}
    assert {case.failure_mode for case in day_one.cases} == {
        "unknown_depot",
        "bad_weight",
        "unmapped",
    }
    assert day_one.verified.height + rows.height == RECORDS_OF_DAY_ONE


def test_the_law_holds_and_is_counted(day_one: Drained) -> None:
    assert day_one.conservation.holds
    assert day_one.conservation.received == RECORDS_OF_DAY_ONE
    assert not day_one.reports[-1].failures


def test_declared_amendments_are_applied() -> None:
    amendments = [
        {"kind": "repair", "column": "depot", "values": {"XXX": "HAM"}},
        {"kind": "route", "to": "freight", "when": "note = 'fragile'"},
    ]
    outcome = parcels(amendments=amendments)
    drained = drain(outcome, {"day1.csv": DAY_ONE}, references={"depots": DEPOTS})
    assert drained.delivered["gate"].rows() == [("P3", "HAM", 1.0, None)]
    assert drained.delivered["freight"]["parcel"].to_list() == ["P1", "P2"]
    assert drained.reports[0].verified.amended == {"declared amendment 1": 1}
    assert drained.reports[0].routed.by_rule["declared amendment 2"] == 1


def test_several_drains_go_on_where_the_last_one_stopped() -> None:
    drained = drain(parcels(), {"day1.csv": DAY_ONE}, references={"depots": DEPOTS})
    drained.refer("depots", MORE_DEPOTS)
    drained.drop({"day2.csv": HEADER + "P9,XXX,5,\n"})
    report = drained.drain()
    assert report.verified.replayed > 0
    assert sorted(drained.delivered["gate"]["parcel"]) == ["P1", "P3", "P9"]
    assert drained.conservation.holds
    assert len(drained.reports) == 2


def test_a_reference_may_also_shrink() -> None:
    drained = drain(parcels(), {}, references={"depots": MORE_DEPOTS})
    drained.refer("depots", DEPOTS)
    drained.drop({"day2.csv": HEADER + "P9,XXX,5,\n"})
    drained.drain()
    assert drained.quarantine["_rules"].to_list() == [["depot_known"]]


def test_an_empty_result_has_the_columns_of_the_contract() -> None:
    drained = drain(parcels(), {}, references={"depots": DEPOTS})
    assert drained.delivered["gate"].schema == day_one_schema()
    assert drained.no_action.is_empty()
    assert drained.quarantine.is_empty()
    assert drained.cases == ()


def day_one_schema() -> dict[str, pl.DataType]:
    return {
        "parcel": pl.String(),
        "depot": pl.String(),
        "weight": pl.Float64(),
        "note": pl.String(),
    }


def test_an_outcome_of_a_definitions_module_is_drained_as_it_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "seam_definitions.py").write_text(
        "from scenario import depots, parcels\n"
        "from opsintel_dagster import build_defs\n"
        "defs = build_defs([parcels(), depots()])\n"
    )
    outcome = declared("parcels", module="seam_definitions", root=tmp_path)
    drained = drain(outcome, {"day1.csv": DAY_ONE}, references={"depots": DEPOTS})
    assert drained.delivered["gate"]["parcel"].to_list() == ["P1"]
    with pytest.raises(UnknownName, match="write `parcels`"):
        declared("parcel", module="seam_definitions", root=tmp_path)


def test_neither_settling_nor_the_addresses_of_receivers_matter() -> None:
    outcome = parcels()
    source = outcome.source.model_copy(update={"settle": timedelta(hours=1)})
    gate = TableReceiver(url=EnvValue(env="DESK_URL_NOBODY_SET"), table="desk.gate_queue")
    handoff = {**outcome.handoff, "gate": gate}
    outcome = outcome.model_copy(update={"source": source, "handoff": handoff})
    drained = drain(outcome, {"day1.csv": HEADER + "P1,HAM,1,\n"}, references={"depots": DEPOTS})
    assert drained.delivered["gate"].height == 1
    assert drained.conservation.holds


def test_content_may_be_bytes_a_file_or_a_frame(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(HEADER + "P1,HAM,1,\n")
    frame = pl.DataFrame({"parcel": ["P2"], "depot": ["BER"], "weight": [2.0], "note": ["x"]})
    files = {
        "a.csv": file,
        "b.csv": (HEADER + "P3,BER,3,\n").encode(),
        "c.csv": frame,
        "d.parquet": frame.with_columns(parcel=pl.lit("P4")),
    }
    drained = drain(parcels(), files, references={"depots": DEPOTS})
    assert drained.delivered["gate"]["parcel"].to_list() == ["P1", "P3", "P2", "P4"]


def test_records_of_an_upstream_source_are_given_as_files() -> None:
    outcome = Outcome(
        **{
            **parcels().model_dump(exclude={"source", "contract"}, exclude_unset=True),
            "contract": parcels().contract,
            "source": {"kind": "upstream", "asset": "dock/delivered"},
        }
    )
    frame = pl.DataFrame({"parcel": ["P2"], "depot": ["BER"], "weight": [2.0], "note": ["x"]})
    drained = drain(outcome, {"one.parquet": frame}, references={"depots": DEPOTS})
    assert drained.delivered["gate"]["parcel"].to_list() == ["P2"]


def test_a_name_the_source_would_never_see_is_refused() -> None:
    outcome = parcels(source={"kind": "files", "path": "inbox/*.csv"})
    with pytest.raises(ValueError, match=r"looks for `\*\.csv`, and would never see"):
        drain(outcome, {"day1.txt": DAY_ONE}, references={"depots": DEPOTS})


def test_a_missing_reference_is_asked_for_by_name() -> None:
    with pytest.raises(ValueError, match=r"refer to depots; give references=.*code"):
        drain(parcels(), {})


def test_a_folder_of_ones_own_is_kept_and_holds_everything(tmp_path: Path) -> None:
    drained = drain(parcels(), {"day1.csv": DAY_ONE}, references={"depots": DEPOTS}, root=tmp_path)
    assert (tmp_path / "inbox" / "day1.csv").exists()
    assert (tmp_path / "receivers" / "freight").is_dir()
    assert drained.root == tmp_path


def test_the_folder_of_a_drain_goes_away_with_it() -> None:
    drained = drain(parcels(), {}, references={"depots": DEPOTS})
    root = drained.root
    assert root.is_dir()
    del drained
    assert not root.exists()


def test_read_gives_every_stage_lazily(day_one: Drained) -> None:
    def rows(stage: str) -> pl.DataFrame:
        frame = read("parcels", stage, settings=day_one.settings)
        assert isinstance(frame, pl.LazyFrame)
        return frame.collect()

    assert rows("arrivals").height == RECORDS_OF_DAY_ONE
    assert rows("arrivals")["weight"].to_list()[:2] == ["2.5", "80"]
    assert rows("verified").height == 3
    assert rows("quarantine").height == 6
    assert rows("routed").height == 3
    assert rows("delivered")["parcel"].to_list() == ["P1", "P2"]
    assert rows("current").columns == ["parcel", "depot", "weight", "note"]


def test_read_of_a_stage_nothing_has_reached_has_its_columns_and_no_rows() -> None:
    drained = drain(parcels(), {}, references={"depots": DEPOTS})
    rows = read("parcels", "delivered", settings=drained.settings).collect()
    assert rows.is_empty()
    assert rows.columns == ["parcel", "depot", "weight", "note"]


def test_read_says_which_outcome_or_stage_was_meant(day_one: Drained, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no outcome `parcel` here; write `parcels`"):
        read("parcel", settings=day_one.settings)
    with pytest.raises(UnknownName, match="no stage `deliverd` here; write `delivered`"):
        read("parcels", "deliverd", settings=day_one.settings)
    settings = type(day_one.settings).below(tmp_path)
    with pytest.raises(UnknownName, match="nothing was drained yet"):
        read("parcels", settings=settings)
