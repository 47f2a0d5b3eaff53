"""Limits and house-keeping fields of an outcome: batches, references, tags."""

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, ByteSize, Field

from opsintel_dagster.outcome.declared import Declared
from opsintel_dagster.outcome.findings import Problem, refusals
from opsintel_dagster.outcome.names import Name

_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")
_TAG_ALPHABET = "use at most 63 letters, digits, `_`, `-` and `.`"


class BatchLimits(Declared):
    """How much is drained together; an arrival larger than a limit is a batch of its own."""

    max_rows: int = Field(default=250_000, gt=0)
    max_files: int = Field(default=500, gt=0)
    max_bytes: ByteSize = Field(default=ByteSize(256_000_000), gt=0)


class ReferencePolicy(Declared):
    """When a reference is not trusted.

    Attributes:
        shrink: The share of its rows a reference may lose between two versions.
    """

    shrink: float = Field(default=0.5, ge=0, le=1)


def _checked_tags(tags: dict[str, str]) -> dict[str, str]:
    problems = [
        Problem((key,), f"`{key}` is not a tag", _TAG_ALPHABET)
        for key in tags
        if not _TAG_KEY.fullmatch(key)
    ]
    problems += [
        Problem((key,), f"`{key}` is a tag Dagster keeps for itself", "leave out `dagster/`")
        for key in tags
        if key.startswith("dagster/")
    ]
    problems += [
        Problem((key,), f"`{value[:60]}` is not a tag's value", _TAG_ALPHABET)
        for key, value in tags.items()
        if not _TAG_VALUE.fullmatch(value)
    ]
    if problems:
        raise refusals(problems)
    return tags


Tags: TypeAlias = Annotated[dict[str, str], AfterValidator(_checked_tags)]
References: TypeAlias = dict[Name, ReferencePolicy]
Share = Annotated[float, Field(ge=0, le=1)]
Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]
