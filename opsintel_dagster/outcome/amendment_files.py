"""Amendments in a YAML file, as they stand in a `defs.yaml`, and back."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from opsintel_dagster.outcome.amendments import Amendment, Amendments, content_of
from opsintel_dagster.outcome.declared import Declared, Origin
from opsintel_dagster.outcome.positions import read_positions


class _File(Declared):
    """What stands in the file."""

    amendments: Amendments


def read_amendments(text: str, *, source: str) -> tuple[Amendment, ...]:
    """Read what stands below `amendments:`.

    Raises:
        DeclarationError: with every finding, and its place in the file.
    """
    positions = read_positions(text, source=source)
    data: Any = yaml.safe_load(text)
    given: Mapping[str, Any] = data if isinstance(data, Mapping) else {"amendments": data}
    return _File.model_validate(
        given, context=Origin(source=source, positions=positions)
    ).amendments


def write_amendments(amendments: Sequence[Amendment]) -> str:
    """The same as text, to be pasted into a `defs.yaml`, below `attributes:`."""
    said = {"amendments": [content_of(one) for one in amendments]}
    return str(yaml.safe_dump(said, sort_keys=False, allow_unicode=True))
