"""Looking values up in a reference that lies in the same engine, or is sent there."""

from collections.abc import Mapping
from typing import Any

import ibis
import polars as pl

from opsintel_dagster.errors import ReferenceDown
from opsintel_dagster.verification.engines.cells import cast_lossless, source_dtype
from opsintel_dagster.verification.engines.engine import Engine, Value
from opsintel_dagster.verification.lossless import are_of_one_kind, is_text
from opsintel_dagster.verification.references import known_values
from opsintel_dagster.verification.rules import ReferenceUse


def known_rows(
    use: ReferenceUse,
    dtypes: Mapping[str, pl.DataType],
    references: Mapping[str, Any],
    engine: Engine,
) -> Any:
    """The distinct values of a reference as a table with the columns `k0`, `k1`, ...

    Args:
        use: The columns to look into.
        dtypes: The columns that are looked up, with their dtypes.
        references: Outcome to its rows: a Polars frame, or a table of the same engine.
        engine: The engine.

    Raises:
        ReferenceDown: The reference is not at hand, is empty, or lacks the columns.
        NotTranslatedError: Its values cannot be compared there as they are here.
    """
    reference = references.get(use.outcome)
    if not isinstance(reference, ibis.Table):
        frames = {name: one for name, one in references.items() if isinstance(one, pl.DataFrame)}
        return _sent(known_values(pl.Schema(dtypes), use, frames), engine)
    missing = [name for name in use.columns if name not in reference.columns]
    if missing:
        reason = f"it has no column {', '.join(missing)}, only {', '.join(reference.columns)}"
        raise ReferenceDown(use.outcome, reason)
    if not reference.limit(1).count().to_pyarrow().as_py():
        raise ReferenceDown(use.outcome, "it is empty")
    keys = {
        f"k{i}": _comparable(reference[theirs], theirs, dtype, use, engine)
        for i, (theirs, dtype) in enumerate(zip(use.columns, dtypes.values(), strict=True))
    }
    return reference.select(**keys).drop_null().distinct()


def _sent(known: pl.DataFrame, engine: Engine) -> Any:
    plain = known.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    stored = {name: engine.stored(dtype) for name, dtype in known.schema.items()}
    narrow = plain.with_columns(
        pl.col(name).cast(pl.Decimal(20, 0) if dtype == pl.UInt64 else pl.Int64)
        for name, dtype in known.schema.items()
        if dtype.is_unsigned_integer() and not engine.has_unsigned
    )
    return ibis.memtable(narrow.to_arrow()).cast(stored)


def _comparable(
    values: Value, name: str, dtype: pl.DataType, use: ReferenceUse, engine: Engine
) -> Value:
    source = source_dtype(values.type())
    is_comparable = source is not None and (
        source == dtype or (is_text(source) == is_text(dtype) and are_of_one_kind(source, dtype))
    )
    if source is None or not is_comparable:
        reason = f"{name} is {values.type()}, which never equals the contract's {dtype}"
        raise ReferenceDown(use.outcome, reason)
    if is_text(source):
        text = engine.plain(values)
        if isinstance(dtype, pl.Enum):
            return ibis.ifelse(text.isin(dtype.categories.to_list()), text, ibis.null("string"))
        return text
    return cast_lossless(values, source, dtype, engine).value
