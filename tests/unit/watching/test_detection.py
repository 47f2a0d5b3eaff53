"""What follows from what the watcher knows: which symptom, told to whom, with which command."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watched import FALLBACK, NOW, OWNER

from opsintel_dagster.watching import SymptomKind
from opsintel_dagster.watching.detection import detect
from opsintel_dagster.watching.snapshot import (
    Failing,
    LongRun,
    OpenBreaker,
    Snapshot,
    StaleAsset,
    UntakenNotices,
    WaitingCase,
    WatchedDaemon,
    WatchedOutcome,
    WatchedSensor,
)

KEEPER = "team:keeper"
FINE: dict[str, Any] = {"name": "parcels", "owner": OWNER, "within": timedelta(minutes=15)}


def ago(**length: float) -> Any:
    return NOW - timedelta(**length)


def seen(*outcomes: WatchedOutcome, **machinery: Any) -> Snapshot:
    return Snapshot(now=NOW, keeper=KEEPER, outcomes=outcomes, **machinery)


def outcome(**known: Any) -> WatchedOutcome:
    return WatchedOutcome(**{**FINE, **known})


def sensor(**known: Any) -> WatchedSensor:
    return WatchedSensor(
        **{
            "name": "opsintel_arrivals",
            "location": "ops",
            "interval": timedelta(seconds=30),
            "silent_since": ago(seconds=20),
            **known,
        }
    )


REFUSED = Failing(
    batches=2, reason="no rights", failure_class="permission", attempts=3, is_given_up=True
)
DOUBT = replace(REFUSED, failure_class="in_doubt", batches=1)
DOWN = OpenBreaker(name="receiver desk", since=ago(minutes=9), reason="refused", failures=4)
STOP = replace(DOWN, name="outcome parcels", reason="60 attempts failed")
CASE = WaitingCase(
    failure_mode="bad_weight", owner="team:scales", opened_at=ago(hours=30), records=7
)
STALE = StaleAsset(asset="promise", materialized_at=ago(hours=1), window=timedelta(minutes=15))
LATE = {"oldest": ago(minutes=20), "outstanding": 2}
RUN = LongRun(run_id="0123456789ab", since=ago(hours=9), allowed=timedelta(hours=1), beats=True)

OF_OUTCOMES = [
    pytest.param({}, [], "", id="nothing is wrong"),
    pytest.param({"oldest": ago(minutes=14), "outstanding": 1}, [], "", id="not late yet"),
    pytest.param(LATE, ["promise_late"], "`opsintel heal parcels`", id="late"),
    pytest.param(
        {"oldest": ago(minutes=20), "unclaimed": 3},
        ["promise_late"],
        "`opsintel drain parcels`",
        id="late, and nobody has claimed it",
    ),
    pytest.param({"failing": (REFUSED,)}, ["gave_up"], "`opsintel heal parcels`", id="given up"),
    pytest.param({"stop": STOP}, ["gave_up"], "`opsintel heal parcels`", id="stopped"),
    pytest.param(
        {"stop": STOP, "failing": (REFUSED,)}, ["gave_up"], "parcels.stopped`", id="both are one"
    ),
    pytest.param({"failing": (DOUBT,)}, ["gave_up"], "show parcels.in_doubt`", id="in doubt"),
    pytest.param({"stop": replace(STOP, retry_at=NOW)}, [], "", id="a stop that is tried again"),
    pytest.param({"breakers": (DOWN,)}, ["breaker_open"], "`opsintel heal parcels`", id="down"),
    pytest.param(
        {"breakers": (replace(DOWN, since=ago(minutes=4)),)}, [], "", id="down for a moment"
    ),
    pytest.param(
        {"unaccounted": "3 of 9"}, ["law_broken"], "`opsintel status parcels`", id="law broken"
    ),
    pytest.param({"stale": (STALE,)}, ["freshness_failed"], "`opsintel doctor`", id="stale"),
    pytest.param({"stale": (STALE,), **LATE}, ["promise_late"], "", id="stale because it is late"),
    pytest.param(
        {"stale": (STALE,), "unaccounted": "3"}, ["law_broken"], "", id="stale for the law"
    ),
    pytest.param(
        {"stale": (replace(STALE, asset="arrivals"),), **LATE},
        ["promise_late", "freshness_failed"],
        "",
        id="stale arrivals",
    ),
    pytest.param(
        {"expect": timedelta(hours=1), "silent_since": ago(hours=2)},
        ["source_silent"],
        "`opsintel doctor`",
        id="silent",
    ),
    pytest.param(
        {"expect": timedelta(hours=1), "silent_since": ago(minutes=59)}, [], "", id="spoke"
    ),
    pytest.param({"silent_since": ago(days=9)}, [], "", id="nothing is expected"),
    pytest.param({"cases": (CASE,)}, ["case_overdue"], "cases show parcels.bad_weight`", id="case"),
    pytest.param({"cases": (replace(CASE, opened_at=ago(hours=23)),)}, [], "", id="a young case"),
    pytest.param(
        {"cases": (replace(CASE, opened_at=ago(hours=5), due_at=ago(hours=1)),)},
        ["case_overdue"],
        "cases show parcels.bad_weight`",
        id="a case whose own clock has run out",
    ),
    pytest.param(
        {"cases": (replace(CASE, due_at=ago(hours=-1)),)}, [], "", id="a case that was snoozed"
    ),
    pytest.param(
        {"cases": (CASE,), "within": timedelta(hours=40)}, [], "", id="a case of a slow outcome"
    ),
    pytest.param(
        {"cases": (replace(CASE, failure_mode="stopped"),)}, [], "", id="a stop is told at once"
    ),
    pytest.param({"long_runs": (RUN,)}, ["run_stuck"], "Runs → 0123456789ab", id="a long run"),
]


@pytest.mark.parametrize(("known", "kinds", "command"), OF_OUTCOMES)
def test_what_is_known_of_an_outcome_says_what_is_wrong_and_what_to_do(
    known: dict[str, Any], kinds: list[str], command: str
) -> None:
    found = detect(seen(outcome(**known)))
    assert [one.kind.value for one in found] == kinds
    assert not found or command in found[0].next_action
    for one in found:
        assert one.outcome == "parcels"
        assert one.owner == ("team:scales" if one.kind is SymptomKind.CASE_OVERDUE else OWNER)
        assert one.title
        assert one.detail


def test_unanswered_cases_of_many_causes_are_one_notice_for_each_who_is_asked() -> None:
    named = {"cause": "XXX", "name": "'parcels.bad_weight:XXX'"}
    mine = [replace(CASE, **named, opened_at=ago(hours=30 + n)) for n in range(3)]
    theirs = replace(CASE, cause="YYY", owner="team:other")
    found = detect(seen(outcome(cases=(*mine, theirs, CASE))))
    told = {one.subject: one for one in found}
    assert set(told) == {"bad_weight", "bad_weight:team:scales", "bad_weight:team:other"}
    many = told["bad_weight:team:scales"]
    assert many.title.startswith("3 cases of parcels.bad_weight are unanswered, the oldest for")
    assert many.detail.startswith("21 records in quarantine")
    assert many.next_action == "`opsintel cases list parcels`"
    assert (
        told["bad_weight:team:other"].next_action == "`opsintel cases show parcels.bad_weight:YYY`"
    )
    (one,) = detect(seen(outcome(cases=(mine[0],))))
    assert one.next_action == "`opsintel cases show 'parcels.bad_weight:XXX'`"


OF_MACHINERY = [
    pytest.param({"sensors": (sensor(),)}, [], id="it ticks"),
    pytest.param(
        {"sensors": (sensor(silent_since=ago(minutes=6)),)},
        ["The sensor opsintel_arrivals of code location ops does not tick"],
        id="silent",
    ),
    pytest.param(
        {"sensors": (sensor(silent_since=ago(minutes=6), interval=timedelta(minutes=1)),)},
        [],
        id="silent for six of its intervals",
    ),
    pytest.param(
        {"sensors": (sensor(is_stopped=True),)},
        ["The sensor opsintel_arrivals of code location ops is stopped"],
        id="stopped on purpose",
    ),
    pytest.param({"sensors": (sensor(failures=2, error="x"),)}, [], id="two accidents"),
    pytest.param(
        {"sensors": (sensor(failures=3, error="no disk"),)},
        ["The sensor opsintel_arrivals of code location ops only fails"],
        id="it only fails",
    ),
    pytest.param(
        {"daemons": (WatchedDaemon(name="FRESHNESS_DAEMON", silent_since=ago(minutes=6)),)},
        ["The daemon FRESHNESS_DAEMON of Dagster gives no heartbeat"],
        id="a silent daemon",
    ),
    pytest.param(
        {"daemons": (WatchedDaemon(name="FRESHNESS_DAEMON", silent_since=ago(minutes=4)),)},
        [],
        id="a daemon that has just begun",
    ),
]


@pytest.mark.parametrize(("machinery", "titles"), OF_MACHINERY)
def test_machinery_that_is_silent_is_told_to_who_keeps_the_location(
    machinery: dict[str, Any], titles: list[str]
) -> None:
    found = detect(seen(**machinery))
    assert [one.title for one in found] == titles
    assert {(one.outcome, one.owner) for one in found} <= {(None, KEEPER)}
    assert all("opsintel doctor" in one.next_action or "UI" in one.next_action for one in found)


def test_that_a_channel_takes_nothing_is_told_to_somebody_else() -> None:
    untaken = UntakenNotices(
        owner=OWNER,
        number=2,
        attempts=5,
        since=ago(hours=1),
        failure="it answered 500",
        outcome="parcels",
    )
    (told,) = detect(seen(untaken=(untaken,), fallback=FALLBACK))
    assert (told.owner, told.subject) == (FALLBACK, OWNER)
    assert told.next_action == "`opsintel notices test parcels`"
    (nobody,) = detect(seen(untaken=(untaken,)))
    assert nobody.owner == KEEPER


def test_what_was_tried_says_attempts_class_and_when_the_next_one_comes() -> None:
    later = NOW + timedelta(minutes=5)
    failing = replace(REFUSED, is_given_up=False, next_attempt_at=later)
    down = replace(DOWN, retry_at=NOW + timedelta(minutes=2), blocked=2)
    (late,) = (
        one
        for one in detect(seen(outcome(**LATE, failing=(failing,), breakers=(down,), woken=True)))
        if one.kind is SymptomKind.PROMISE_LATE
    )
    assert late.tried == (
        "3 attempts (permission); the next one is due 2026-06-01 10:05 UTC; receiver desk: "
        "4 probes failed; the next is due 2026-06-01 10:02 UTC; opsintel_watch has woken it"
    )
    assert "waits since 2026-06-01 09:40 UTC (20m; promised within 15m)" in late.detail
    assert "2 batches: no rights (permission)" in late.detail


def test_the_machinery_comes_first_and_then_what_costs_most() -> None:
    cheap = outcome(name="a", **LATE)
    dear = outcome(name="b", cost_per_hour=9.0, **LATE)
    found = detect(seen(cheap, dear, sensors=(sensor(is_stopped=True),)))
    assert [one.outcome for one in found] == [None, "b", "a"]


MOMENTS = st.integers(0, 5_000).map(lambda minutes: NOW - timedelta(minutes=minutes))
BREAKERS = st.builds(
    OpenBreaker,
    name=st.sampled_from(["receiver a", "source b"]),
    since=MOMENTS,
    reason=st.text(max_size=5),
    failures=st.integers(1, 9),
    retry_at=st.none() | MOMENTS,
    blocked=st.integers(0, 3),
)
OUTCOMES = st.builds(
    WatchedOutcome,
    name=st.sampled_from("abcdef"),
    owner=st.none(),
    within=st.timedeltas(timedelta(minutes=1), timedelta(days=3)),
    cost_per_hour=st.floats(0, 9),
    expect=st.none() | st.timedeltas(timedelta(minutes=1), timedelta(days=1)),
    oldest=st.none() | MOMENTS,
    failing=st.lists(
        st.builds(
            Failing,
            batches=st.integers(1, 3),
            reason=st.text(max_size=5),
            failure_class=st.sampled_from([None, "bug", "in_doubt"]),
            attempts=st.integers(0, 9),
            next_attempt_at=st.none() | MOMENTS,
            is_given_up=st.booleans(),
        ),
        max_size=5,
    ).map(tuple),
    stop=st.none() | BREAKERS,
    breakers=st.lists(BREAKERS, max_size=2, unique_by=lambda one: one.name).map(tuple),
    unaccounted=st.none() | st.text(max_size=5),
    silent_since=st.none() | MOMENTS,
).map(lambda one: replace(one, owner=f"team:{one.name}"))


@settings(max_examples=50)
@given(st.lists(OUTCOMES, max_size=6, unique_by=lambda one: one.name), st.randoms())
def test_the_same_look_gives_the_same_symptoms_each_for_its_own_owner(
    outcomes: list[WatchedOutcome], random: Any
) -> None:
    found = detect(seen(*outcomes))
    shuffled = random.sample(outcomes, len(outcomes))
    assert detect(seen(*shuffled)) == found
    assert len({one.key for one in found}) == len(found)
    for one in found:
        assert one.owner == f"team:{one.outcome}"
        assert one.outcome is not None
        assert one.outcome in one.next_action or one.kind is SymptomKind.RUN_STUCK
