"""Amendments: decisions kept as rules, applied before verification from then on.

What is kept in the ledger and what a team writes into its declaration are the same models, so that
an amendment can move from one to the other unchanged.
"""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome.declared import Declared
from opsintel_dagster.outcome.explanations import explain
from opsintel_dagster.outcome.findings import Problem, place, refusal, refusals
from opsintel_dagster.outcome.names import CONTROL_PREFIX, Name


class Repair(Declared):
    """Another value for some cells of a column, before they are judged.

    A cell is changed at most once, whatever the other amendments say, and never where a decision
    has changed it already.

    Attributes:
        column: The column, as the contract calls it.
        values: What becomes of a cell with this text; an empty text is an empty cell.
        expression: SQL over the source's columns that gives the cell's value.
        when: A SQL condition over the source's columns; None: every record.
    """

    kind: Literal["repair"]
    column: str = Field(min_length=1)
    values: dict[str, str] = Field(default_factory=dict)
    expression: str | None = Field(default=None, min_length=1)
    when: str | None = Field(default=None, min_length=1)

    @field_validator("values")
    @classmethod
    def _change_something(cls, values: dict[str, str]) -> dict[str, str]:
        same = [
            Problem((old,), f"`{old}` stays `{old}`", "remove it, or write another value")
            for old, new in values.items()
            if old == new
        ]
        if same:
            raise refusals(same)
        return values

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if bool(self.values) == (self.expression is not None):
            raise refusal(
                "it says both `values` and `expression`"
                if self.values
                else "it says neither `values` nor `expression`",
                "write one of them",
            )
        return self


class Rename(Declared):
    """Columns that the source calls otherwise, where it does not bring those of the contract.

    Attributes:
        columns: What the source calls a column → what the contract calls it.
    """

    kind: Literal["rename"]
    columns: dict[str, str] = Field(min_length=1)

    @field_validator("columns")
    @classmethod
    def _one_for_each(cls, columns: dict[str, str]) -> dict[str, str]:
        problems = [
            Problem((new,), f"`{new}` is called so already", "remove it")
            for new, column in columns.items()
            if new == column
        ]
        problems += [
            Problem((new,), f"`{new}` is a name of the package's own columns", "remove it")
            for new in columns
            if new.startswith(CONTROL_PREFIX)
        ]
        targets = list(columns.values())
        problems += [
            Problem((new,), f"two columns would become `{column}`", "keep one of them")
            for at, (new, column) in enumerate(columns.items())
            if column in targets[:at]
        ]
        if problems:
            raise refusals(problems)
        return columns


class Reroute(Declared):
    """A rule in front of the decision table.

    Attributes:
        to: The receiver in `handoff`, or `nowhere`.
        when: A SQL condition over the contract's columns.
    """

    kind: Literal["route"]
    to: Name
    when: str = Field(min_length=1)


Amendment: TypeAlias = Annotated[Repair | Rename | Reroute, Field(discriminator="kind")]


def contradiction(one: Amendment, other: Amendment) -> str | None:
    """What two amendments say differently about the same thing; None: they go together."""
    if isinstance(one, Repair) and isinstance(other, Repair) and one.column == other.column:
        for old in one.values:
            if other.values.get(old, one.values[old]) != one.values[old]:
                return f"{one.column}={old!r} becomes {other.values[old]!r}"
    if isinstance(one, Rename) and isinstance(other, Rename):
        for new in one.columns:
            if other.columns.get(new, one.columns[new]) != one.columns[new]:
                return f"column `{new}` is `{other.columns[new]}`"
    return None


def content_of(amendment: Amendment) -> dict[str, Any]:
    """What it says, as JSON and YAML write it."""
    return amendment.model_dump(mode="json", exclude_defaults=True)


def parse_amendment(content: Any) -> Amendment:
    """Read what `content_of` gave.

    Raises:
        DeclarationError: it is no amendment.
    """
    try:
        return _ADAPTER.validate_python(content)
    except ValidationError as error:  # no kind, or none that this version knows
        problems = explain(error.errors(include_url=False), content, {})
    raise DeclarationError(place(problems, root="amendment"))


def _checked(amendments: tuple[Amendment, ...]) -> tuple[Amendment, ...]:
    problems = []
    for at, one in enumerate(amendments):
        if one in amendments[:at]:
            problems.append(Problem((at,), "it is written twice", "remove one of them"))
            continue
        for before, other in enumerate(amendments[:at]):
            if said := contradiction(one, other):
                what = f"amendments[{before}] says that {said}"
                problems.append(Problem((at,), what, "keep one of them"))
    if problems:
        raise refusals(problems)
    return amendments


_ADAPTER: TypeAdapter[Amendment] = TypeAdapter(Amendment)
Amendments: TypeAlias = Annotated[tuple[Amendment, ...], AfterValidator(_checked)]
