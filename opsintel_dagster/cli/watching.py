"""What `opsintel doctor` says of those who watch: daemons, sensors and the outbox of notices.

The watcher cannot tell that nobody ticks at all; whoever asks from outside can.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from opsintel_dagster.cli.dagster_side import HOME_VARIABLE
from opsintel_dagster.cli.diagnosis import Diagnosis
from opsintel_dagster.cli.wording import age, counted
from opsintel_dagster.errors import OpsintelError
from opsintel_dagster.ledger import notices
from opsintel_dagster.ledger.connection import Ledger
from opsintel_dagster.outcome.masking import mask
from opsintel_dagster.settings import Settings
from opsintel_dagster.watching.patience import (
    DAEMON_PATIENCE,
    FAILED_SENDINGS,
    FAILED_TICKS,
    sensor_patience,
)

if TYPE_CHECKING:
    from opsintel_dagster.orchestration.instance import SensorTicks

DAEMONS: Final = "Dagster's daemons"
NEVER: Final = "none has ever run here: nothing is drained, watched or healed by itself"
START: Final = "Start `dagster-daemon run` (or `dagster dev`) with this DAGSTER_HOME."


def look_at_machinery(settings: Settings) -> Iterator[Diagnosis]:
    """Daemons and sensors, if there is an instance to ask; and what the outbox holds."""
    home = Path(os.environ.get(HOME_VARIABLE) or ".").expanduser()
    if home.is_absolute() and home.is_dir():  # else DAGSTER_HOME has a line that says so
        yield from _dagster(home)
    yield from _outbox(settings)


def _dagster(home: Path) -> Iterator[Diagnosis]:
    if not _is_in_use(home):
        yield Diagnosis(culprit=DAEMONS, reason=NEVER, fix=START, is_advice=True)
        return
    import dagster as dg

    from opsintel_dagster.orchestration.instance import (  # is Dagster
        daemon_heartbeats,
        sensor_ticks,
    )
    from opsintel_dagster.orchestration.keys import SENSORS  # is Dagster
    from opsintel_dagster.orchestration.sensors import interval_seconds  # is Dagster

    now = datetime.now(UTC)
    try:
        interval = timedelta(seconds=interval_seconds())
        with dg.DagsterInstance.get() as instance:
            beats = daemon_heartbeats(instance)
            ticks = sensor_ticks(instance, SENSORS, FAILED_TICKS) or []
    except Exception as error:  # noqa: BLE001  # a storage of Dagster has errors of its own
        reason = f"{type(error).__name__}: {mask(str(error)).partition(chr(10))[0]}"
        yield Diagnosis(culprit=DAEMONS, reason=reason, fix="Make Dagster's storage reachable.")
        return
    yield _daemons(beats, now)
    yield from _sensors(ticks, SENSORS, interval, now)


def _is_in_use(home: Path) -> bool:
    """Whether anything is kept for it: opening an instance would make an empty one."""
    if any((home / folder).exists() for folder in ("schedules", "history", "storage")):
        return True
    try:
        config = yaml.safe_load((home / "dagster.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(config, dict) and any("storage" in str(key) for key in config)


def _daemons(beats: Mapping[str, datetime | None], now: datetime) -> Diagnosis:
    """A home in which no daemon ever ran is one that is used without: that is advice."""
    if not any(beats.values()):
        return Diagnosis(culprit=DAEMONS, reason=NEVER, fix=START, is_advice=True)
    silent = {name: at for name, at in beats.items() if at is None or now - at > DAEMON_PATIENCE}
    if not silent:
        oldest = max((now - at).total_seconds() for at in beats.values() if at is not None)
        reason = f"{counted(len(beats), 'daemon')}, the oldest heartbeat {age(oldest)} ago"
        return Diagnosis(culprit=DAEMONS, reason=reason)
    told = [f"{name} ({_ago(at, now)})" for name, at in sorted(silent.items())]
    reason = f"no heartbeat: {', '.join(told)}"
    return Diagnosis(culprit=DAEMONS, reason=reason, fix=f"{START} Read its log.")


def _sensors(
    ticks: "list[SensorTicks]", names: Collection[str], interval: timedelta, now: datetime
) -> Iterator[Diagnosis]:
    for one in sorted(ticks, key=lambda each: (each.location, each.name)):
        culprit = f"sensor {one.location}/{one.name}"
        at = one.ticked_at
        last = f"last tick {_ago(at, now)}" if at is not None else "it has not ticked yet"
        where = f"Dagster UI → Automation → {one.name}"
        if one.is_stopped:
            yield Diagnosis(culprit=culprit, reason=f"stopped; {last}", fix=f"{where}: switch on.")
        elif one.failures >= FAILED_TICKS:
            why = mask(one.error or "no reason kept")
            reason = f"only fails, {one.failures} ticks in a row: {why}"
            yield Diagnosis(culprit=culprit, reason=reason, fix=f"{where} shows its error.")
        elif at is None or now - at > sensor_patience(interval):
            yield Diagnosis(culprit=culprit, reason=f"does not tick; {last}", fix=START)
        else:
            yield Diagnosis(culprit=culprit, reason=f"running, {last}")
    missing = sorted(set(names) - {one.name for one in ticks})
    if missing:
        reason = "no daemon has evaluated them in this DAGSTER_HOME yet"
        culprit = f"sensors {', '.join(missing)}"
        yield Diagnosis(culprit=culprit, reason=reason, fix=START, is_advice=True)


def _outbox(settings: Settings) -> Iterator[Diagnosis]:
    """Notices that wait: what was not sent yet, what no channel takes, what has no channel."""
    try:
        with Ledger(settings.ledger_url) as ledger:
            if not ledger.exists() or not ledger.is_current():
                return
            with ledger.read() as connection:
                waiting = notices.waiting(connection)
    except (OpsintelError, ImportError):
        return  # the ledger has a line of its own
    failing = [row for row in waiting if row.attempts >= FAILED_SENDINGS and row.failure]
    homeless = [row for row in waiting if not row.attempts and row.failure]
    reason = counted(len(waiting), "notice") + " waiting" if waiting else "no notice is waiting"
    if homeless:
        reason += f", {len(homeless)} of them without a channel"
    if not failing:
        yield Diagnosis(culprit="notices", reason=reason)
        return
    yield Diagnosis(culprit="notices", reason=f"{reason}, {_failing(failing)}", fix=_fix(failing))


def _failing(rows: list[Any]) -> str:
    return f"{len(rows)} failing; the last answer: {mask(rows[-1].failure)}"


def _fix(rows: list[Any]) -> str:
    names = sorted({row.outcome for row in rows if row.outcome is not None})
    if not names:
        return "`opsintel notices list` shows them; correct `notices.channels`."
    return f"`opsintel notices test {names[0]}` tries the channels; correct `notices.channels`."


def _ago(at: datetime | None, now: datetime) -> str:
    return f"{age(max(0.0, (now - at).total_seconds()))} ago" if at is not None else "never"
