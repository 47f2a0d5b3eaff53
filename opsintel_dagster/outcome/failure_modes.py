"""Failure modes: how records come in wrong, what a person does about it, what the system does."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from opsintel_dagster.outcome.declared import Declared
from opsintel_dagster.outcome.findings import Problem, refusal, refusals
from opsintel_dagster.outcome.names import REFUSED_RULE, UNMAPPED, Name, Owner


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


class FailureMode(Declared):
    """One way in which records come in wrong.

    Attributes:
        name: What the failure is called, `[a-z][a-z0-9_]*`.
        rules: The rules whose breaking is this failure; each rule belongs to one failure mode.
        human_step: What a person does about it today; None: not known.
        remedy: What the system does instead.
        owner: Who answers for its cases; None: the outcome's owner.
        description: For the outcome's map.
    """

    name: Name
    rules: tuple[str, ...] = Field(min_length=1)
    human_step: HumanStep | None = None
    remedy: Remedy = Quarantine()
    owner: Owner | None = None
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
    def _refused_is_refused(self) -> Self:
        if self.name == REFUSED_RULE and REFUSED_RULE not in self.rules:
            raise refusal(
                "`refused` is the failure mode of rows a receiver refuses",
                "choose another name, or name the rule `refused` in it",
            )
        return self
