"""What all models of a declaration share: frozen, strict about fields, readable when wrong."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome.explanations import explain
from opsintel_dagster.outcome.findings import Positions, place
from opsintel_dagster.outcome.masking import mask


@dataclass(frozen=True)
class Origin:
    """Where a declaration was read from, handed to pydantic as the validation context.

    Attributes:
        source: The file, for declarations that have no name of their own yet.
        positions: Where its paths stand in that file.
        shared: The defaults that `extends` may name.
    """

    source: str | None = None
    positions: Positions = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)


_fields_of: ContextVar[dict[int, frozenset[str]] | None] = ContextVar("_fields_of", default=None)
"""The fields each mapping under validation may have, by its id; None outside a validation."""


class Declared(BaseModel):
    """A part of a declaration.

    An invalid one raises `DeclarationError` with every finding, whether it is written in Python or
    read from YAML; pydantic's own text, which shows input values and links, never comes out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def prepare(cls, data: Any, _origin: Origin) -> Any:
        """Change what was written before it is validated; most parts take it as it is."""
        return data

    @classmethod
    def title_of(cls, _data: Any, origin: Origin) -> str:
        """Say what findings call a declaration of this kind that stands on its own."""
        return origin.source or cls.__name__

    @classmethod
    def _written_names(cls) -> frozenset[str]:
        """The fields as they are written; `from` is a word of Python's own."""
        return frozenset(field.alias or name for name, field in cls.model_fields.items())

    @model_validator(mode="wrap")
    @classmethod
    def _explained(
        cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Validate; the outermost part turns all errors below it into findings at once."""
        origin = info.context if isinstance(info.context, Origin) else Origin()
        data = cls.prepare(data, origin)
        known = _fields_of.get()
        if known is not None:
            known[id(data)] = cls._written_names()
            return handler(data)
        known = {id(data): cls._written_names()}
        token = _fields_of.set(known)
        try:
            return handler(data)
        except ValidationError as error:
            problems = explain(error.errors(include_url=False), data, known)
            findings = place(problems, root=cls.title_of(data, origin), positions=origin.positions)
        finally:
            _fields_of.reset(token)
        raise DeclarationError(findings)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Show the fields, with the passwords of URLs hidden."""
        for name, value in super().__repr_args__():
            yield name, mask(value) if isinstance(value, str) else value
