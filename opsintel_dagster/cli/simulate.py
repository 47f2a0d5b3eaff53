"""`opsintel simulate`: what another declaration would have made of history."""

import importlib
import sys
from pathlib import Path
from typing import Any

from opsintel_dagster.cli.console import write_json
from opsintel_dagster.cli.moments import moment_of
from opsintel_dagster.cli.opened import opened_ledger
from opsintel_dagster.cli.simulated import document, on_history, show
from opsintel_dagster.errors import SettingsError
from opsintel_dagster.orchestration.compiled import Compiled, compile_outcomes
from opsintel_dagster.orchestration.declarations import chosen, load_outcomes, module_name
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.keeping import in_force, with_new
from opsintel_dagster.outcome import Amendment
from opsintel_dagster.outcome.amendment_files import read_amendments
from opsintel_dagster.settings import Settings


def run(
    outcome: str,
    *,
    contract: str | None,
    routes: Path | None,
    amendment: Path | None,
    since: str | None,
    examples: int,
    module: str | None,
    as_json: bool,
) -> None:
    """Judge history by the changed declaration, and show what that would change.

    Raises:
        UnknownName: the module declares no such outcome.
        DeclarationError: the changed declaration is wrong.
        SettingsError: there is no such module, or no such contract.
        LedgerError: there is no ledger yet.
    """
    settings = Settings.from_env()
    module = module_name(settings.root, module)
    outcomes = load_outcomes(settings.root, module)
    (declared,) = chosen(outcomes, [outcome], module)
    others = {name for one in outcomes for name in (one.name, *_references(one))}
    moment = moment_of(since)
    changed = _changed(declared, others, contract=contract, routes=routes, root=settings.root)
    news = () if amendment is None else _amendments(amendment)
    with opened_ledger(settings) as ledger:
        ledger.migrate()
    with Installation.open(settings) as installation:
        with installation.ledger.read() as connection:
            now = in_force(connection, declared)
            after, _ = with_new(connection, changed or declared, news)
        before = now if changed is not None or news else None
        found = on_history(installation, after, before=before, since=moment, is_quiet=as_json)
    if as_json:
        write_json(document(found, declared))
    else:
        show(found, declared, examples=examples)


def _references(compiled: Compiled) -> list[str]:
    return [use.outcome for use in compiled.contract.references]


def _changed(
    declared: Compiled, known: set[str], *, contract: str | None, routes: Path | None, root: Path
) -> Compiled | None:
    """The declaration in question; None: the one that is declared."""
    if contract is None and routes is None:
        return None
    changes: dict[str, Any] = {"routes": declared.routes if routes is None else str(routes)}
    if contract is not None:
        changes["contract"] = _imported(contract, root)
    outcome = declared.outcome.model_copy(update=changes)
    [changed] = compile_outcomes(
        [outcome], location=declared.location, produced_elsewhere=known - {outcome.name}
    )
    return changed


def _amendments(file: Path) -> tuple[Amendment, ...]:
    """What stands in the file.

    Raises:
        DeclarationError: it holds no amendments.
    """
    return read_amendments(file.read_text("utf-8"), source=file.name)


def _imported(path: str, root: Path) -> Any:
    """A contract by `module:Name` or `module.Name`, seen from the project's folder."""
    module, _, name = path.replace(":", ".").rpartition(".")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever importing somebody's module raises
        what = f"it cannot be imported ({type(error).__name__}: {error})"
        fix = "Write the dotted path of a pandera model or schema, such as `ops.contract.Parcel`."
        raise SettingsError(f"contract {path}", what, fix) from error
