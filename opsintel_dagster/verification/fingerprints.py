"""A stable name for what a contract demands: it changes when a verdict could change.

Two processes, and two orders of a set, give the same fingerprint; another dtype, argument, key,
null token, or another body of a check's function, or another value of a constant that the function
reads, gives another one. Functions are described by their bytecode and constants, so moving or
reformatting one changes nothing, while another Python version may.
"""

import datetime as dt
import decimal
import dis
import enum
import functools
import hashlib
import inspect
import json
import re
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl
from pandera.api.base.model_components import BaseCheckInfo

_VERSION: Final = 1
"""Raised when the package itself reads or judges cells differently."""
_LIBRARIES: Final = frozenset(
    {
        *sys.stdlib_module_names,
        "numpy",
        "opsintel_dagster",
        "pandas",
        "pandera",
        "polars",
        "pyarrow",
    }
)
"""Code that is pinned by the environment and not looked into; only what it closes over is."""


def fingerprint(facts: Mapping[str, Any]) -> str:
    """A hash over plain values, dtypes, checks' functions and whatever they close over."""
    canonical = json.dumps(_Canonical().of([_VERSION, facts]))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


class _Canonical:
    """Turns values into JSON that depends on nothing but what they say.

    Whatever has a body is described once and then by the hash of its description, so that circles
    end and what many refer to costs nothing more.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, tuple[str, ...]], tuple[Any, str]] = {}

    def of(self, value: Any, names: tuple[str, ...] = ()) -> Any:
        """Describe `value`; of classes only the attributes in `names`, which a function reads."""
        kind = type(value).__name__
        match value:
            case enum.Enum():
                said: Any = [type(value).__qualname__, value.name]
            case None | bool() | int() | str():
                said = [kind, value]
            case float() | complex() | decimal.Decimal() | bytes() | range():
                said = [kind, repr(value)]
            case dt.date() | dt.time() | dt.timedelta() | dt.tzinfo():
                said = [kind, str(value), str(getattr(value, "tzinfo", ""))]
            case re.Pattern():
                said = ["pattern", repr(value.pattern), value.flags]
            case Mapping():
                said = ["map", self._sorted(value.items(), names)]
            case set() | frozenset():
                said = ["set", self._sorted(value, names)]
            case list() | tuple():
                said = ["list", [self.of(part, names) for part in value]]
            case _:
                said = self._of_polars(value) or self._of_code(value, names)
        return said

    def _sorted(self, values: Iterable[Any], names: tuple[str, ...]) -> list[Any]:
        return sorted((self.of(value, names) for value in values), key=json.dumps)

    def _of_polars(self, value: Any) -> Any:
        match value:
            case pl.Series():
                return ["series", repr(value.dtype), self.of(value.to_list())]
            case pl.DataFrame():
                return ["frame", [self.of([series.name, series]) for series in value]]
            case pl.Expr():
                return ["expression", str(value)]
            case pl.DataType():
                return ["dtype", repr(value)]
            case _:
                return None

    def _of_code(self, value: Any, names: tuple[str, ...]) -> Any:
        key = (id(value), names)
        if key not in self._known:
            # The value is kept as well: a freed one would give its id to another.
            self._known[key] = (value, "open")
            text = json.dumps(self._described(value, names))
            self._known[key] = (value, hashlib.sha256(text.encode()).hexdigest())
        return self._known[key][1]

    def _described(self, value: Any, names: tuple[str, ...]) -> Any:
        match value:
            case functools.partial():
                said: Any = ["partial", self.of([value.func, value.args, value.keywords], names)]
            case types.MethodType():
                said = ["method", self.of([value.__func__, value.__self__], names)]
            case types.FunctionType():
                said = ["function", self._function(value)]
            case types.CodeType():
                said = ["code", value.co_code.hex(), self.of([_constants(value), value.co_names])]
            case type():
                read = {name: inspect.getattr_static(value, name, None) for name in names}
                said = ["class", value.__qualname__, self.of(read)]
            case BaseCheckInfo():
                said = self.of(value.check_fn, names)
            case types.ModuleType() | types.BuiltinFunctionType():
                said = ["named", value.__name__]
            case classmethod() | staticmethod():
                said = self.of(value.__func__, names)
            case _:
                called = vars(type(value)).get("__call__")
                said = ["object", type(value).__qualname__]
                if type(value).__module__.partition(".")[0] not in _LIBRARIES:
                    said += [self.of([getattr(value, "__dict__", None), called], names)]
        return said

    def _function(self, function: types.FunctionType) -> Any:
        closed = [cell.cell_contents for cell in function.__closure__ or () if _is_set(cell)]
        if (function.__module__ or "").partition(".")[0] in _LIBRARIES:
            # Pandera's wrapper of a model's method closes over the method and the model it reads.
            methods = [part.check_fn for part in closed if isinstance(part, BaseCheckInfo)]
            names = tuple(name for method in methods for name in _names(method.__code__))
            return [function.__module__, function.__qualname__, self.of(closed, names)]
        names = _names(function.__code__)
        known = function.__globals__
        read = {
            name: known[name]
            for name in names
            if name in known and not isinstance(known[name], types.ModuleType)
        }
        defaults = [function.__defaults__, function.__kwdefaults__]
        return self.of([function.__code__, defaults, closed, read], names)


def _constants(code: types.CodeType) -> tuple[Any, ...]:
    """The constants of a function less its docstring, which is there and not loaded."""
    loaded = {step.arg for step in dis.get_instructions(code) if step.opcode in dis.hasconst}
    is_documented = 0 not in loaded and code.co_consts and isinstance(code.co_consts[0], str)
    return code.co_consts[1:] if is_documented else code.co_consts


def _is_set(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _names(code: types.CodeType) -> tuple[str, ...]:
    inner = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return tuple(sorted({*code.co_names, *(name for part in inner for name in _names(part))}))
