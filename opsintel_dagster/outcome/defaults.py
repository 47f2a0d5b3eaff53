"""Defaults that many outcomes share, named by `extends`, and the law by which they merge."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field, field_validator

from opsintel_dagster.outcome.amendments import Amendments
from opsintel_dagster.outcome.declared import Declared, Origin
from opsintel_dagster.outcome.durations import Deadline
from opsintel_dagster.outcome.fields import FailureModes, Handoff, Key, Repeats, Routes
from opsintel_dagster.outcome.findings import Problem, did_you_mean, refusals
from opsintel_dagster.outcome.healing import Healing
from opsintel_dagster.outcome.limits import BatchLimits, Cost, References, Share, Tags
from opsintel_dagster.outcome.names import Name, Owner
from opsintel_dagster.outcome.notices import Notices
from opsintel_dagster.outcome.sources import FilesSource, UpstreamSource
from opsintel_dagster.outcome.symptoms import Symptoms

_SOURCE_FIELDS = frozenset(FilesSource.model_fields) | frozenset(UpstreamSource.model_fields)


class Defaults(Declared):
    """House standards: any field of an outcome but its name, its promise and its contract.

    Only what is written counts. A `source` may be given in part (`{encoding: latin-1}`); its
    values are checked in the outcomes that extend it, where the rest of it stands.
    """

    name: Name
    within: Deadline | None = None
    owner: Owner | None = None
    cost_per_hour: Cost | None = None
    description: str | None = None
    source: dict[str, Any] | None = None
    key: Key | None = None
    tolerance: Share | None = None
    symptoms: Symptoms | None = None
    repeats: Repeats | None = None
    failure_modes: FailureModes | None = None
    routes: Routes | None = None
    handoff: Handoff | None = Field(default=None)
    amendments: Amendments | None = None
    batch: BatchLimits | None = None
    healing: Healing | None = None
    notices: Notices | None = None
    references: References | None = None
    tags: Tags | None = None

    @field_validator("source")
    @classmethod
    def _fields_of_a_source(cls, source: dict[str, Any] | None) -> dict[str, Any] | None:
        unknown = [name for name in source or {} if name not in _SOURCE_FIELDS]
        if unknown:
            raise refusals(
                Problem(
                    (name,),
                    f"there is no field `{name}`",
                    did_you_mean(name, _SOURCE_FIELDS, plural="fields"),
                )
                for name in unknown
            )
        return source

    @classmethod
    def title_of(cls, data: Any, origin: Origin) -> str:
        """Call defaults by their name, where they have one."""
        name = data.get("name") if isinstance(data, Mapping) else None
        return name if isinstance(name, str) else super().title_of(data, origin)

    def stated(self) -> dict[str, Any]:
        """Give what these defaults say, as an outcome would write it."""
        return {
            name: _as_written(value)
            for name, value in ((n, getattr(self, n)) for n in sorted(self.model_fields_set))
            if name != "name" and value is not None
        }


def _as_written(value: Any) -> Any:
    """Give a model as the mapping that would have made it: what it does not say stays open."""
    if not isinstance(value, BaseModel):
        return value
    said = {name: getattr(value, name) for name in sorted(value.model_fields_set)}
    return {"kind": value.kind, **said} if hasattr(value, "kind") else said


def extend(own: Mapping[str, Any], defaults: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Fill what an outcome does not say itself from defaults; later defaults win over earlier.

    The law: the outcome's own value wins; where both are mappings, they merge one level deep,
    entry by entry; lists and everything else replace. Two mappings of different `kind` do not
    merge: the fields of one mean nothing in the other.
    """
    merged: dict[str, Any] = {}
    for layer in (*defaults, own):
        for name, value in layer.items():
            merged[name] = _merged(merged.get(name), value)
    return merged


def _merged(before: Any, value: Any) -> Any:
    written = _as_written(value)
    if not isinstance(before, Mapping) or not isinstance(written, Mapping):
        return value
    kinds = {before.get("kind"), written.get("kind")} - {None}
    return value if len(kinds) > 1 else {**before, **written}
