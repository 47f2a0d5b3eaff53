"""Tells what the watcher has found: into the outbox, from there to people, and that it lives."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from typing import Final

from opsintel_dagster.errors import OpsintelError
from opsintel_dagster.ledger import entries
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.instance import FreshnessChange
from opsintel_dagster.orchestration.keys import WATCH_NAME
from opsintel_dagster.outcome import EnvValue, Notices, resolve, shown_channel
from opsintel_dagster.watching import (
    AppriseSender,
    SendReport,
    Symptom,
    ping,
    put_decided,
    send_due,
)
from opsintel_dagster.watching.escalation import installation_notices

LAPSED: Final = "freshness lapsed"
KEPT_AGAIN: Final = "freshness kept again"
SEND_SECONDS: Final = 10.0
"""After this no further notice is begun; one attempt may take as long again."""

PING_SECONDS: Final = 7.0
"""For all of them together, which are called at once."""

_PINGED_AT_ONCE: Final = 16


def declared_notices(outcomes: Sequence[Compiled]) -> dict[str | None, Notices]:
    """The notices of each outcome, and of the installation as a whole; the costliest come first."""
    costliest = sorted(outcomes, key=lambda one: (-one.outcome.cost_per_hour, one.name))
    declared: dict[str | None, Notices] = {one.name: one.outcome.notices for one in costliest}
    return {**declared, None: installation_notices(declared.values())}


def tell(
    installation: Installation,
    symptoms: Sequence[Symptom],
    declared: Mapping[str | None, Notices],
    now: datetime,
) -> tuple[set[str], SendReport]:
    """Decide in one transaction what is told, then send it.

    Returns:
        The outcomes about which something changed, and what came of the notices that were due.

    Raises:
        LedgerError: the ledger cannot be reached; nothing was decided, so nothing is lost.
    """
    with installation.ledger.write() as connection:
        decisions = put_decided(connection, symptoms, declared, now)
    episodes = [*(episode for episode, _ in decisions.begun), *decisions.over]
    changed = {episode.outcome for episode in episodes if episode.outcome is not None}
    report = send_due(
        installation.ledger, declared, AppriseSender(), now, within_seconds=SEND_SECONDS
    )
    return changed, report


def record_changes(
    installation: Installation, outcomes: Mapping[str, Compiled], changes: Iterable[FreshnessChange]
) -> int:
    """Keep each lapse of freshness as an entry, and that it is over; returns how many there were.

    A lapse between two looks, which nobody is told of any more, is in the account all the same.
    What was kept before, by a tick that died before its cursor was, is not kept again.
    """
    told = []
    for change in changes:
        if len(change.key.path) != 2 or change.key.path[0] not in outcomes:
            continue
        kind = LAPSED if change.has_lapsed else KEPT_AGAIN if change.has_recovered else None
        if kind is not None:
            name, asset = change.key.path
            told.append((name, kind, asset, f"{change.before} → {change.state} at {change.at}"))
    if told:
        with installation.ledger.write() as connection:
            for name, kind, asset, reason in told:
                if not entries.is_there(connection, name, kind, asset, reason):
                    entries.append(connection, name, WATCH_NAME, kind, asset, reason)
    return len(told)


def ping_all(outcomes: Iterable[Compiled]) -> dict[str, str]:
    """Call each dead-man URL once; returns why some did not answer, by what may be shown of them.

    They are called side by side and nobody waits long for them: who hangs does not keep the others
    from hearing of us, nor this tick from ending.
    """
    urls = dict.fromkeys(
        one.outcome.notices.ping for one in outcomes if one.outcome.notices.ping is not None
    )
    if not urls:
        return {}
    pool = ThreadPoolExecutor(_PINGED_AT_ONCE, "opsintel-ping")
    asked = {url: pool.submit(_ping, url) for url in urls}
    wait(asked.values(), timeout=PING_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    failures = {}
    for url, answer in asked.items():
        failure = answer.result() if answer.done() and not answer.cancelled() else "no answer yet"
        if failure is not None:
            failures[shown_channel(url)] = failure
    return failures


def _ping(url: str | EnvValue) -> str | None:
    try:
        return ping(resolve(url))
    except OpsintelError as error:  # the variable is not set
        return str(error)
