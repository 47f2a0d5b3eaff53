"""Looking values up in another outcome, at run time.

`in_reference` is an ordinary Pandera check, so a contract stays a Pandera schema. The rows to look
up in are handed to `Contract.verify`; for Pandera's own `validate` they are handed over by
`references`. Without them a check fails loudly: nothing is ever judged by a reference that is not
there.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.api.checks import Check
from pandera.api.polars.types import PolarsData

from opsintel_dagster.errors import ReferenceDown
from opsintel_dagster.verification.lossless import are_of_one_kind, cast_lossless, is_text
from opsintel_dagster.verification.rules import ReferenceUse

_at_hand: ContextVar[Mapping[str, pl.DataFrame]] = ContextVar(
    "references", default=MappingProxyType({})
)

Lookups = dict[tuple[ReferenceUse, tuple[str, ...]], pl.DataFrame]
"""What was looked up in, and for which columns: its distinct values."""


@contextmanager
def references(frames: Mapping[str, pl.DataFrame]) -> Iterator[None]:
    """Let Pandera's own `validate` look values up in `frames` (outcome name to rows)."""
    token = _at_hand.set(frames)
    try:
        yield
    finally:
        _at_hand.reset(token)


class ReferenceCheck(Check):
    """A Pandera check that values are found in a reference; in a model, also a decorator."""

    def __call__(self, check_obj: Any, column: str | None = None) -> Any:
        """Judge a frame, as Pandera asks it to; or decorate a method of a model."""
        if isinstance(check_obj, classmethod) or callable(check_obj):
            return self._decorate(check_obj)
        return super().__call__(check_obj, column)

    @classmethod
    def get_backend(cls, check_obj: Any) -> Any:
        """Pandera's registry knows `Check`, not what derives from it."""
        return Check.get_backend(check_obj)

    def _decorate(self, method: Any) -> Any:
        """What `pandera.check` makes of a method, with this check in the method's place."""
        function = method.__func__ if isinstance(method, classmethod) else method
        plain = vars(self)["_check_fn"]

        def looks_up(_model: type, data: PolarsData) -> pl.LazyFrame:
            found: pl.LazyFrame = plain(data)
            return found

        name = str(function.__name__ if self.name == plain.__name__ else self.name)
        looks_up.__name__ = name
        looks_up.__doc__ = function.__doc__
        options: dict[str, Any] = {
            "name": name,
            "raise_warning": self.raise_warning,
            "description": self.description or function.__doc__,
            "statistics": self.statistics,
        }
        own = judged_columns(self, None)
        if _is_whole_frame(self):
            return pa.dataframe_check(**options)(looks_up)
        if not own:
            message = f"in_reference({str(reference_of(self))!r}) over {name}: name its column=..."
            raise TypeError(message)
        return pa.check(*own, **options)(looks_up)


def in_reference(
    reference: str,
    *,
    column: str | None = None,
    on: Sequence[str] | Mapping[str, str] | None = None,
    name: str | None = None,
    raise_warning: bool = False,
    description: str | None = None,
) -> ReferenceCheck:
    """Check that values stand in another outcome's delivered rows.

    As a check of a column: ``Column(str, in_reference("airport_register.faa"))``. Of several
    columns together, at the level of the frame: ``in_reference("fleet", on=["carrier", "tail"])``,
    or ``on={"tail": "tailnum"}`` where the reference calls them otherwise. In a model, over a
    method whose name becomes the rule's and whose docstring its description::

        @in_reference("airport_register.faa", column="dest")
        def dest_known(cls): "The destination is in the airport register."

    A null is not looked up and passes, as everywhere in Pandera.

    Args:
        reference: The outcome, followed by `.column` unless `on` names the columns.
        column: The judged column; needed over a method only.
        on: The columns that must be found together.
        name: The rule's id.
        raise_warning: Let the row go on and only count it.
        description: What the rule says, for people.

    Raises:
        TypeError: The reference's columns are named twice or not at all.
    """
    outcome, _, looked_up = reference.partition(".")
    if bool(looked_up) == bool(on) or (on and column):
        message = f"in_reference({reference!r}): give either 'outcome.column' or on=[...]"
        raise TypeError(message)
    pairs = dict(on) if isinstance(on, Mapping) else {own: own for own in on or ()}
    own = tuple(pairs) if pairs else ((column,) if column else ())
    use = ReferenceUse(outcome, tuple(pairs.values()) if pairs else (looked_up,))

    def in_reference(data: PolarsData) -> pl.LazyFrame:
        judged = own if pairs else (data.key,)
        frame = data.lazyframe.select(judged).collect()
        return pl.LazyFrame({"found": found_in(frame, use, _at_hand.get())})

    return ReferenceCheck(
        in_reference,
        name=name,
        raise_warning=raise_warning,
        description=description,
        statistics={"reference": use, "columns": own, "whole_frame": bool(pairs)},
    )


