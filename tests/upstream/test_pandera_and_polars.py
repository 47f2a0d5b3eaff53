"""Behaviour of Pandera and Polars that verification relies on, or exists to avoid."""

import datetime as dt
import re
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from pandera.api.polars.types import PolarsData
from pandera.errors import SchemaError, SchemaErrors, SchemaWarning

from opsintel_dagster.verification import Contract

NULLS_AND_NAN = pl.DataFrame({"f": [1.0, None, float("nan")]})


def errors_of(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> list[SchemaError]:
    with pytest.raises(SchemaErrors) as caught:
        schema.validate(frame, lazy=True)
    return list(caught.value.schema_errors)


def output(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> list[bool]:
    (error,) = errors_of(schema, frame)
    return error.check_output["check_output"].to_list()


class TestPanderasVerdict:
    """What a rule's verdict is; the compiled rules say the same."""

    def test_nan_counts_as_null_for_nullability(self) -> None:
        assert output(pa.DataFrameSchema({"f": pa.Column(float)}), NULLS_AND_NAN) == [
            True,
            False,
            False,
        ]

    def test_a_null_answer_passes_unless_na_is_not_ignored(self) -> None:
        checks = [pa.Check.lt(1), pa.Check.lt(1, ignore_na=False)]
        found = errors_of(
            pa.DataFrameSchema({"f": pa.Column(float, checks, nullable=True)}), NULLS_AND_NAN
        )
        assert [error.check_output["check_output"].to_list() for error in found] == [
            [False, True, False],
            [False, False, False],
        ]

    def test_several_outputs_of_a_check_are_reduced_by_and(self) -> None:
        check = pa.Check(lambda d: d.lazyframe.select(pl.all() > 0), ignore_na=False)
        frame = pl.DataFrame({"a": [1, 0, 1, None], "b": [1, 1, None, 0]})
        columns = {name: pa.Column(int, nullable=True) for name in "ab"}
        assert output(pa.DataFrameSchema(columns, checks=check), frame) == [
            True,
            False,
            False,
            False,
        ]

    def test_a_one_row_answer_is_no_row_verdict(self) -> None:
        check = pa.Check(lambda d: d.lazyframe.select(pl.col(d.key).sum() > 9))
        (error,) = errors_of(
            pa.DataFrameSchema({"n": pa.Column(int, check)}), pl.DataFrame({"n": [1, 2, 3]})
        )
        assert error.check_output.height == 1

    def test_a_check_that_raises_gives_no_mask(self) -> None:
        check = pa.Check(lambda d: d.lazyframe.select(pl.col(d.key) > 0, pl.col(d.key) < 9))
        (error,) = errors_of(
            pa.DataFrameSchema({"n": pa.Column(int, check)}), pl.DataFrame({"n": [1]})
        )
        assert (error.reason_code.name, error.check_output) == ("CHECK_ERROR", None)

    def test_a_function_named_like_a_built_in_check_is_replaced_by_it(self) -> None:
        def equal_to(_data: PolarsData, **_value: int) -> pl.LazyFrame:
            raise AssertionError

        pa.DataFrameSchema({"n": pa.Column(int, pa.Check(equal_to, value=1))}).validate(
            pl.DataFrame({"n": [1]})
        )

    def test_a_missing_optional_column_is_not_judged(self) -> None:
        columns = {"n": pa.Column(int), "o": pa.Column(int, pa.Check.ge(0), required=False)}
        frame = pl.DataFrame({"n": [1]})
        assert pa.DataFrameSchema(columns).validate(frame).equals(frame)

    def test_only_the_first_of_several_composites_is_judged(self) -> None:
        schema = pa.DataFrameSchema({n: pa.Column(int) for n in "ab"}, unique=[["a"], ["b"]])
        assert len(errors_of(schema, pl.DataFrame({"a": [1, 1], "b": [1, 1]}))) == 1

    def test_report_duplicates_has_no_effect_and_says_so(self) -> None:
        with pytest.warns(UserWarning, match="will have no effect on validation"):
            schema = pa.DataFrameSchema(
                {"n": pa.Column(int)}, unique=["n"], report_duplicates="exclude_first"
            )
        assert output(schema, pl.DataFrame({"n": [1, 1]})) == [False, False]

    def test_a_warning_check_passes(self) -> None:
        schema = pa.DataFrameSchema({"n": pa.Column(int, pa.Check.ge(0, raise_warning=True))})
        with pytest.warns(SchemaWarning):
            assert schema.validate(pl.DataFrame({"n": [-1]})).height == 1

    def test_the_name_given_to_a_models_check_is_lost_to_what_inherits_it(self) -> None:
        class Parent(pa.DataFrameModel):
            n: int

            @pa.check("n", name="given")
            def function(cls, data: PolarsData) -> pl.LazyFrame:
                return data.lazyframe.select(pl.col(data.key) > 0)

        class Child(Parent):
            m: int

        names = [model.to_schema().columns["n"].checks[0].name for model in (Parent, Child)]
        assert names == ["given", "function"]


class TestPanderasLeaks:
    """Why the split is ours; beside each leak, that it is not in ours."""

    def test_drop_invalid_rows_keeps_rows_that_are_not_unique(self, frame_of: Any) -> None:
        schema = pa.DataFrameSchema({"n": pa.Column(int)}, unique=["n"], drop_invalid_rows=True)
        frame = pl.DataFrame({"n": [1, 1, 2]})
        assert schema.validate(frame, lazy=True).height == 3
        assert Contract.compile(schema).verify(frame_of(frame)).valid["n"].to_list() == [2]

    def test_drop_invalid_rows_returns_the_whole_frame_where_a_dtype_is_wrong(
        self, frame_of: Any
    ) -> None:
        schema = pa.DataFrameSchema({"n": pa.Column(int)}, drop_invalid_rows=True)
        frame = pl.DataFrame({"n": ["1", "x"]})
        assert schema.validate(frame, lazy=True).height == 2
        assert Contract.compile(schema).verify(frame_of(frame)).valid["n"].to_list() == [1]

    def test_drop_invalid_rows_returns_the_whole_frame_where_a_column_is_missing(
        self, frame_of: Any
    ) -> None:
        schema = pa.DataFrameSchema(
            {"n": pa.Column(int), "m": pa.Column(int)}, drop_invalid_rows=True
        )
        frame = pl.DataFrame({"n": [1]})
        assert schema.validate(frame, lazy=True).height == 1
        verdict = Contract.compile(schema).verify(frame_of(frame))
        assert (verdict.valid.height, list(verdict.held)) == (0, ["a"])

    def test_a_lazy_frame_skips_every_data_rule(self) -> None:
        schema = pa.DataFrameSchema({"n": pa.Column(int, pa.Check.ge(0))})
        assert schema.validate(pl.LazyFrame({"n": [-1]})).collect().height == 1

    def test_failure_cases_are_cut_off(self, frame_of: Any) -> None:
        schema = pa.DataFrameSchema({"n": pa.Column(int, pa.Check.ge(0, n_failure_cases=1))})
        frame = pl.DataFrame({"n": [-1, -2]})
        with pytest.raises(SchemaErrors) as caught:
            schema.validate(frame, lazy=True)
        assert caught.value.failure_cases.height == 1
        assert Contract.compile(schema).verify(frame_of(frame)).quarantine.height == 2

    def test_coercion_of_text_is_all_or_nothing(self, frame_of: Any) -> None:
        schema = pa.DataFrameSchema({"n": pa.Column(int, coerce=True)})
        frame = pl.DataFrame({"n": ["1", "x"]})
        assert all(
            error.reason_code.name != "DATAFRAME_CHECK" for error in errors_of(schema, frame)
        )
        assert Contract.compile(schema).verify(frame_of(frame)).valid["n"].to_list() == [1]

    def test_coercion_cuts_numbers_off_and_ours_does_not(self, frame_of: Any) -> None:
        schema = pa.DataFrameSchema({"n": pa.Column(int, coerce=True)})
        frame = pl.DataFrame({"n": [1.5, 2.0]})
        assert schema.validate(frame)["n"].to_list() == [1, 2]
        assert Contract.compile(schema).verify(frame_of(frame)).valid["n"].to_list() == [2]

    def test_a_report_of_failures_with_and_without_rows_cannot_be_built(self) -> None:
        checks = [pa.Check.eq(value=True), pa.Check(lambda d: d.lazyframe.collect().height > 9)]
        schema = pa.DataFrameSchema({"b": pa.Column(bool, checks)})
        with pytest.raises(pl.exceptions.SchemaError, match="failure_case"):
            schema.validate(pl.DataFrame({"b": [False]}), lazy=True)

    def test_a_composite_of_absent_columns_only_breaks_pandera(self, frame_of: Any) -> None:
        columns = {"n": pa.Column(int), "o": pa.Column(int, required=False)}
        schema = pa.DataFrameSchema(columns, unique=["o"])
        frame = pl.DataFrame({"n": [1, 2]})
        with pytest.raises(pl.exceptions.ShapeError):
            schema.validate(frame, lazy=True)
        assert Contract.compile(schema).verify(frame_of(frame)).valid.height == 2

    def test_a_default_error_text_holds_every_allowed_value(self) -> None:
        assert len(pa.Check.isin([str(i) for i in range(50_000)]).error) > 400_000


@pytest.fixture
def frame_of() -> Any:
    def build(frame: pl.DataFrame) -> pl.DataFrame:
        numbers = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
        return frame.select(
            pl.lit("a").alias("_arrival"),
            numbers.alias("_row"),
            numbers.alias("_line"),
            *frame.columns,
        )

    return build


class TestPolarsCasts:
    """Texts Polars reads otherwise than the table of accepted forms."""

    @pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("us"), pl.Time, pl.Boolean])
    def test_there_is_no_cast_from_text(self, dtype: Any) -> None:
        with pytest.raises(pl.exceptions.InvalidOperationError):
            pl.Series(["1"]).cast(dtype, strict=False)

    @pytest.mark.parametrize("text", ["12.0", "1e3", " 12", "12 ", "1_000", "0x1", "", "-"])
    def test_an_integer_is_digits_only(self, text: str) -> None:
        assert pl.Series([text]).cast(pl.Int64, strict=False).item() is None

    def test_a_number_too_large_for_a_float_is_infinity(self) -> None:
        assert pl.Series(["1e400"]).cast(pl.Float64, strict=False).item() == float("inf")

    def test_a_decimal_is_rounded(self) -> None:
        assert str(pl.Series(["1.555"]).cast(pl.Decimal(10, 2), strict=False).item()) == "1.56"

    def test_a_number_is_a_duration_of_unknown_unit(self) -> None:
        found = pl.Series(["12"]).cast(pl.Duration("us"), strict=False).item()
        assert found == dt.timedelta(microseconds=12)

    def test_months_and_days_need_no_zeros_and_second_60_exists(self) -> None:
        days = pl.Series(["2013-1-1", "+2013-01-01"]).str.to_date("%Y-%m-%d", strict=False)
        assert days.null_count() == 0
        moment = pl.Series(["2013-01-01T10:00:60"]).str.to_datetime(
            "%Y-%m-%dT%H:%M:%S", strict=False
        )
        assert moment.dt.minute().item() == 1

    def test_years_beyond_64_bits_of_nanoseconds_wrap_around(self) -> None:
        found = pl.Series(["9999-12-31T23:59:59"]).str.to_datetime(
            "%Y-%m-%dT%H:%M:%S", time_unit="ns", strict=False
        )
        assert found.dt.year().item() == 1816

    def test_digits_beyond_the_unit_are_dropped(self) -> None:
        found = pl.Series(["2013-01-01T10:00:00.1239"]).str.to_datetime(
            "%Y-%m-%dT%H:%M:%S%.f", time_unit="ms"
        )
        assert found.dt.millisecond().item() == 123

    def test_a_cast_between_naive_and_zoned_moments_is_silent(self) -> None:
        naive = pl.Series([dt.datetime(2013, 1, 1)])  # noqa: DTZ001 - that is the point
        assert naive.cast(pl.Datetime("us", "UTC")).null_count() == 0


