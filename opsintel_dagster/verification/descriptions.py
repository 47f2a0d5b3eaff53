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
    check = declared.check
    subject = declared.column or "every column"
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
            said = f"lies in {low}{arguments['min_value']}, {arguments['max_value']}{high}"
        case "isin":
            said = f"is one of {_some(arguments['allowed_values'])}"
        case "notin":
            said = f"is none of {_some(arguments['forbidden_values'])}"
        case "str_length":
            said = f"has {_length(arguments)} characters"
        case "unique_values_eq":
            said = f"has exactly the values {_some(arguments['values'])}"
        case _:
            said = _BUILTIN.get(name, f"passes {name}").format(**arguments)
    return said


def _length(arguments: dict[str, Any]) -> str:
    bounds = [("", "exact_value"), ("at least ", "min_value"), ("at most ", "max_value")]
    given = [f"{word}{arguments[key]}" for word, key in bounds if arguments.get(key) is not None]
    return " and ".join(given)


def _some(values: Any) -> str:
    known = sorted(values, key=repr)
    shown = ", ".join(map(str, known[:_SHOWN_VALUES]))
    more = len(known) - _SHOWN_VALUES
    return f"{shown} and {more} more" if more > 0 else shown


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
