"""Attributes of a `defs.yaml`, taken as they stand, so that outcome/ can say what is wrong in them.

Dagster would validate them with models of its own making, one error after the other. The models
of `outcome/` find everything at once and know what to write instead, so Dagster's is told to let
everything pass, and shows theirs as the schema to editors and to `dg check yaml`.
"""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import dagster as dg
from pydantic import BaseModel, ConfigDict

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.orchestration.instance import yaml_source
from opsintel_dagster.outcome import Finding, Positions
from opsintel_dagster.outcome.positions import read_positions

_TEMPLATE_MARKS: Final = ("{{", "{%")


def passing(name: str, schema: Callable[[], dict[str, Any]]) -> type[BaseModel]:
    """A model that takes any attributes and shows `schema` as its JSON schema."""

    class Attributes(BaseModel):
        model_config = ConfigDict(extra="allow", title=name)

        @classmethod
        def model_json_schema(cls, *_args: Any, **_kwargs: Any) -> dict[str, Any]:
            return {**schema(), "title": name}

    Attributes.__name__ = Attributes.__qualname__ = name
    return Attributes


def rendered(context: dg.ResolutionContext, value: Any) -> Any:
    """Fill in templates, and leave every other text as it stands.

    Dagster's own rendering turns each text that looks like a Python literal into one, templates
    or not: the null value `"0"` would become a number.
    """
    if isinstance(value, Mapping):
        return {key: rendered(context, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rendered(context, item) for item in value]
    if isinstance(value, str) and any(mark in value for mark in _TEMPLATE_MARKS):
        return context.resolve_value(value)
    return value


def positions_of(context: dg.ResolutionContext) -> Positions:
    """Where the attributes stand in their file; nothing where they come from no file.

    Raises:
        DeclarationError: something is written twice; YAML readers silently keep the last.
    """
    source = yaml_source(context)
    if source is None:
        return {}
    path, line = source
    text = path.read_text(encoding="utf-8")
    shown = _shown(path)
    for document in range(text.count("\n---") + 1):
        place = read_positions(text, source=shown, under=("attributes",), document=document)
        first = place.get(())
        if first is not None and int(first.rsplit(":", 2)[1]) in {line, line - 1}:
            return place
    return {}


def _shown(path: Path) -> str:
    """A path as a person in the project's folder would write it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def load_contract(context: dg.ComponentLoadContext, dotted: str) -> Any:
    """Import a contract by its dotted path; one that begins with a dot lies beside `defs.yaml`.

    Raises:
        DeclarationError: there is no such module or name, or importing it fails.
    """
    module, _, name = dotted.rpartition(".")
    try:
        if dotted.startswith("."):
            file = Path(*module.strip(".").split(".")).with_suffix(".py")
            loaded = context.load_defs_relative_python_module(file)
        else:
            loaded = importlib.import_module(module)
        return getattr(loaded, name)
    except Exception as error:
        what = f"`{dotted}` cannot be imported ({type(error).__name__}: {error})"
        fix = "write `.contract.Name` for class Name in contract.py beside defs.yaml"
        raise DeclarationError([Finding("contract", what, fix)]) from error
