"""What `opsintel doctor` looks at in each outcome: variables, source, receivers, and its name."""

from collections.abc import Collection, Iterator, Mapping

from opsintel_dagster.cli.diagnosis import Diagnosis
from opsintel_dagster.cli.wording import counted
from opsintel_dagster.errors import OpsintelError, SettingsError
from opsintel_dagster.handoff import open_receiver
from opsintel_dagster.ledger import bindings
from opsintel_dagster.orchestration import keeping
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.intake import open_arrival_source
from opsintel_dagster.orchestration.work import FeedOpener
from opsintel_dagster.outcome import (
    EnvValue,
    FileReceiver,
    Outcome,
    TableReceiver,
    UpstreamSource,
    shown_channel,
)


def look_at_outcome(
    compiled: Compiled, installation: Installation, open_feed: FeedOpener | None
) -> Iterator[Diagnosis]:
    """Everything a drain of this outcome will need; nothing is created or changed."""
    yield from _name(compiled, installation)
    missing = _missing_variables(compiled)
    for field, error in missing.items():
        culprit = f"{compiled.name}.{field}"
        reason, _, fix = str(error).partition(". ")
        yield Diagnosis(culprit=culprit, reason=reason, fix=fix or f"Set {error.name}.")
    if "source.path" not in missing:
        yield _source(compiled, installation, open_feed)
    for route in compiled.outcome.handoff:
        if f"handoff.{route}" not in missing:
            yield _receiver(compiled, installation, route)
    yield from _notices(compiled.outcome, missing)
    yield from _amendments(compiled, installation)


def _name(compiled: Compiled, installation: Installation) -> Iterator[Diagnosis]:
    try:
        if not installation.ledger.exists():
            return
        with installation.ledger.read() as connection:
            row = bindings.bound(connection, compiled.name)
    except OpsintelError:
        return  # the ledger has a diagnosis of its own
    if row is not None and row.location != compiled.location:
        owner = row.location
        yield Diagnosis(
            culprit=f"{compiled.name}.name",
            reason=f"belongs to code location {owner!r} in this ledger, and is declared by "
            f"{compiled.location!r}",
            fix=f"Rename one, or run `opsintel release {compiled.name}` if {owner!r} is gone.",
        )


def _amendments(compiled: Compiled, installation: Installation) -> Iterator[Diagnosis]:
    """Decisions that were kept and do nothing now."""
    try:
        if not installation.ledger.exists() or not installation.ledger.is_current():
            return
        with installation.ledger.read() as connection:
            found = keeping.idle(keeping.in_force(connection, compiled))
    except OpsintelError:
        return  # the ledger has a diagnosis of its own
    for number, why in found.items():
        command = f"opsintel amendments retire {compiled.name} {number} --reason TEXT"
        yield Diagnosis(
            culprit=f"{compiled.name}, amendment {number}",
            reason=f"is not applied: {why}",
            fix=f"If it is needed no more: {command}",
            is_advice=True,
        )


def _missing_variables(compiled: Compiled) -> Mapping[str, SettingsError]:
    outcome = compiled.outcome
    values = {"source.path": outcome.source.path}
    for route, receiver in outcome.handoff.items():
        if isinstance(receiver, TableReceiver):
            values[f"handoff.{route}"] = receiver.url
        elif isinstance(receiver, FileReceiver):
            values[f"handoff.{route}"] = receiver.path
    for owner, channels in outcome.notices.channels.items():
        for place, channel in enumerate(channels):
            values[f"notices.channels.{owner}[{place}]"] = channel
    if outcome.notices.ping is not None:
        values["notices.ping"] = outcome.notices.ping
    missing = {}
    for field, value in values.items():
        if isinstance(value, EnvValue):
            try:
                value.resolve()
            except SettingsError as error:
                missing[field] = error
    return missing


def _source(
    compiled: Compiled, installation: Installation, open_feed: FeedOpener | None
) -> Diagnosis:
    culprit = f"{compiled.name}.source"
    source = compiled.outcome.source
    if isinstance(source, UpstreamSource):
        if source.outcome is not None and not _has_ledger(installation):
            return Diagnosis(culprit=culprit, reason=f"waits for the first drain of {source.asset}")
        if source.outcome is None and open_feed is None:
            reason = f"follows asset {source.asset}, which only Dagster knows"
            fix = "Set DAGSTER_HOME, so that its materializations can be asked for."
            return Diagnosis(culprit=culprit, reason=reason, fix=fix)
    try:
        opened = open_arrival_source(compiled, installation, open_feed)
        seen = opened.poll()
    except OpsintelError as error:
        reason = str(error).removesuffix("; create it, or correct `path`")
        fix = "Create or mount it, or correct the declaration."
        return Diagnosis(culprit=culprit, reason=reason, fix=fix)
    return Diagnosis(culprit=culprit, reason=f"{opened.address}: {counted(len(seen), 'arrival')}")


def _has_ledger(installation: Installation) -> bool:
    try:
        return installation.ledger.exists()
    except OpsintelError:
        return False


def _receiver(compiled: Compiled, installation: Installation, route: str) -> Diagnosis:
    culprit = f"{compiled.name}.handoff.{route}"
    spec = compiled.outcome.handoff[route]
    root = installation.settings.root
    fix = "Start or mount it, or correct its address."
    try:
        receiver = open_receiver(spec, root=root, outcome=compiled.name, route=route)
        problem = receiver.check()
    except OpsintelError as error:
        return Diagnosis(culprit=culprit, reason=str(error), fix=fix)
    if problem:
        return Diagnosis(culprit=culprit, reason=problem, fix=fix)
    reason = f"{receiver.address}, {receiver.guarantee.value}"
    return Diagnosis(culprit=culprit, reason=reason)


def _notices(outcome: Outcome, missing: Collection[str]) -> Iterator[Diagnosis]:
    """Whether everybody who is to be told something can be reached."""
    notices = outcome.notices
    asked = [outcome.owner, *(mode.owner for mode in outcome.failure_modes), notices.fallback]
    for owner in dict.fromkeys(one for one in asked if one is not None):
        culprit = f"{outcome.name}.notices.channels.{owner}"
        channels = notices.channels_of(owner)
        if not channels:
            yield Diagnosis(
                culprit=culprit,
                reason=f"owner {owner} has no channel: notices stay in the outbox and in the UI",
                fix=f"Declare one: `notices: {{channels: {{{owner}: [{{env: …}}]}}}}`.",
                is_advice=True,
            )
        elif not any(field.startswith(f"{culprit.partition('.')[2]}[") for field in missing):
            reason = ", ".join(shown_channel(channel) for channel in channels)
            yield Diagnosis(culprit=culprit, reason=reason)
