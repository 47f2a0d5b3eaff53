"""What a rule says, in a sentence a person reads beside a red check."""

from typing import Any, Final

import polars as pl

from opsintel_dagster.verification.naming import DeclaredCheck
from opsintel_dagster.verification.recording import builtin_name
from opsintel_dagster.verification.references import judged_columns, reference_of

_LONGEST: Final = 300
_SHOWN_VALUES: Final = 10

_BUILTIN: Final = {
    "equal_to": "is {value!r}",
    "not_equal_to": "is not {value!r}",
    "greater_than": "is greater than {min_value!r}",
    "greater_than_or_equal_to": "is at least {min_value!r}",
    "less_than": "is less than {max_value!r}",
    "less_than_or_equal_to": "is at most {max_value!r}",
    "str_matches": "begins with a match of {pattern!r}",
    "str_contains": "contains a match of {pattern!r}",
    "str_startswith": "begins with {string!r}",
    "str_endswith": "ends with {string!r}",
}


def describe(declared: DeclaredCheck) -> str:
    """The check's own words if it has some, else what its arguments say."""
    check, subject = declared.check, declared.column or "every column"
    for own in (check.description, check.title):
        if own and own.strip():
            return _shortened(own)
    use = reference_of(check)
    if use is not None:
        judged = ", ".join(judged_columns(check, declared.column))
        return _shortened(f"{judged} is found in {use.outcome} ({', '.join(use.columns)}).")
    builtin = builtin_name(check)
    if builtin is not None:
        return _shortened(f"{subject} {_builtin(builtin, vars(check)['_check_kwargs'])}.")
    return _shortened(check.error or f"{declared.column or 'The row'} passes {check.name}.")


def describe_dtype(column: str, dtype: pl.DataType) -> str:
    """What it means that a cell can be typed."""
    return f"{column} is a value of {dtype}."


def _builtin(name: str, arguments: dict[str, Any]) -> str:
    match name:
        case "in_range":
            low = "[" if arguments.get("include_min", True) else "("
            high = "]" if arguments.get("include_max", True) else ")"
            return f"lies in {low}{arguments['min_value']}, {arguments['max_value']}{high}"
        case "isin":
            return f"is one of {_some(arguments['allowed_values'])}"
        case "notin":
            return f"is none of {_some(arguments['forbidden_values'])}"
        case "str_length" if arguments.get("exact_value") is not None:
            return f"has {arguments['exact_value']} characters"
        case "str_length":
            low, high = arguments.get("min_value"), arguments.get("max_value")
            bounds = [f"at least {low}"] if low is not None else []
            bounds += [f"at most {high}"] if high is not None else []
            return f"has {' and '.join(bounds)} characters"
        case "unique_values_eq":
            return f"has exactly the values {_some(arguments['values'])}"
        case _ if name in _BUILTIN:
            return _BUILTIN[name].format(**arguments)
        case _:
            return f"passes {name}"


def _some(values: Any) -> str:
    known = sorted(values, key=repr)
    shown = ", ".join(map(str, known[:_SHOWN_VALUES]))
    more = len(known) - _SHOWN_VALUES
    return f"{shown} and {more} more" if more > 0 else shown


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
