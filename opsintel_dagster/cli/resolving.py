"""`opsintel cases resolve`, `assign`, `snooze`: what somebody answers to a case."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.text import Text

from opsintel_dagster.cli.answers import Answer
from opsintel_dagster.cli.casebook import CaseView, find_case
from opsintel_dagster.cli.console import answers, write_json
from opsintel_dagster.cli.opened import opened_ledger
from opsintel_dagster.cli.release import user
from opsintel_dagster.cli.simulated import brief, document, tried
from opsintel_dagster.cli.wording import counted
from opsintel_dagster.errors import EditsRefused
from opsintel_dagster.ledger.decisions import DecisionKind
from opsintel_dagster.orchestration import decisions, exports
from opsintel_dagster.orchestration.decisions import Decided, Preview
from opsintel_dagster.orchestration.declarations import load_outcome
from opsintel_dagster.orchestration.edits import Edited
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.keeping import amendments_of, named
from opsintel_dagster.orchestration.simulation import Simulation
from opsintel_dagster.outcome.durations import DurationError, parse_duration
from opsintel_dagster.outcome.names import Owner
from opsintel_dagster.settings import Settings


def resolve(
    name: str,
    answer: Answer,
    *,
    reason: str,
    actor: str | None,
    revision: int | None,
    is_sure: bool,
    is_dry_run: bool,
    module: str | None,
    as_json: bool,
) -> bool:
    """Show what the answer would do, ask, and decide; false if the person rather would not.

    Raises:
        DecisionRefused: it cannot be done, the case is closed, or somebody was faster.
        EditsRefused: an edited export cannot be taken.
        ReferenceDown: nobody can say what it would do.
        UnknownName: there is no such case, or the module does not declare its outcome.
        LedgerError: there is no ledger yet.
    """
    if as_json and not (is_sure or is_dry_run):
        raise typer.BadParameter("--json asks nothing; write --yes or --dry-run")
    settings = Settings.from_env()
    one = _case(settings, name)
    compiled = load_outcome(settings.root, one.outcome, module)
    decided = None
    with Installation.open(settings) as installation:
        edits = _edits(installation, one, answer)
        shown = decisions.preview(
            installation,
            compiled,
            one.case,
            answer.kind,
            arguments=answer.arguments,
            edits=edits,
            revision=revision,
            keeps=answer.keeps,
        )
        if shown.plan.problems:
            raise EditsRefused(one.name, shown.plan.problems)
        found = None
        if shown.amendments and not shown.plan.refusal:
            news = amendments_of(answer.kind, answer.arguments)
            found = tried(installation, compiled, news, is_quiet=as_json)
        if not as_json:
            _show(one, answer.kind, shown, found)
        if not is_dry_run and (is_sure or shown.plan.refusal or _is_confirmed(answer.kind, one)):
            decided = decisions.decide(
                installation,
                compiled,
                one.case,
                answer.kind,
                actor=actor or user(),
                now=datetime.now(UTC),
                reason=reason,
                arguments=answer.arguments,
                edits=edits,
                previewed=shown,
                keeps=answer.keeps,
            )
    if as_json:
        known = {} if found is None else {"simulation": document(found, compiled)}
        write_json({**_document(one, answer.kind, shown), **known, **_decision(decided)})
    elif decided is not None:
        _say(one, decided)
    elif not is_dry_run:
        answers().print("Nothing was decided.")
    return decided is not None or (is_dry_run and shown.plan.refusal is None)


def assign(name: str, owner: str, *, reason: str, actor: str | None, as_json: bool) -> None:
    """Ask somebody else.

    Raises:
        DecisionRefused: the case is closed.
        UnknownName: there is no such case.
        LedgerError: there is no ledger yet.
    """
    try:
        owner = TypeAdapter(Owner).validate_python(owner)
    except ValidationError as error:
        raise typer.BadParameter(error.errors(include_url=False)[0]["msg"]) from error
    settings = Settings.from_env()
    one = _case(settings, name)
    with opened_ledger(settings) as ledger:
        decided = decisions.assign(
            ledger, one.case, owner, actor=actor or user(), now=datetime.now(UTC), reason=reason
        )
    _tell(one, decided, as_json=as_json)


def snooze(name: str, duration: str, *, reason: str, actor: str | None, as_json: bool) -> None:
    """Let the clock run out later.

    Raises:
        DecisionRefused: the case is closed.
        UnknownName: there is no such case.
        LedgerError: there is no ledger yet.
    """
    try:
        length = parse_duration(duration)
    except DurationError as error:
        raise typer.BadParameter(str(error)) from error
    settings = Settings.from_env()
    one = _case(settings, name)
    now = datetime.now(UTC)
    with opened_ledger(settings) as ledger:
        decided = decisions.snooze(
            ledger, one.case, now + length, actor=actor or user(), now=now, reason=reason
        )
    _tell(one, decided, as_json=as_json)


def _case(settings: Settings, name: str) -> CaseView:
    with opened_ledger(settings) as ledger:
        ledger.migrate()  # whoever decides needs the tables of this version
        with ledger.read() as connection:
            return find_case(connection, name)


def _edits(installation: Installation, one: CaseView, answer: Answer) -> Edited | None:
    if answer.file is None:
        return None
    with installation.ledger.read() as connection:
        columns = exports.source_columns(installation, connection, one.case, one.outcome)
    return exports.read_edits(answer.file, columns, case=one.name, personal=one.pii)


def _is_confirmed(kind: DecisionKind, one: CaseView) -> bool:
    return typer.confirm(f"{kind} records of {one.name}?", err=True)


def _show(one: CaseView, kind: DecisionKind, shown: Preview, found: Simulation | None) -> None:
    console = answers()
    about = f": {kind}, about {counted(shown.plan.rows, 'record')}"
    console.print(Text.assemble((one.name, "bold"), about), soft_wrap=True)
    for label, text in _lines(kind, shown, found):
        console.print(Text.assemble((f"  {label:<12}", "dim"), text), soft_wrap=True)


def _lines(
    kind: DecisionKind, shown: Preview, found: Simulation | None
) -> Iterator[tuple[str, str]]:
    plan = shown.plan
    if shown.stopped:
        yield "stopped", f"{counted(shown.stopped, 'batch')} would be tried once more"
    if plan.refusal:
        yield "refused", plan.refusal
        return
    if kind is DecisionKind.DISCARD:
        yield "left out", f"{counted(plan.leave, 'record')}; they stay where they lie, marked"
        return
    if plan.routes:
        passing = sum(plan.routes.values())
        yield "would pass", f"{passing:,}: {_counts(plan.routes)}"
    if plan.others:
        yield "other case", _counts(plan.others)
    stay = plan.rows - plan.leave
    if stay:
        yield "would stay", f"{stay:,}" + (f": {_counts(plan.staying or {})}").rstrip(": ")
    if shown.amendments:
        yield "from now on", f"as {named(shown.amendments)}, until somebody retires it"
    if found is not None:
        yield from brief(found)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in counts.items())


def _document(one: CaseView, kind: DecisionKind, shown: Preview) -> dict[str, Any]:
    plan = shown.plan
    return {
        "case": one.case,
        "name": one.name,
        "kind": kind,
        "revision": shown.revision,
        "records": plan.rows,
        "leave": plan.leave,
        "routes": plan.routes or {},
        "other_cases": plan.others or {},
        "stay": plan.staying or {},
        "stopped": shown.stopped,
        "amendments": list(shown.amendments),
        "refusal": plan.refusal,
    }


def _decision(decided: Decided | None) -> dict[str, Any]:
    if decided is None:
        return {"decision": None}
    return {"decision": decided.id, "state": decided.state, "result": decided.result}


def _say(one: CaseView, decided: Decided) -> None:
    if decided.result is not None:
        answers().print(f"{one.name}: {decided.result}", soft_wrap=True)
        return
    kept = f" It is kept as {named(decided.amendments)}." if decided.amendments else ""
    answers().print(
        f"Decided.{kept} The next drain carries it out; to have it now: opsintel drain "
        f"{one.outcome}",
        soft_wrap=True,
    )


def _tell(one: CaseView, decided: Decided, *, as_json: bool) -> None:
    if as_json:
        write_json({"case": one.case, "name": one.name, **_decision(decided)})
    else:
        _say(one, decided)
