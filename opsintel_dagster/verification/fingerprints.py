"""A stable name for what a contract demands: it changes when a verdict could change.

Two processes, and two orders of a set, give the same fingerprint; another dtype, argument, key,
null token, or another body of a check's function, or another value of a constant that the function
reads, gives another one. Functions are described by their bytecode and constants, so moving or
reformatting one changes nothing, while another Python version may.
"""

import datetime as dt
import decimal
import enum
import functools
import hashlib
import json
import re
import types
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

_VERSION: Final = 1
"""Raised when the package itself reads or judges cells differently."""
_DEEPEST: Final = 6


def fingerprint(facts: Mapping[str, Any]) -> str:
    """A hash over plain values, dtypes, checks' functions and whatever they close over."""
    canonical = json.dumps(_plain([_VERSION, facts], 0, ()), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def _plain(value: Any, depth: int, names: tuple[str, ...]) -> Any:
    """`value` as JSON that depends on nothing but what it says."""
    if depth > _DEEPEST * 4:
        return "deep"
    inner = functools.partial(_plain, depth=depth + 1, names=names)
    match value:
        case None | bool() | int() | str() if not isinstance(value, enum.Enum):
            return [type(value).__name__, value]
        case float() | complex() | decimal.Decimal() | bytes() | enum.Enum() | range():
            return [type(value).__name__, repr(value)]
        case dt.date() | dt.time() | dt.timedelta():
            return [type(value).__name__, str(value), str(getattr(value, "tzinfo", ""))]
        case re.Pattern():
            return ["pattern", value.pattern, value.flags]
        case Mapping():
            return ["map", sorted(([inner(k), inner(v)] for k, v in value.items()), key=json.dumps)]
        case set() | frozenset():
            return ["set", sorted((inner(part) for part in value), key=json.dumps)]
        case list() | tuple():
            return ["list", [inner(part) for part in value]]
        case pl.Series() | pl.DataFrame():
            return [
                "rows",
                str(getattr(value, "dtype", "")),
                inner(value.to_dict() if isinstance(value, pl.DataFrame) else value.to_list()),
            ]
        case _:
            return _object(value, depth, names)


def _object(value: Any, depth: int, names: tuple[str, ...]) -> Any:
    match value:
        case pl.Expr():
            return ["expression", str(value)]
        case functools.partial():
            parts = [value.func, value.args, value.keywords]
            return ["partial", _plain(parts, depth + 1, names)]
        case types.MethodType():
            return ["method", _plain([value.__func__, value.__self__], depth + 1, names)]
        case types.FunctionType():
            return _function(value, depth)
        case types.CodeType():
            return _code(value, depth)
        case type():
            known = {name: vars(value)[name] for name in names if name in vars(value)}
            return ["class", value.__qualname__, _plain(known, depth + 1, ())]
        case types.ModuleType() | types.BuiltinFunctionType():
            return [type(value).__name__, value.__name__]
        case _ if isinstance(value, pl.DataType):
            return ["dtype", repr(value)]
        case _ if hasattr(value, "__dict__") and depth < _DEEPEST:
            kind = type(value)
            called = vars(kind).get("__call__")
            return ["object", kind.__qualname__, _plain([vars(value), called], depth + 1, names)]
        case _:
            return ["object", type(value).__qualname__]


def _function(function: types.FunctionType, depth: int) -> Any:
    if depth > _DEEPEST:
        return ["function", function.__qualname__]
    names = _names(function.__code__)
    closed = [cell.cell_contents for cell in function.__closure__ or () if _is_set(cell)]
    read = {name: function.__globals__[name] for name in names if name in function.__globals__}
    said = [
        function.__code__,
        function.__defaults__,
        function.__kwdefaults__,
        closed,
        {name: what for name, what in read.items() if not isinstance(what, types.ModuleType)},
    ]
    return ["function", _plain(said, depth + 1, names)]


def _is_set(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _names(code: types.CodeType) -> tuple[str, ...]:
    inner = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return tuple(sorted({*code.co_names, *(name for part in inner for name in _names(part))}))


def _code(code: types.CodeType, depth: int) -> Any:
    said = [code.co_consts, code.co_names, code.co_varnames, code.co_freevars]
    return ["code", code.co_code.hex(), _plain(said, depth + 1, ())]
