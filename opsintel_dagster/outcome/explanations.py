"""Pydantic's errors, said so that the person who wrote the declaration can act on them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from opsintel_dagster.outcome.findings import REFUSED, FieldPath, Problem, did_you_mean

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "`true` or `false`",
    "bool_parsing": "`true` or `false`",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of names to values",
    "mapping_type": "a mapping of names to values",
    "model_type": "a mapping of fields to values",
    "model_attributes_type": "a mapping of fields to values",
    "is_instance_of": "another kind of object",
    "byte_size": "a size such as `256MB`",
    "byte_size_unit": "a size such as `256MB`",
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_MAY_BE_SECRET = frozenset({"url", "path", "default", "env", "channels", "ping"})


def explain(
    errors: Sequence[ErrorDetails], data: Any, fields: Mapping[int, frozenset[str]]
) -> list[Problem]:
    """Say what each error means.

    Args:
        errors: Pydantic's errors about `data`.
        data: What was written.
        fields: The fields the mappings inside `data` may have, by the id of the mapping.

    Returns:
        At least one problem an error, without the values of fields that may hold a secret.
    """
    problems: list[Problem] = []
    for error in errors:
        path, around = _walk(data, error["loc"], is_missing=error["type"] == "missing")
        problems.extend(_problems(error, path, fields.get(id(around), frozenset())))
    return list(dict.fromkeys(problems))


def _walk(data: Any, location: tuple[int | str, ...], *, is_missing: bool) -> tuple[FieldPath, Any]:
    """Follow an error's location through the data, leaving out what pydantic adds to it.

    Pydantic puts the chosen member of a union into the location; a mapping with a `kind` is
    met by it once, right after it was entered.

    Returns:
        The path as it stands in the declaration, and the mapping or list the last step is in.
    """
    path: list[str | int] = []
    around: Any = None
    here = data
    kind_pending = _kind(here)
    for index, part in enumerate(location):
        if isinstance(part, str) and part == kind_pending:
            kind_pending = None
            continue
        if isinstance(part, str) and part[:1] in "<[":
            continue
        around, kind_pending = here, None
        path.append(part)
        if is_missing and index == len(location) - 1:
            break
        here = _step(here, part)
        kind_pending = _kind(here)
    return tuple(path), around


def _step(here: Any, part: str | int) -> Any:
    if isinstance(here, Mapping):
        return here.get(part)
    if isinstance(here, Sequence) and not isinstance(here, str) and isinstance(part, int):
        return here[part] if part < len(here) else None
    return None


def _kind(here: Any) -> str | None:
    kind = here.get("kind") if isinstance(here, Mapping) else None
    return kind if isinstance(kind, str) else None


def _problems(error: ErrorDetails, path: FieldPath, fields: frozenset[str]) -> list[Problem]:
    context = error.get("ctx", {})
    if error["type"] == REFUSED:
        return [
            Problem((*path, *problem.path), problem.what, problem.fix)
            for problem in context["problems"]
        ]
    what, fix = _sentence(error, path, fields, context)
    return [Problem(path, what, fix)]


def _sentence(
    error: ErrorDetails, path: FieldPath, fields: frozenset[str], context: Mapping[str, Any]
) -> tuple[str, str]:
    """Say what is wrong and what to write, for the errors pydantic finds by itself."""
    kind, last = error["type"], str(path[-1]) if path else ""
    got = _shown(error["input"], path)
    match kind:
        case "missing":
            sentence = "is missing", f"write `{last}: …`"
        case "extra_forbidden":
            sentence = f"there is no field `{last}`", did_you_mean(last, fields, plural="fields")
        case "literal_error":
            sentence = f"{got} is not one of the choices", f"write {context['expected']}"
        case "union_tag_invalid":
            tag = str(context["tag"])
            choices = [choice.strip("' ") for choice in str(context["expected_tags"]).split(",")]
            sentence = f"there is no kind `{tag}`", did_you_mean(tag, choices, plural="kinds")
        case "union_tag_not_found":
            sentence = f"{got} does not say its kind", "write it as a mapping with a `kind`"
        case "too_short" | "string_too_short":
            sentence = "this is empty", f"write {'one' if kind == 'too_short' else 'a text'}"
        case _ if kind in _LIMITS:
            name, words = _LIMITS[kind]
            sentence = f"{got} is out of range", f"write {words} {context[name]:g}"
        case _ if kind in _EXPECTED:
            fix = _fix_for(kind, error["input"], path)
            sentence = f"{got} is not {_EXPECTED[kind]}", fix
        case _:
            sentence = str(error["msg"]).rstrip("."), "correct the value"
    return sentence


def _fix_for(kind: str, value: Any, path: FieldPath) -> str:
    if kind == "string_type" and isinstance(value, bool | int | float) and not _is_secret(path):
        return f'put it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'
    if kind in {"tuple_type", "list_type"} and isinstance(value, str) and not _is_secret(path):
        return f"write `[{value}]`"
    return f"write {_EXPECTED[kind]}"


def _is_secret(path: FieldPath) -> bool:
    return any(part in _MAY_BE_SECRET for part in path)


def _shown(value: Any, path: FieldPath) -> str:
    """Show a value in a sentence: short scalars as they are, the rest by what it is."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple | set):
        return "a list"
    if isinstance(value, bool | int | float | str):
        return "this value" if _is_secret(path) else f"`{str(value)[:60]}`"
    return f"an object of type {type(value).__name__}"