def reference_of(check: Check) -> ReferenceUse | None:
    """The reference `check` looks values up in, if it does."""
    use = _statistics(check).get("reference")
    return use if isinstance(use, ReferenceUse) else None


def judged_columns(check: Check, column: str | None) -> tuple[str, ...]:
    """The contract's columns that a check of a reference looks up."""
    own: tuple[str, ...] = _statistics(check)["columns"]
    return own if _is_whole_frame(check) or column is None else (column,)


def _is_whole_frame(check: Check) -> bool:
    return bool(_statistics(check)["whole_frame"])


def _statistics(check: Check) -> dict[str, Any]:
    return check.statistics or {}


def found_in(
    frame: pl.DataFrame, use: ReferenceUse, frames: Mapping[str, pl.DataFrame]
) -> pl.Series:
    """Per row whether its values stand together in the reference; null if one of them is null.

    Raises:
        ReferenceDown: The reference is not at hand, is empty, or lacks the columns.
    """
    return look_up(frame, known_values(frame.schema, use, frames))


def known_values(
    asked: pl.Schema, use: ReferenceUse, frames: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """The distinct values of a reference, in dtypes that the columns `asked` can be compared with.

    Raises:
        ReferenceDown: The reference is not at hand, is empty, or lacks the columns.
    """
    reference = _rows(use, frames)
    keys = {
        f"k{i}": _comparable(reference.get_column(theirs), dtype, use)
        for i, (dtype, theirs) in enumerate(zip(asked.dtypes(), use.columns, strict=True))
    }
    return pl.DataFrame(keys).drop_nulls().unique()


def look_up(frame: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    """Per row whether its values are among the known ones; null if one of them is null."""
    keys = known.columns
    asked = frame.rename({ours: f"k{i}" for i, ours in enumerate(frame.columns)})
    found = asked.join(
        known.with_columns(found=pl.lit(value=True)),
        on=keys,
        how="left",
        maintain_order="left",
    )
    is_complete = pl.all_horizontal(pl.col(key).is_not_null() for key in keys)
    verdict = pl.when(is_complete).then(pl.col("found").fill_null(value=False))
    return found.select(verdict.alias("found")).to_series()


def _rows(use: ReferenceUse, frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    if use.outcome not in frames:
        raise ReferenceDown(use.outcome, "its rows were not handed over")
    reference = frames[use.outcome]
    missing = [name for name in use.columns if name not in reference.columns]
    if missing:
        reason = f"it has no column {', '.join(missing)}, only {', '.join(reference.columns)}"
        raise ReferenceDown(use.outcome, reason)
    if reference.is_empty():
        raise ReferenceDown(use.outcome, "it is empty")
    return reference


def _comparable(values: pl.Series, dtype: pl.DataType, use: ReferenceUse) -> pl.Series:
    if values.dtype == dtype:
        return values
    if is_text(values.dtype) != is_text(dtype) or not are_of_one_kind(values.dtype, dtype):
        reason = f"{values.name} is {values.dtype}, which never equals the contract's {dtype}"
        raise ReferenceDown(use.outcome, reason)
    return cast_lossless(values, dtype)


def reference_versions(
    uses: Sequence[ReferenceUse],
    frames: Mapping[str, pl.DataFrame],
    versions: Mapping[str, str] | None,
) -> dict[str, str]:
    """What each reference was when values were looked up in it.

    Args:
        uses: The lookups of a contract.
        frames: The rows of each reference.
        versions: What is known as their versions; where nothing is, the number of rows and a sum
            of their hashes say it, whatever the order of the rows.
    """
    said: dict[str, str] = {}
    columns: dict[str, list[str]] = {use.outcome: [] for use in uses}
    for use in uses:
        columns[use.outcome] += use.columns
    for outcome, names in columns.items():
        if versions is not None and outcome in versions:
            said[outcome] = versions[outcome]
        elif outcome in frames:
            rows = frames[outcome].select(list(dict.fromkeys(names)))
            said[outcome] = f"{rows.height}:{rows.hash_rows().sum() % 2**64:016x}"
    return said
