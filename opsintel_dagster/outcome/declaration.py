"""The declaration of an outcome: what an operation must produce, and what may go wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, field_validator

from opsintel_dagster.outcome.amendments import Amendments
from opsintel_dagster.outcome.declared import Declared, Origin
from opsintel_dagster.outcome.defaults import Defaults, extend
from opsintel_dagster.outcome.durations import Deadline
from opsintel_dagster.outcome.fields import FailureModes, Handoff, Key, Repeats, Routes, list_of
from opsintel_dagster.outcome.findings import Problem, did_you_mean, refusal, refusals
from opsintel_dagster.outcome.healing import Healing
from opsintel_dagster.outcome.limits import BatchLimits, Cost, References, Share, Tags
from opsintel_dagster.outcome.names import RESERVED_OUTCOMES, Name, Owner
from opsintel_dagster.outcome.notices import Notices
from opsintel_dagster.outcome.sources import Source
from opsintel_dagster.outcome.symptoms import Symptoms


class Outcome(Declared):
    """An outcome an operation must produce: its promise, its source, its contract, its receivers.

    An invalid one raises `DeclarationError` with every finding. What needs the contract (rules,
    columns, expressions) is looked at by `check`, when definitions load.

    Attributes:
        name: What the outcome is called; group and key prefix of its assets.
        promise: What must be true, in a sentence a manager understands.
        within: The promise's deadline, counted from when the source made a record available.
        owner: `team:<name>` or an e-mail address.
        cost_per_hour: What a broken hour costs; orders cases, reports and run priority.
        description: Anything else worth knowing, in Markdown.
        source: Where arrivals come from.
        contract: A `pandera.polars` model or schema; a text is its dotted path.
        key: The columns that name one record.
        tolerance: A larger share quarantined, and the arrival is held.
        symptoms: What happens to an arrival that does not look like those before it.
        repeats: What happens to a key that another arrival has already delivered.
        failure_modes: How records come in wrong; a row belongs to the first that fits.
        routes: The decision table, or the path of a CSV file that holds it. None and a single
            receiver: everything goes there.
        handoff: The receiver of each route.
        amendments: What is changed in records before they are judged, and where some are sent.
        batch: How much is drained together.
        healing: How failures are told apart, and how much is tried before somebody is asked.
        notices: Who is told what is wrong, through which channels, and who is told next.
        references: When a reference, by the name of its outcome, is not trusted.
        tags: Dagster tags of the assets.
        extends: The defaults this outcome extends; in Python also the `Defaults` themselves.
    """

    name: Name
    promise: str = Field(min_length=1)
    within: Deadline
    owner: Owner
    cost_per_hour: Cost = 0.0
    description: str = ""
    source: Source
    contract: Any = Field(repr=False)
    key: Key = ()
    tolerance: Share = 1.0
    symptoms: Symptoms = Symptoms()
    repeats: Repeats = "deliver"
    failure_modes: FailureModes = ()
    routes: Routes = ()
    handoff: Handoff = Field(default_factory=dict)
    amendments: Amendments = ()
    batch: BatchLimits = BatchLimits()
    healing: Healing = Healing()
    notices: Notices = Notices()
    references: References = Field(default_factory=dict)
    tags: Tags = Field(default_factory=dict)
    extends: tuple[str, ...] = ()

    @classmethod
    def prepare(cls, data: Any, origin: Origin) -> Any:
        """Fill in what the defaults named by `extends` say, before anything is validated."""
        if not isinstance(data, Mapping) or "extends" not in data:
            return data
        named = [_named(item, origin) for item in list_of(data["extends"])]
        layers = [item.stated() for item in named if isinstance(item, Defaults)]
        own = {name: value for name, value in data.items() if name != "extends"}
        names = [item.name if isinstance(item, Defaults) else item for item in named]
        return {**extend(own, layers), "extends": names}

    @classmethod
    def title_of(cls, data: Any, origin: Origin) -> str:
        """Call an outcome by its name, where it has one."""
        name = data.get("name") if isinstance(data, Mapping) else None
        return name if isinstance(name, str) and name else super().title_of(data, origin)

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        if name in RESERVED_OUTCOMES:
            raise refusal(f"`{name}` is the name of the package itself", "choose another name")
        return name

    @field_validator("contract")
    @classmethod
    def _given(cls, contract: Any) -> Any:
        if contract is None or contract == "":
            raise refusal(
                "there is no contract", "write a pandera model or schema, or its dotted path"
            )
        return contract

    @field_validator("extends", mode="before")
    @classmethod
    def _all_known(cls, names: list[Any]) -> list[Any]:
        unknown = [(at, name) for at, name in enumerate(names) if isinstance(name, _Unknown)]
        if unknown:
            raise refusals(
                Problem((at,), f"there are no defaults `{name.text}`", name.fix)
                for at, name in unknown
            )
        return names


@dataclass(frozen=True)
class _Unknown:
    """A text in `extends` that names no defaults; kept until validation can say so."""

    text: str
    fix: str


def _named(item: Any, origin: Origin) -> Any:
    """Give the defaults an item of `extends` means; what is no text is left to validation."""
    if not isinstance(item, str):
        return item
    fix = did_you_mean(item, origin.shared, plural="defaults")
    return origin.shared.get(item, _Unknown(item, fix))
