"""What a Pandera check would run, found out by running it on a stand-in.

A check of `pandera.polars` is a function of (lazyframe, key) that selects an expression. Called
with a recorder in place of the frame, it hands the expression over, and nothing has to be known
about the check. A check that does anything else with the frame is opaque.
"""

from typing import Any, Self, cast

import polars as pl
from pandera.api.checks import Check
from pandera.api.polars.types import PolarsData
from pandera.backends.polars import builtin_checks  # registers the built-in check functions

WHOLE_FRAME = "*"

__all__ = ["WHOLE_FRAME", "builtin_name", "function_of", "record"]

_REGISTERED_BY = builtin_checks.__name__


class Selection:
    """What a check selected from the recorder; nothing can be done with it but hand it over."""

    def __init__(self, origin: "Recorder", expressions: tuple[pl.Expr, ...]) -> None:
        self.origin = origin
        self.expressions = expressions

    def __getattr__(self, name: str) -> Any:
        self.origin.is_opaque = True
        raise AttributeError(name)


class Recorder:
    """Stands where a check expects its LazyFrame and remembers what is selected from it."""

    def __init__(self) -> None:
        self.is_opaque = False

    def lazy(self) -> Self:
        """A lazy frame is lazy already."""
        return self

    def select(self, *expressions: Any, **named: Any) -> Selection:
        """Remember the expressions, as `LazyFrame.select` would take them."""
        flat: list[Any] = []
        for part in expressions:
            flat.extend(part) if isinstance(part, list | tuple) else flat.append(part)
        plain = [pl.col(part) if isinstance(part, str) else part for part in flat]
        plain += [
            (pl.col(part) if isinstance(part, str) else part).alias(name)
            if isinstance(part, str | pl.Expr)
            else part
            for name, part in named.items()
        ]
        if not plain or not all(isinstance(part, pl.Expr) for part in plain):
            self.is_opaque = True
        return Selection(self, tuple(plain))

    def __getattr__(self, name: str) -> Any:
        self.is_opaque = True
        raise AttributeError(name)


def builtin_name(check: Check) -> str | None:
    """The name under which Pandera has the check's function built in, if it is its own."""
    name = getattr(vars(check)["_check_fn"], "__name__", None)
    return name if name is not None and Check.is_builtin_check(name) else None


def function_of(check: Check) -> Any:
    """The function Pandera calls for `check`: a built-in one goes by its name, always."""
    name = builtin_name(check)
    return vars(check)["_check_fn"] if name is None else Check.get_builtin_check_fn(name)


def record(check: Check, key: str) -> tuple[pl.Expr, ...] | None:
    """The expressions `check` selects for the column `key`; None if it is opaque."""
    if check.element_wise:
        return None
    recorder = Recorder()
    try:
        chosen = function_of(check)(
            PolarsData(cast("pl.LazyFrame", recorder), key), **vars(check)["_check_kwargs"]
        )
    except Exception:  # noqa: BLE001 - any failure on a stand-in means: it is no plain selection
        return None
    if recorder.is_opaque or not isinstance(chosen, Selection):
        return None
    return chosen.expressions
