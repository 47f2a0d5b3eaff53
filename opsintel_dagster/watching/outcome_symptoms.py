"""What is wrong with one outcome, from what the watcher knows of it: pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from opsintel_dagster.outcome import FailureClass, format_duration
from opsintel_dagster.outcome.names import IN_DOUBT, STOPPED
from opsintel_dagster.watching.patience import breaker_patience, case_due_at
from opsintel_dagster.watching.snapshot import Failing, LongRun, WaitingCase, WatchedOutcome
from opsintel_dagster.watching.symptoms import CAUSES, Symptom, SymptomKind

REASONS_TOLD: Final = 3
PROMISE: Final = "promise"


def outcome_symptoms(one: WatchedOutcome, now: datetime) -> Iterator[Symptom]:
    """The symptoms of an outcome, what endangers its promise most first."""
    yield from _unaccounted(one)
    yield from _late(one, now)
    yield from _given_up(one)
    yield from _breakers(one, now)
    yield from _stale(one, now)
    yield from _silent(one, now)
    yield from _overdue(one, now)
    for run in one.long_runs:
        yield _long_run(one, run, now)


def is_late(one: WatchedOutcome, now: datetime) -> bool:
    """Whether something outstanding is older than promised."""
    return one.oldest is not None and now - one.oldest > one.within


def _symptom(one: WatchedOutcome, kind: SymptomKind, subject: str = "", **said: Any) -> Symptom:
    return Symptom(
        kind=kind,
        outcome=one.name,
        subject=subject,
        owner=said.pop("owner", one.owner),
        cost_per_hour=said.pop("cost_per_hour", one.cost_per_hour),
        tried=said.pop("tried", ""),
        **said,
    )


def _unaccounted(one: WatchedOutcome) -> Iterator[Symptom]:
    if one.unaccounted is not None:
        yield _symptom(
            one,
            SymptomKind.LAW_BROKEN,
            title="Records are unaccounted for",
            detail=one.unaccounted,
            tried="nothing: where records went is for a person to find; each drain counts again",
            next_action=f"`opsintel status {one.name}`; the check `conservation` on "
            f"{one.name}/promise in the Dagster UI names the place",
        )


def _late(one: WatchedOutcome, now: datetime) -> Iterator[Symptom]:
    if one.oldest is None or not is_late(one, now):
        return
    parts = [_counted(one.outstanding, "batch", "batches") + " outstanding"]
    parts += [f"{_counted(one.unclaimed, 'arrival')} not claimed yet"] if one.unclaimed else []
    detail = (
        f"The oldest record waits since {moment(one.oldest)} ({length(now - one.oldest)}; promised "
        f"within {format_duration(one.within)}). {', '.join(parts)}."
    )
    yield _symptom(
        one,
        SymptomKind.PROMISE_LATE,
        title=f"The promise is late: the oldest record waits for {length(now - one.oldest)}",
        detail="\n".join([detail, *_reasons(one)]),
        tried=_tried(one, now),
        next_action=_what_to_do(one),
    )


def _given_up(one: WatchedOutcome) -> Iterator[Symptom]:
    given_up = [failing for failing in one.failing if failing.is_given_up]
    asking = [each for each in given_up if each.failure_class == FailureClass.IN_DOUBT]
    spent = [each for each in given_up if each.failure_class != FailureClass.IN_DOUBT]
    stop = one.stop if one.stop is not None and one.stop.retry_at is None else None
    if stop is not None or spent:
        batches = sum(each.batches for each in spent)
        told = [f"{_counted(batches, 'batch', 'batches')} given up"] if spent else []
        told = [f"{one.name} has stopped", *told] if stop is not None else told
        why = [f"Stopped since {moment(stop.since)}: {stop.reason}"] if stop is not None else []
        attempts = max([each.attempts for each in spent], default=0)
        failures = stop.failures if stop is not None else 0
        yield _symptom(
            one,
            SymptomKind.GAVE_UP,
            STOPPED,
            title="; ".join(told),
            detail="\n".join([*why, *_told(spent)]),
            tried=f"{_counted(max(attempts, failures), 'attempt')}; nothing is tried any more",
            next_action=f"remove the cause, then `opsintel heal {one.name}` "
            f"(`--dry-run` shows the plan); `opsintel cases show {one.name}.{STOPPED}`",
        )
    if asking:
        number = sum(each.batches for each in asking)
        yield _symptom(
            one,
            SymptomKind.GAVE_UP,
            IN_DOUBT,
            title=f"Whether {_counted(number, 'batch', 'batches')} arrived is in doubt",
            detail="\n".join(_told(asking)),
            tried="nothing: what may have arrived is never sent again without a decision",
            next_action=f"`opsintel cases show {one.name}.{IN_DOUBT}`",
        )


def _breakers(one: WatchedOutcome, now: datetime) -> Iterator[Symptom]:
    for breaker in one.breakers:
        if now - breaker.since < breaker_patience(one.within):
            continue
        held = f"{_counted(breaker.blocked, 'batch', 'batches')} held back. "
        held = held if breaker.blocked else ""
        probe = f", the next probe is due {moment(breaker.retry_at)}" if breaker.retry_at else ""
        yield _symptom(
            one,
            SymptomKind.BREAKER_OPEN,
            breaker.name,
            title=f"{breaker.name} has been down for {length(now - breaker.since)}",
            detail=f"{held}{breaker.reason} (since {moment(breaker.since)})",
            tried=f"{_counted(breaker.failures, 'probe')} failed{probe}",
            next_action=f"bring it back; it is probed by itself, or at once with "
            f"`opsintel heal {one.name}`",
        )


def _stale(one: WatchedOutcome, now: datetime) -> Iterator[Symptom]:
    """Where a record is late or missing, that keeps the promise from a sign of life: told alone."""
    for stale in one.stale:
        if stale.asset == PROMISE and (is_late(one, now) or one.unaccounted is not None):
            continue
        about = f"{one.name}/{stale.asset}"
        error = f" The source says: {one.source_error}." if one.source_error else ""
        yield _symptom(
            one,
            SymptomKind.FRESHNESS_FAILED,
            stale.asset,
            title=f"{about} is older than its freshness policy allows",
            detail=f"Last materialized {moment(stale.materialized_at)}; allowed are "
            f"{format_duration(stale.window)}.{error}",
            tried=_woken(one),
            next_action=f"`opsintel doctor`; {about} in the Dagster UI shows what it waits for",
        )


def _silent(one: WatchedOutcome, now: datetime) -> Iterator[Symptom]:
    since = one.silent_since
    if one.expect is None or since is None or now - since <= one.expect:
        return
    error = f" It cannot be asked: {one.source_error}." if one.source_error else ""
    yield _symptom(
        one,
        SymptomKind.SOURCE_SILENT,
        title=f"The source is silent for {length(now - since)}",
        detail=f"Nothing was made available since {moment(since)}; expected is something every "
        f"{format_duration(one.expect)}.{error}",
        tried="it is looked at with every tick",
        next_action=f"ask who feeds it; `opsintel doctor` shows where {one.name} looks",
    )


def _overdue(one: WatchedOutcome, now: datetime) -> Iterator[Symptom]:
    """Cases nobody has answered; those of one failure mode and owner at once, if they are many."""
    found: dict[tuple[str, str], list[WaitingCase]] = {}
    for case in one.cases:
        if now > _due(one, case) and case.failure_mode != STOPPED:  # a stop is told as itself
            owner = f"{CAUSES}{case.owner}" if case.cause else ""
            found.setdefault((case.failure_mode, owner), []).append(case)
    for (failure_mode, owner), cases in found.items():
        yield _unanswered(one, failure_mode + owner, cases, now)


def _due(one: WatchedOutcome, case: WaitingCase) -> datetime:
    return case.due_at or case_due_at(case.opened_at, one.within)


def _unanswered(
    one: WatchedOutcome, subject: str, cases: Sequence[WaitingCase], now: datetime
) -> Symptom:
    oldest = min(cases, key=lambda case: case.opened_at)
    name = f"{one.name}.{oldest.failure_mode}" + (f":{oldest.cause}" if oldest.cause else "")
    episode = f"episode {oldest.episode}; "
    title = f"The case {name} is unanswered for {length(now - oldest.opened_at)}"
    action = f"`opsintel cases show {oldest.name or name}`"
    if len(cases) > 1:
        episode = ""
        title = (
            f"{len(cases)} cases of {one.name}.{oldest.failure_mode} are unanswered, the oldest "
            f"for {length(now - oldest.opened_at)}"
        )
        action = f"`opsintel cases list {one.name}`"
    records = _counted(sum(case.records for case in cases), "record")
    due = moment(min(_due(one, case) for case in cases))
    return _symptom(
        one,
        SymptomKind.CASE_OVERDUE,
        subject,
        owner=oldest.owner,
        title=title,
        detail=f"{records} in quarantine since {moment(oldest.opened_at)}, {episode}an answer was "
        f"due {due}.",
        tried="its records are judged again when their cause is gone",
        next_action=action,
    )


def _long_run(one: WatchedOutcome, run: LongRun, now: datetime) -> Symptom:
    lives = "its worker lives" if run.beats else "its worker gives no sign of life"
    return _symptom(
        one,
        SymptomKind.RUN_STUCK,
        run.run_id,
        title=f"A run does not end: {run.run_id[:8]}, for {length(now - run.since)}",
        detail=f"Started {moment(run.since)}; a run of {one.name} may take "
        f"{format_duration(run.allowed)}; {lives}.",
        tried="nothing: a run whose worker lives is not ended"
        if run.beats
        else "nothing: it may be at work on assets of somebody else",
        next_action=f"Dagster UI → Runs → {run.run_id}: read its log, then terminate it",
    )


def _reasons(one: WatchedOutcome) -> list[str]:
    reasons = [f"Stopped: {one.stop.reason}"] if one.stop is not None else []
    reasons += [f"{breaker.name} is down: {breaker.reason}" for breaker in one.breakers]
    reasons += [f"The source cannot be asked: {one.source_error}"] if one.source_error else []
    return reasons[:REASONS_TOLD] + _told(one.failing)


def _told(failing: list[Failing] | tuple[Failing, ...]) -> list[str]:
    told = []
    for each in failing[:REASONS_TOLD]:
        kind = f" ({each.failure_class})" if each.failure_class else ""
        told.append(f"{_counted(each.batches, 'batch', 'batches')}: {each.reason}{kind}")
    rest = len(failing) - REASONS_TOLD
    return [*told, f"… and {rest} more reasons"] if rest > 0 else told


def _tried(one: WatchedOutcome, now: datetime) -> str:
    parts = []
    attempts = max([each.attempts for each in one.failing], default=0)
    if attempts:
        classes = dict.fromkeys(each.failure_class for each in one.failing if each.failure_class)
        parts.append(f"{_counted(attempts, 'attempt')} ({', '.join(classes)})")
    times = [each.next_attempt_at for each in one.failing if not each.is_given_up]
    planned = [at for at in times if at is not None and at > now]
    if one.stop is not None and one.stop.retry_at is not None:
        planned.append(one.stop.retry_at)
    parts += [f"the next one is due {moment(min(planned))}"] if planned else []
    for breaker in one.breakers:
        due = f"; the next is due {moment(breaker.retry_at)}" if breaker.retry_at else ""
        parts.append(f"{breaker.name}: {_counted(breaker.failures, 'probe')} failed{due}")
    parts += [_woken(one)] if one.woken else []
    return "; ".join(parts) or "no attempt has failed"


def _woken(one: WatchedOutcome) -> str:
    return "opsintel_watch has woken it" if one.woken else ""


def _what_to_do(one: WatchedOutcome) -> str:
    given_up = [each.failure_class for each in one.failing if each.is_given_up]
    if given_up and set(given_up) == {FailureClass.IN_DOUBT} and one.stop is None:
        return f"`opsintel cases show {one.name}.{IN_DOUBT}`"
    if given_up or one.stop is not None or one.breakers:
        return f"remove the cause, then `opsintel heal {one.name}`"
    if one.source_error or one.unclaimed:
        return f"`opsintel doctor`, then `opsintel drain {one.name}`"
    return f"`opsintel status {one.name}`, then `opsintel heal {one.name}`"


def moment(at: datetime) -> str:
    """A time in UTC, to the minute: as exact as anybody acts on it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def length(lasted: timedelta) -> str:
    """How long something lasts, to the minute."""
    minutes = timedelta(minutes=max(lasted, timedelta(0)) // timedelta(minutes=1))
    return format_duration(minutes) if minutes else "under 1m"


def _counted(number: int, thing: str, things: str | None = None) -> str:
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"
