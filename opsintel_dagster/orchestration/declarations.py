"""The outcomes a definitions module declares, for commands that need more than the ledger."""

import importlib
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import dagster as dg
from dagster.components.definitions import LazyDefinitions

from opsintel_dagster.errors import OpsintelError, SettingsError, UnknownName
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.instance import carried
from opsintel_dagster.outcome import UpstreamSource
from opsintel_dagster.outcome.findings import did_you_mean

MODULE_VARIABLE: Final = "OPSINTEL_MODULE"
DEFAULT_MODULE: Final = "definitions"


def module_name(root: Path, given: str | None) -> str:
    """The module to load: the given one, else that of `[tool.dagster]`, else `definitions`.

    Raises:
        SettingsError: pyproject.toml does not parse.
    """
    if given:
        return given
    project = root / "pyproject.toml"
    if not project.is_file():
        return DEFAULT_MODULE
    try:
        tool = tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(project), f"does not parse ({error})", "Correct it") from error
    named = tool.get("dagster", {}).get("module_name")
    return str(named) if named else DEFAULT_MODULE


def load_outcomes(root: Path, given: str | None = None) -> tuple[Compiled, ...]:
    """Every outcome of the code location, references before the outcomes that use them.

    Raises:
        SettingsError: there is no such module, or it defines nothing for Dagster.
        DeclarationError: with every finding of every outcome.
    """
    name = module_name(root, given)
    module = _imported(name, root)
    found: dict[str, Compiled] = {}
    for definitions in _definitions_in(module):
        for compiled in _outcomes_of(definitions):
            found.setdefault(compiled.name, compiled)
    return in_order(list(found.values()))


def load_outcome(root: Path, outcome: str, given: str | None = None) -> Compiled:
    """One outcome of the code location, by its name.

    Raises:
        UnknownName: the module declares no such outcome.
        SettingsError: there is no such module, or it defines nothing for Dagster.
        DeclarationError: with every finding of every outcome.
    """
    name = module_name(root, given)
    (found,) = chosen(load_outcomes(root, name), [outcome], name)
    return found


def chosen(outcomes: Sequence[Compiled], names: Sequence[str], module: str) -> list[Compiled]:
    """The outcomes of these names, in the order in which they are to be drained.

    Raises:
        UnknownName: the module declares no such outcome.
    """
    known = [one.name for one in outcomes]
    for name in names:
        if name not in known:
            fix = did_you_mean(name, known, plural=f"outcomes of module {module}")
            raise UnknownName("outcome", name, fix)
    return [one for one in outcomes if one.name in names]


def in_order(outcomes: Sequence[Compiled]) -> tuple[Compiled, ...]:
    """References and upstream outcomes first; otherwise as declared. A circle is cut somewhere."""
    by_name = {one.name: one for one in outcomes}
    ordered: dict[str, Compiled] = {}
    visited: set[str] = set()

    def visit(one: Compiled) -> None:
        if one.name in visited:
            return
        visited.add(one.name)
        for name in _needs(one):
            if name in by_name:
                visit(by_name[name])
        ordered[one.name] = one

    for one in outcomes:
        visit(one)
    return tuple(ordered.values())


def _needs(one: Compiled) -> list[str]:
    names = [use.outcome for use in one.contract.references]
    source = one.outcome.source
    if isinstance(source, UpstreamSource) and source.outcome is not None:
        names.append(source.outcome)
    return names


def _imported(name: str, root: Path) -> ModuleType:
    """Import the module as Dagster does: with the project's folder on the path."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        fix = (
            f"Write `module_name` below [tool.dagster] in pyproject.toml, set {MODULE_VARIABLE}, "
            "or name it with --module."
        )
        raise SettingsError(f"module {name}", f"there is none in {root}", fix) from error


def _definitions_in(module: ModuleType) -> list[Any]:
    """What Dagster would load from the module."""
    found = []
    for value in list(vars(module).values()):
        if isinstance(value, LazyDefinitions):
            found.append(_loaded(value, module))
        elif isinstance(value, dg.Definitions):
            found.append(value)
    if not found:
        fix = "Build one there: `defs = opsintel_dagster.build_defs([...])`."
        raise SettingsError(f"module {module.__name__}", "it holds no Definitions", fix)
    return found


def _loaded(lazy: Any, module: ModuleType) -> Any:
    """Call a function marked `@dg.definitions`, and find our own error among its causes."""
    if lazy.has_context_arg:
        fix = "Drain it with Dagster, or let the function take no argument."
        raise SettingsError(f"module {module.__name__}", "its definitions need a context", fix)
    try:
        return lazy()
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OpsintelError):
                raise cause from None
            cause = cause.__cause__
        raise


def _outcomes_of(definitions: Any) -> list[Compiled]:
    return [compiled for _, compiled in carried(definitions.get_repository_def())]
