"""Amendments in a YAML file, as they stand in a `defs.yaml`, and back.

Dagster fills in templates in a `defs.yaml`, so a text that looks like one is marked as none when it
is written, and the mark is taken away where it is read without Dagster.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import yaml

from opsintel_dagster.outcome.amendments import Amendment, Amendments
from opsintel_dagster.outcome.declared import Declared, Origin
from opsintel_dagster.outcome.positions import read_positions

_TEMPLATE_MARKS: Final = ("{{", "{%", "{#")
_RAW: Final = "{% raw %}"
_END: Final = "{% endraw %}"


class _File(Declared):
    """What stands in the file."""

    amendments: Amendments


def read_amendments(text: str, *, source: str) -> tuple[Amendment, ...]:
    """Read what stands below `amendments:`.

    Raises:
        DeclarationError: with every finding, and its place in the file.
    """
    positions = read_positions(text, source=source)
    data = _each_text(yaml.safe_load(text), _as_it_is)
    given = data if isinstance(data, Mapping) else {"amendments": data}
    origin = Origin(source=source, positions=positions)
    return _File.model_validate(given, context=origin).amendments


def write_amendments(contents: Iterable[tuple[Mapping[str, Any], str]]) -> str:
    """What amendments say, each with a remark (empty: none), as the attribute of a `defs.yaml`."""
    lines = ["amendments:"]
    for content, remark in contents:
        if remark:
            lines.append(f"  # {' '.join(remark.split())}")
        marked = _each_text(content, _untemplated)
        entry = yaml.safe_dump([marked], sort_keys=False, allow_unicode=True, width=1000)
        lines += [f"  {line}" for line in entry.splitlines()]
    return "\n".join(lines) + "\n"


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Every text but those that name something: Dagster leaves names as they are."""
    if isinstance(value, Mapping):
        return {name: _each_text(one, change) for name, one in value.items()}
    if isinstance(value, list):
        return [_each_text(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


def _untemplated(text: str) -> str:
    is_template = any(mark in text for mark in _TEMPLATE_MARKS)
    return f"{_RAW}{text}{_END}" if is_template else text


def _as_it_is(text: str) -> str:
    is_marked = text.startswith(_RAW) and text.endswith(_END)
    return text.removeprefix(_RAW).removesuffix(_END) if is_marked else text
