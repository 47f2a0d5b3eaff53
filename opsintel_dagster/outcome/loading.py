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
        unsound: What the findings are about: fields, and names that are none.
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
    written = Outcome.prepare(data, origin) if isinstance(data, Mapping) else {}
    fields = {name: value for name, value in written.items() if name != "extends"}
    sound = {name: value for name, value in fields.items() if _is_sound(name, value)}
    unsound = (fields.keys() | _PLACEHOLDERS.keys()) - sound.keys()
    outcome = Outcome.model_validate({**_PLACEHOLDERS, **sound})
    return Draft(outcome, findings, frozenset(unsound))


_PLACEHOLDERS: Mapping[str, Any] = {
    "name": "unnamed",
    "promise": "none",
    "within": "1h",
    "owner": "team:none",
    "source": {"kind": "files", "path": "none"},
    "contract": "none",
}
"""What stands in a required field that was written wrongly, until it is corrected."""


def _is_sound(name: str, value: Any) -> bool:
    """Validate one field alone, the rest being placeholders."""
    try:
        Outcome.model_validate({**_PLACEHOLDERS, name: value})
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


def load_defaults(
    data: Mapping[str, Any], *, source: str, positions: Positions | None = None
) -> Defaults:
    """Read defaults that outcomes may extend.

    Args:
        data: What was written.
        source: What to call them in findings while they have no name.
        positions: From `read_positions`, where they were read from a text.

    Raises:
        DeclarationError: They are not valid; the error carries every finding.
    """
    return Defaults.model_validate(data, context=Origin(source=source, positions=positions or {}))
