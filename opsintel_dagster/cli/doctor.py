"""`opsintel doctor`: is everything there that a drain will need, and if not, what to do."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.text import Text
from yaml import YAMLError

from opsintel_dagster.cli.console import MARK_ADVICE, MARK_BAD, MARK_GOOD, answers, write_json
from opsintel_dagster.cli.dagster_side import dagster_side
from opsintel_dagster.cli.diagnosis import Diagnosis, look_at_installation
from opsintel_dagster.cli.watching import look_at_machinery
from opsintel_dagster.cli.wording import counted
from opsintel_dagster.errors import OpsintelError, SettingsError
from opsintel_dagster.settings import Settings

if TYPE_CHECKING:
    from opsintel_dagster.orchestration.compiled import Compiled


def doctor(*, module: str | None, as_json: bool) -> bool:
    """Look at everything and show it; true if nothing is wrong. Changes nothing."""
    found: list[Diagnosis] = []
    for one in _look(module):
        found.append(one)
        if not as_json:
            _show(one)
    wrong = [one for one in found if not one.is_well]
    if as_json:
        diagnoses = [{**asdict(one), "ok": one.is_well} for one in found]
        write_json({"ok": not wrong, "diagnoses": diagnoses})
    else:
        style = "red" if wrong else "green"
        answers().print(f"\n{_summary(found, len(wrong))}", style=style)
    return not wrong


def _summary(found: list[Diagnosis], wrong: int) -> str:
    if wrong:
        return f"{counted(wrong, 'problem')} found."
    hints = sum(one.is_advice for one in found)
    return f"Nothing is wrong; {counted(hints, 'hint')}." if hints else "Everything is well."


def _look(module: str | None) -> Iterator[Diagnosis]:
    try:
        settings = Settings.from_env()
    except OpsintelError as error:
        reason, _, fix = str(error).partition(". ")
        yield Diagnosis(culprit="settings", reason=reason, fix=fix or "Correct it.")
        return
    yield from look_at_installation(settings)
    yield from look_at_machinery(settings)
    # Declarations cost a second or two to load; what was found so far is on the screen by then.
    from opsintel_dagster.cli.examining import look_at_outcome
    from opsintel_dagster.orchestration.declarations import load_outcomes, module_name
    from opsintel_dagster.orchestration.installation import Installation

    try:
        name = module_name(settings.root, module)
        outcomes = load_outcomes(settings.root, name)
    except OpsintelError as error:
        yield _of_definitions(error)
        return
    except YAMLError as error:
        reason = f"does not parse: {error}"
        yield Diagnosis(culprit="definitions", reason=reason, fix="Correct the file there.")
        return
    except Exception as error:  # noqa: BLE001  # the module is somebody else's code
        reason = f"{type(error).__name__}: {error}"
        yield Diagnosis(culprit="definitions", reason=reason, fix="Make the module import.")
        return
    reason = f"{counted(len(outcomes), 'outcome')}: {', '.join(one.name for one in outcomes)}"
    yield Diagnosis(culprit=f"module {name}", reason=reason)
    with Installation.open(settings) as installation:
        open_feed = None
        if any(_follows_an_asset(one) for one in outcomes):
            _, open_feed = dagster_side(settings)
        for compiled in outcomes:
            yield from look_at_outcome(compiled, installation, open_feed)


def _of_definitions(error: OpsintelError) -> Diagnosis:
    """The declarations are wrong, each with its own fix; or there are none to look at."""
    reason, fix = str(error), "Correct the declarations."
    if isinstance(error, SettingsError):
        reason, _, fix = reason.partition(". ")
    return Diagnosis(culprit="definitions", reason=reason, fix=fix)


def _follows_an_asset(compiled: "Compiled") -> bool:
    """Whether its source is an asset that only Dagster knows."""
    source = compiled.outcome.source
    return source.kind == "upstream" and source.outcome is None


def _show(one: Diagnosis) -> None:
    mark = (MARK_GOOD, "green") if one.is_well else (MARK_BAD, "bold red")
    if one.is_advice:
        mark = (MARK_ADVICE, "yellow")
    line = Text.assemble(mark, "  ", (one.culprit, "bold"), f"  {one.reason}")
    answers().print(line, soft_wrap=True)
    if one.fix:
        answers().print(Text.assemble("   → ", one.fix), soft_wrap=True)
