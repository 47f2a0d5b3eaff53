"""Verifying a table where it lies: what is refused, looked up, held and written."""

from collections.abc import Iterator
from typing import Any

import ibis
import pandera.polars as pa
import polars as pl
import pytest

from opsintel_dagster.errors import ContractNotTranslated, ReferenceDown
from opsintel_dagster.verification import Contract, in_reference


class Parcel(pa.DataFrameModel):
    parcel: str = pa.Field(unique=True)
    weight: float = pa.Field(ge=0, le=70)
    depot: str = pa.Field(nullable=True, str_length={"min_value": 2}, raise_warning=True)

    @in_reference("depots.code", column="depot")
    def depot_known(cls) -> None:
        """The depot is in the register."""


PARCELS = pl.DataFrame(
    {
        "_row": [1, 2, 3, 4, 5, 6],
        "parcel": ["P1", "P2", "P2", None, "P5", "P6"],
        "weight": [1.0, 90.0, 2.0, float("nan"), 3.0, 4.0],
        "depot": ["N", "N", "S", "X", None, "Q"],
    }
)
DEPOTS = pl.DataFrame({"code": ["N", "S", None, "N"]})


@pytest.fixture(params=["duckdb", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "duckdb":
        connection = ibis.duckdb.connect()
    else:
        url = request.getfixturevalue("postgres_server").url
        name = request.getfixturevalue("postgres_url").rpartition("/")[2].partition("?")[0]
        connection = ibis.postgres.connect(host=url.query["host"], user=url.username, database=name)
    yield connection
    connection.disconnect()


@pytest.fixture
def parcels(engine: Any) -> ibis.Table:
    return engine.create_table("parcels", PARCELS.to_arrow())


def own_tables(engine: Any) -> set[str]:
    """The tables, less what Ibis keeps of frames it was given."""
    return {name for name in engine.list_tables() if "memtable" not in name}


def by_row(table: ibis.Table) -> dict[int, list[str]]:
    frame = table.to_polars().sort("_row")
    return dict(frame.select("_row", "_rules").iter_rows())


def refused(contract: Contract, table: ibis.Table, **options: Any) -> dict[str, str]:
    with pytest.raises(ContractNotTranslated) as caught:
        contract.verify_table(table, **options)
    return {problem.where: problem.reason for problem in caught.value.problems}


def test_rows_and_counts_are_those_of_the_verdict_in_memory(parcels: ibis.Table) -> None:
    contract = Contract.compile(Parcel, references={"depots": DEPOTS})
    here, there = contract.verify(PARCELS), contract.verify_table(parcels)
    assert there.valid.to_polars().sort("_row").equals(here.valid)
    assert there.quarantine.to_polars().sort("_row").equals(here.quarantine)
    assert there.counts() == here.counts()
    assert list(there.cooccurrence_counts().items()) == list(here.cooccurrence_counts().items())
    assert there.warnings() == here.warnings() == {"depot.length": 1}
    assert there.references == here.references


def test_both_sides_are_written_in_the_engine_and_nothing_else_stays(
    engine: Any, parcels: ibis.Table
) -> None:
    contract = Contract.compile(Parcel, references={"depots": DEPOTS})
    verdict = contract.verify_table(parcels)
    before = own_tables(engine)
    written = verdict.into("verified", "quarantined")
    assert (
        engine.table("verified")
        .to_polars()
        .sort("_row")
        .equals(verdict.valid.to_polars().sort("_row"))
    )
    assert by_row(engine.table("quarantined")) == by_row(verdict.quarantine)
    assert (written.valid_rows, written.quarantine_rows) == (2, 4)
    assert written.counts() == verdict.counts()
    assert written.warnings() == verdict.warnings()
    new = own_tables(engine) - before
    assert new == {"verified", "quarantined"}


def test_only_counts_leave_the_engine(
    engine: Any, parcels: ibis.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[int] = []
    right = type(engine).to_pyarrow

    def counting(self: Any, expression: Any, /, **options: Any) -> Any:
        result = right(self, expression, **options)
        fetched.append(getattr(result, "num_rows", 1))
        return result

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError

    for name in ("execute", "to_pandas", "to_polars", "to_pyarrow_batches"):
        if not (name == "to_pyarrow_batches" and engine.name == "postgres"):  # `to_pyarrow` is it
            monkeypatch.setattr(type(engine), name, never)
    monkeypatch.setattr(type(engine), "to_pyarrow", counting)
    many = engine.create_table(
        "many", parcels.cross_join(ibis.range(500).unnest().name("n").as_table())
    )
    verdict = Contract.compile(pa.DataFrameSchema({"weight": pa.Column(float, pa.Check.ge(0))}))
    written = verdict.verify_table(many).into("good", "bad")
    assert written.valid_rows + written.quarantine_rows == 3000
    assert sum(fetched) <= 3


def test_a_side_that_cannot_be_written_leaves_no_other_side(
    engine: Any, parcels: ibis.Table
) -> None:
    engine.create_table("taken", schema=ibis.schema({"x": "int64"}))
    verdict = Contract.compile(pa.DataFrameSchema({"weight": pa.Column(float)})).verify_table(
        parcels
    )
    with pytest.raises(Exception, match="taken"):
        verdict.into("verified", "taken")
    assert own_tables(engine) == {"parcels", "taken"}
    assert verdict.into("verified", "taken", overwrite=True).quarantine_rows == 1


@pytest.mark.parametrize("kind", ["frame", "table"])
def test_a_reference_is_a_frame_or_a_table_beside(
    engine: Any, parcels: ibis.Table, kind: str
) -> None:
    rows = pl.DataFrame({"code": ["N", "N", None], "no": ["P1", "P5", "P6"]})
    schema = pa.DataFrameSchema(
        {"parcel": pa.Column(str, nullable=True), "depot": pa.Column(str, nullable=True)},
        checks=[in_reference("r", on={"parcel": "no", "depot": "code"}, name="both_known")],
    )
    there: Any = rows if kind == "frame" else engine.create_table("r", rows.to_arrow())
    contract = Contract.compile(schema)
    verdict = contract.verify_table(parcels, references={"r": there})
    assert by_row(verdict.quarantine) == {row: ["both_known"] for row in (2, 3, 6)}
    expected = contract.verify(PARCELS, references={"r": rows}).quarantine
    assert by_row(verdict.quarantine) == dict(expected.select("_row", "_rules").iter_rows())


def test_a_reference_that_cannot_be_trusted_is_down(engine: Any, parcels: ibis.Table) -> None:
    contract = Contract.compile(Parcel)
    empty = engine.create_table("empty", schema=ibis.schema({"code": "string"}))
    other = engine.create_table("other", schema=ibis.schema({"name": "string"}))
    for reference, why in [(empty, "it is empty"), (other, "no column code"), (None, "handed")]:
        given = {} if reference is None else {"depots": reference}
        with pytest.raises(ReferenceDown, match=why):
            contract.verify_table(parcels, references=given)


def test_every_rule_without_a_translation_is_named_with_reason_and_fix(
    parcels: ibis.Table,
) -> None:
    schema = pa.DataFrameSchema(
        {
            "parcel": pa.Column(
                str, pa.Check(lambda value: value != "", element_wise=True, name="python")
            ),
            "weight": pa.Column(
                float,
                [
                    pa.Check(
                        lambda data: data.lazyframe.select(
                            pl.col(data.key) > pl.col(data.key).mean()
                        ),
                        name="above_mean",
                    ),
                    pa.Check(lambda data: data.lazyframe.select(pl.len() > 1), name="several"),
                    pa.Check.unique_values_eq({1.0}),
                    pa.Check.lt(3),
                ],
            ),
            "depot": pa.Column(str, pa.Check.str_matches(r"\w+"), nullable=True),
        }
    )
    reasons = refused(Contract.compile(schema), parcels)
    assert "Python" in reasons["rule 'python'"]
    assert "other rows" in reasons["rule 'above_mean'"]
    assert "one answer for all rows" in reasons["rule 'several'"]
    assert "one answer for all rows" in reasons["rule 'weight.unique_values_eq'"]
    assert r"'\\w'" in reasons["rule 'depot.matches'"]
    assert len(reasons) == 5


def test_which_of_equal_rows_is_spared_needs_their_order(parcels: ibis.Table) -> None:
    for report, condemned in [("exclude_first", [3]), ("exclude_last", [2]), ("all", [2, 3])]:
        column = pa.Column(str, nullable=True, unique=True, report_duplicates=report)
        contract = Contract.compile(pa.DataFrameSchema({"parcel": column}))
        assert [*by_row(contract.verify_table(parcels).quarantine)] == condemned
        if report != "all":
            reasons = refused(contract, parcels.drop("_row"))
            assert "_row" in reasons["rule 'parcel.unique'"]


def test_a_table_that_lacks_columns_is_held_whole(parcels: ibis.Table) -> None:
    schema = pa.DataFrameSchema({"weight": pa.Column(float), "colour": pa.Column(str)}, strict=True)
    contract = Contract.compile(schema)
    here, there = contract.verify(PARCELS), contract.verify_table(parcels)
    assert there.held == here.held["input"] == ("arrival.columns",)
    assert there.hold_reasons == here.hold_reasons["input"]
    assert there.cooccurrence_counts() == {("arrival.columns",): 6}
    assert there.valid.to_polars().columns == ["_row", "weight", "colour"]
    assert there.valid.count().to_pyarrow().as_py() == 0


def test_a_check_of_a_column_that_is_not_there_holds_as_here(parcels: ibis.Table) -> None:
    schema = pa.DataFrameSchema(
        {
            "weight": pa.Column(float, nullable=True),
            "limit": pa.Column(float, required=False, nullable=True),
        },
        checks=pa.Check(
            lambda data: data.lazyframe.select(pl.col("weight") <= pl.col("limit")), name="fits"
        ),
    )
    contract = Contract.compile(schema)
    here, there = contract.verify(PARCELS), contract.verify_table(parcels)
    assert there.hold_reasons == here.hold_reasons["input"]
    assert there.counts() == here.counts() == {"fits": 6}


def test_unreadable_rows_defaults_patterns_and_optional_columns_are_as_here(engine: Any) -> None:
    frame = PARCELS.with_columns(
        pl.Series("_problem", [None, "ragged", None, None, None, None]),
        pl.Series("_rules", ["x"] * 6),
        pl.Series("size_a", ["1", "2", "x", "", None, "NA"]),
        pl.Series("size_b", [1.0, 2.5, 3.0, None, 5.0, 6.0]),
    )
    schema = pa.DataFrameSchema(
        {
            "weight": pa.Column(float, pa.Check.lt(50), default=1.0),
            "parcel": pa.Column(str, unique=True, nullable=True),
            "colour": pa.Column(str, default="red", required=False),
            "size_.*": pa.Column(int, pa.Check.gt(1), regex=True, nullable=True),
        },
        unique=["parcel", "weight"],
    )
    contract = Contract.compile(schema, key=["parcel"], null_values=["NA"])
    here = contract.verify(frame)
    there = contract.verify_table(engine.create_table("odd", frame.to_arrow()))
    assert by_row(there.quarantine) == dict(here.quarantine.select("_row", "_rules").iter_rows())
    assert there.valid.to_polars().sort("_row").equals(here.valid)


def test_collations_do_not_decide_what_is_equal_or_less(engine: Any) -> None:
    # This PostgreSQL is built without ICU; where the system has a language, it is taken.
    asked = "SELECT collname FROM pg_collation WHERE collname LIKE 'en_US%' LIMIT 1"
    language = engine.raw_sql(asked).fetchone() if engine.name == "postgres" else ("NOCASE",)
    collate = f'COLLATE "{language[0]}"' if language else ""
    engine.raw_sql(f"CREATE TABLE t (_row BIGINT, s VARCHAR {collate})")
    engine.raw_sql("INSERT INTO t VALUES (1, 'a'), (2, 'A'), (3, 'B'), (4, 'b')")
    checks = [
        pa.Check.ne("A"),
        pa.Check.gt("B"),
        pa.Check.notin(["b"]),
        pa.Check.str_matches("[aA]"),
    ]
    contract = Contract.compile(pa.DataFrameSchema({"s": pa.Column(str, checks, unique=True)}))
    table = engine.table("t")
    here = contract.verify(table.to_polars())
    there = contract.verify_table(table)
    assert by_row(there.quarantine) == dict(here.quarantine.select("_row", "_rules").iter_rows())
    assert "s.unique" not in there.counts()


def test_types_that_polars_does_not_have_are_refused_by_column(engine: Any) -> None:
    table = engine.sql("SELECT CAST('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' AS UUID) AS u, 1 AS i")
    contract = Contract.compile(
        pa.DataFrameSchema({"u": pa.Column(str), "i": pa.Column(pl.Duration("us"))})
    )
    reasons = refused(contract, table)
    assert "none of Polars'" in reasons["column 'u'"]
    assert "no type" in reasons["column 'i'"]


def test_what_is_no_table_of_one_arrival_is_said() -> None:
    contract = Contract.compile(pa.DataFrameSchema({"weight": pa.Column(float)}))
    with pytest.raises(ValueError, match="_arrival"):
        contract.verify_table(
            ibis.memtable(pl.DataFrame({"_arrival": ["a"], "weight": [1.0]}).to_arrow())
        )
    with pytest.raises(TypeError, match="DataFrame"):
        contract.verify_table(PARCELS)  # type: ignore[arg-type]  # what a user may try


def test_an_engine_nobody_has_proven_is_refused() -> None:
    contract = Contract.compile(pa.DataFrameSchema({"weight": pa.Column(float)}))
    lies = ibis.polars.connect({"t": pl.DataFrame({"weight": [1.0]})}).table("t")
    assert "duckdb and postgres, not in polars" in refused(contract, lies)["the table"]
