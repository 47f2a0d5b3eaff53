"""Failure modes: how records come in wrong, what a person does about it, what the system does."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from opsintel_dagster.outcome.acceptance import obstacle
from opsintel_dagster.outcome.declared import Declared
from opsintel_dagster.outcome.durations import PositiveDuration
from opsintel_dagster.outcome.findings import Problem, refusal, refusals
from opsintel_dagster.outcome.names import (
    CRASHED,
    IN_DOUBT,
    OWN_MODES,
    REFUSED_RULE,
    STOPPED,
    UNMAPPED,
    Name,
    Owner,
)

_MEANS: Final = {
    REFUSED_RULE: "rows a receiver refuses",
    IN_DOUBT: "deliveries that nobody can say of whether they arrived",
    CRASHED: "rows over which verification breaks down",
    STOPPED: "batches that are not tried again by themselves",
}


class HumanStep(Declared):
    """What a person does today about one record, and how many minutes it takes."""

    does: str = Field(min_length=1)
    minutes: float = Field(ge=0, allow_inf_nan=False)


class Quarantine(Declared):
    """The rows wait; a person decides, or the cause heals.

    Attributes:
        replay_when: The reference (an outcome's name) whose change may heal the rows.
    """

    kind: Literal["quarantine"] = "quarantine"
    replay_when: Name | None = None


class GoOn(Declared):
    """The rows go on and are counted; only for rules the contract marks as warnings."""

    kind: Literal["go_on"] = "go_on"


Remedy: TypeAlias = Annotated[Quarantine | GoOn, Field(discriminator="kind")]


def _each_column_once(columns: tuple[str, ...]) -> tuple[str, ...]:
    twice = [index for index, name in enumerate(columns) if name in columns[:index]]
    if twice:
        raise refusals(
            Problem((index,), f"column `{columns[index]}` is named twice", "remove one of them")
            for index in twice
        )
    return columns


def _kind_of_per(value: object) -> str:
    return "<columns>" if isinstance(value, Sequence) and not isinstance(value, str) else "<word>"


Columns: TypeAlias = Annotated[
    tuple[str, ...], Field(min_length=1), AfterValidator(_each_column_once)
]
Per: TypeAlias = Annotated[
    Annotated[Literal["rule", "file", "message"], Tag("<word>")]
    | Annotated[Columns, Tag("<columns>")],
    Discriminator(_kind_of_per),
]


class FailureMode(Declared):
    """One way in which records come in wrong.

    Attributes:
        name: What the failure is called, `[a-z][a-z0-9_]*`.
        rules: The rules whose breaking is this failure; each rule belongs to one failure mode.
        human_step: What a person does about it today; None: not known.
        remedy: What the system does instead.
        owner: Who answers for its cases; None: the outcome's owner.
        answer_within: How long after it was opened a case should be answered; None: at any time.
        default: What is decided when nobody has answered by then; None: the case waits on.
        per: What its records are told apart by, so that each is a case of its own: `rule`, `file`,
            `message` (what was said of a record, without its values) or columns; None: one case.
        description: For the outcome's map.
    """

    name: Name
    rules: tuple[str, ...] = Field(min_length=1)
    human_step: HumanStep | None = None
    remedy: Remedy = Quarantine()
    owner: Owner | None = None
    answer_within: PositiveDuration | None = None
    default: Literal["discard", "accept", "replay"] | None = None
    per: Per | None = None
    description: str = ""

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        if name == UNMAPPED:
            raise refusal(
                f"`{name}` is the failure mode of rules no failure mode names",
                "choose another name",
            )
        return name

    @field_validator("rules")
    @classmethod
    def _each_once(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        twice = [index for index, rule in enumerate(rules) if rule in rules[:index]]
        if twice:
            raise refusals(
                Problem((index,), f"rule `{rules[index]}` is named twice", "remove one of them")
                for index in twice
            )
        return rules

    @model_validator(mode="after")
    def _has_a_default_that_can_be_taken(self) -> Self:
        if self.default is None:
            return self
        if self.answer_within is None:
            raise refusals(
                [
                    Problem(
                        ("default",),
                        f"`{self.default}` is decided when the clock has run out, and there is no "
                        "clock",
                        "write `answer_within`, such as `4h`",
                    )
                ]
            )
        if isinstance(self.remedy, GoOn):
            what = f"`{self.default}` is about rows in quarantine, and these rows go on"
            raise refusals([Problem(("default",), what, "remove `default`")])
        if self.default == "accept":
            problems = [
                Problem(
                    ("default",),
                    f"rows that break `{rule}` cannot be delivered: {why}",
                    "write `default: discard` or `replay`, or move the rule to a failure mode of "
                    "its own",
                )
                for rule in self.rules
                if (why := obstacle(rule))
            ]
            if problems:
                raise refusals(problems)
        return self

    @model_validator(mode="after")
    def _tells_apart_what_lies_in_quarantine(self) -> Self:
        if self.per is not None and isinstance(self.remedy, GoOn):
            what = "`per` is about rows in quarantine, and these rows go on"
            raise refusals([Problem(("per",), what, "remove `per`")])
        return self

    @model_validator(mode="after")
    def _means_what_it_says(self) -> Self:
        if self.name in OWN_MODES and self.name not in self.rules:
            raise refusal(
                f"`{self.name}` is the failure mode of {_MEANS[self.name]}",
                f"choose another name, or name the rule `{self.name}` in it",
            )
        return self
