"""Reading an outcome from a mapping, as YAML gives it: all findings, and what can be used of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome.declaration import Outcome
from opsintel_dagster.outcome.declared import Origin
from opsintel_dagster.outcome.defaults import Defaults
from opsintel_dagster.outcome.findings import Finding, Positions


@dataclass(frozen=True)
class Draft:
    """What a mapping says, as far as it can be understood.

    Attributes:
        outcome: The outcome; fields that are `unsound` hold a placeholder.
        findings: Everything that is wrong; empty if the outcome is valid.
        unsound: The fields the findings are about.
    """

    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    unsound: frozenset[str] = frozenset()


def draft_outcome(
    data: Mapping[str, Any],
    *,
    source: str,
    positions: Positions | None = None,
    shared: Mapping[str, Defaults] | None = None,
) -> Draft:
    """Read an outcome, and where parts of it are wrong, what can be read of the rest.

    So `check` can look at the sound fields in the same go, and a person who mistyped a field and
    named an unknown rule hears of both at once.

    Args:
        data: What was written.
        source: What to call it in findings while it has no name.
        positions: From `read_positions`, where it was read from a text.
        shared: The defaults `extends` may name.
    """
    origin = Origin(source=source, positions=positions or {}, shared=shared or {})
    try:
        return Draft(Outcome.model_validate(data, context=origin))
    except DeclarationError as error:
        findings = tuple(error.findings)
    merged = dict(Outcome.prepare(data, origin)) if isinstance(data, Mapping) else {}
    unsound = frozenset(merged) | frozenset(Outcome.model_fields)
    sound = dict(_PLACEHOLDERS)
    for name in Outcome.model_fields:
        if name in merged and _is_sound(name, merged[name], origin):
            sound[name] = merged[name]
            unsound -= {name}
        elif name not in merged and name not in _PLACEHOLDERS:
            unsound -= {name}
    return Draft(Outcome.model_validate(sound), findings, unsound & set(Outcome.model_fields))


_PLACEHOLDERS: Mapping[str, Any] = {
    "name": "unnamed",
    "promise": "none",
    "within": "1h",
    "owner": "team:none",
    "source": {"kind": "files", "path": "none"},
    "contract": "none",
}
"""What stands in a required field that was written wrongly, until it is corrected."""


def _is_sound(name: str, value: Any, origin: Origin) -> bool:
    """Validate one field alone, the rest being placeholders."""
    try:
        Outcome.model_validate({**_PLACEHOLDERS, name: value}, context=Origin(shared=origin.shared))
    except DeclarationError:
        return False
    return True


def load_outcome(
    data: Mapping[str, Any],
    *,
    source: str,
    positions: Positions | None = None,
    shared: Mapping[str, Defaults] | None = None,
) -> Outcome:
    """Read a valid outcome.

    Args:
        data: What was written.
        source: What to call it in findings while it has no name.
        positions: From `read_positions`, where it was read from a text.
        shared: The defaults `extends` may name.

    Raises:
        DeclarationError: It is not valid; the error carries every finding.
    """
    draft = draft_outcome(data, source=source, positions=positions, shared=shared)
    if draft.findings:
        raise DeclarationError(draft.findings)
    return draft.outcome