class TestPolarsExpressions:
    """Why row-wise is decided by a list of our own."""

    n = pl.col("n")

    @pytest.mark.parametrize(
        "expression", [n > n.mean(), n.shift(1) > 0, n.cum_sum() > 0, n.sort() > 0], ids=str
    )
    def test_polars_calls_separable_what_is_not(self, expression: pl.Expr) -> None:
        assert expression.meta.is_row_separable()

    def test_a_mean_in_a_comparison_keeps_the_length_in_truth(self) -> None:
        assert pl.DataFrame({"n": [1, 2]}).select(self.n > self.n.mean()).height == 2

    @pytest.mark.parametrize(
        ("expression", "kind"),
        [
            (n > 0, "BinaryExpr"),
            (n.is_null(), "Function"),
            (n.over("n"), "Over"),
            (n.sum(), "Agg"),
            (n.sort(), "Sort"),
        ],
    )
    def test_the_serialized_form_names_its_nodes(self, expression: pl.Expr, kind: str) -> None:
        assert re.match(rf'{{"{kind}":', expression.meta.serialize(format="json"))

    def test_a_date_without_a_format_is_guessed_from_other_rows(self) -> None:
        texts = pl.Series(["2013-01-02", "03/04/2013"])
        assert texts.str.to_date(strict=False).is_null().to_list() == [False, True]
        assert texts.reverse().str.to_date(strict=False).is_null().to_list() == [False, True]

    def test_is_duplicated_takes_null_nan_and_signed_zero_for_equal(self) -> None:
        for pair in ([None, None], [float("nan"), float("nan")], [0.0, -0.0]):
            values = pl.Series("f", pair, dtype=pl.Float64)
            assert values.is_duplicated().all()
            both = pl.DataFrame({"f": values, "g": [1, 1]})
            assert both.is_duplicated().all()
            assert both.select(pl.struct("f", "g").is_duplicated()).to_series().all()

    def test_and_of_all_is_panderas_fold(self) -> None:
        truth = [True, False, None]
        pairs = pl.DataFrame(
            [(a, b) for a in truth for b in truth],
            schema={"a": pl.Boolean, "b": pl.Boolean},
            orient="row",
        )
        fold = pl.fold(pl.lit(value=True), lambda a, b: a & b, pl.all())
        assert pairs.select(fold.alias("v")).equals(
            pairs.select(pl.all_horizontal(pl.all()).alias("v"))
        )
