"""Who is told what, when, and never twice: on timelines written by hand, and on random ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from watched import FALLBACK, NOW, OWNER, late, minutes, notices

from opsintel_dagster.ledger.notices import NoticeKind
from opsintel_dagster.outcome import Notices, Window
from opsintel_dagster.watching import (
    Decisions,
    Episode,
    Symptom,
    SymptomKind,
    decide,
    is_in_maintenance,
)
from opsintel_dagster.watching.escalation import OVER_AFTER, Told, installation_notices

LAST_HOUR = Window(begins=minutes(-60), ends=minutes(20))


@dataclass
class Watched:
    """What a ledger would keep, in memory."""

    declared: Notices = field(default_factory=notices)
    episodes: dict[str, Episode] = field(default_factory=dict)
    told: list[tuple[str, str, int, str, datetime]] = field(default_factory=list)

    def look(self, now: datetime, *symptoms: Symptom) -> list[tuple[str, int, str]]:
        """Decide and keep it; gives what is told to whom."""
        before = list(self.episodes.values())
        made = decide(before, symptoms, {"parcels": self.declared}, now)
        assert made == decide(before, symptoms, {"parcels": self.declared}, now)
        self._keep(made, now)
        return [(one.kind.value, one.step, one.owner) for one in made.tellings]

    def _keep(self, made: Decisions, now: datetime) -> None:
        for episode, _ in (*made.begun, *made.seen):
            self.episodes[episode.id] = replace(episode, last_seen_at=now)
        for one in made.tellings:
            before = self.episodes[one.episode.id]
            told = Told(one.kind, one.step, one.owner, now)
            self.episodes[before.id] = replace(before, told=(*before.told, told))
            self.told.append((before.id, one.kind.value, one.step, one.owner, now))
        for episode in made.over:
            del self.episodes[episode.id]

    def acknowledge(self) -> None:
        self.episodes = {
            name: replace(one, is_acknowledged=True) for name, one in self.episodes.items()
        }


def test_the_owner_is_told_at_once_and_the_fallback_when_nobody_acknowledged() -> None:
    watched = Watched()
    assert watched.look(NOW, late()) == [("begun", 0, OWNER)]
    assert watched.look(minutes(29), late(detail="more of them")) == []
    assert watched.look(minutes(30), late()) == [("begun", 1, FALLBACK)]
    assert watched.look(minutes(300), late()) == []


def test_what_is_acknowledged_never_escalates() -> None:
    watched = Watched()
    watched.look(NOW, late())
    watched.acknowledge()
    assert watched.look(minutes(300), late()) == []


def test_those_who_were_told_are_told_that_it_is_over() -> None:
    watched = Watched()
    watched.look(NOW, late())
    watched.look(minutes(30), late())
    assert watched.look(minutes(34.9)) == []
    assert watched.look(minutes(35)) == [("resolved", 0, OWNER), ("resolved", 1, FALLBACK)]
    assert watched.look(minutes(36)) == []


def test_a_symptom_that_flaps_is_one_episode_and_one_that_comes_back_later_is_another() -> None:
    watched = Watched()
    watched.look(NOW, late())
    watched.look(minutes(1))
    assert watched.look(minutes(4.9), late()) == []
    watched.look(minutes(10))
    assert watched.look(minutes(11), late()) == [("begun", 0, OWNER)]
    assert len({one[0] for one in watched.told}) == 2


def test_what_stands_when_maintenance_ends_is_told_then_and_the_timer_begins_then() -> None:
    watched = Watched(notices(maintenance=[LAST_HOUR]))
    assert watched.look(NOW, late()) == []
    assert watched.look(minutes(19), late()) == []
    assert watched.look(minutes(20), late()) == [("begun", 0, OWNER)]
    assert watched.look(minutes(49), late()) == []
    assert watched.look(minutes(50), late()) == [("begun", 1, FALLBACK)]


def test_what_came_and_went_in_maintenance_is_told_to_nobody() -> None:
    watched = Watched(notices(maintenance=[LAST_HOUR]))
    watched.look(NOW, late())
    assert watched.look(minutes(6)) == []
    assert watched.episodes == {}


def test_an_end_within_maintenance_is_told_after_it() -> None:
    window = Window(begins=minutes(1), ends=minutes(60))
    watched = Watched(notices(maintenance=[window]))
    watched.look(NOW, late())
    assert watched.look(minutes(30)) == []
    assert watched.look(minutes(60)) == [("resolved", 0, OWNER)]


def test_without_a_fallback_or_with_the_owner_as_one_nobody_else_is_told() -> None:
    for fallback in (None, OWNER):
        watched = Watched(notices(fallback=fallback))
        watched.look(NOW, late())
        assert watched.look(minutes(300), late()) == []


def test_the_same_symptom_seen_twice_at_once_is_told_once() -> None:
    assert Watched().look(NOW, late(), late(detail="as another sees it")) == [("begun", 0, OWNER)]


def down(outcome: str, **changes: Any) -> Symptom:
    about = {"kind": SymptomKind.BREAKER_OPEN, "subject": "receiver gate", "outcome": outcome}
    return late(**{**about, "detail": "3 batches held back.", **changes})


def test_a_dependency_of_many_outcomes_that_is_down_is_told_to_an_owner_once() -> None:
    others = [down(f"shop_{number:02}") for number in range(12)]
    made = decide([], [down("parcels"), *others, down("mail", owner=FALLBACK)], {}, NOW)
    mine, theirs = (telling.symptom for telling in made.tellings)
    assert mine is not None
    assert (mine.outcome, mine.owner, mine.cost_per_hour) == ("parcels", OWNER, 13 * 600)
    assert mine.detail.splitlines()[0] == "3 batches held back."
    assert mine.detail.endswith("shop_08, shop_09 and 2 more too.")
    assert theirs == down("mail", owner=FALLBACK)


def test_the_maintenance_of_one_outcome_keeps_nothing_from_the_owner_of_another() -> None:
    declared = {"parcels": notices(maintenance=[LAST_HOUR]), "letters": notices()}
    both = [down("parcels"), down("letters")]
    (telling,) = decide([], both, declared, NOW).tellings
    assert telling.episode.outcome == "letters"


def test_an_episode_goes_on_with_whoever_still_sees_it() -> None:
    """An outcome that is not declared any more takes nothing with it."""
    begun = Episode.begin(down("parcels"), NOW)
    declared = {"letters": notices()}
    made = decide([begun], [down("letters")], declared, minutes(1))
    ((episode, _),) = made.seen
    assert (episode.id, episode.outcome) == (begun.id, "letters")
    assert decide([episode], [], declared, minutes(9)).over == (episode,)


def test_what_another_code_location_watches_is_left_alone() -> None:
    episode = Episode.begin(late(outcome="elsewhere"), NOW)
    made = decide([episode], [], {"parcels": notices()}, minutes(300))
    assert made.over == ()


def test_of_the_installation_everybody_with_a_channel_can_be_told() -> None:
    house = installation_notices([notices(fallback=None), notices(channels={"a@b.de": ["x://y"]})])
    assert set(house.channels) == {OWNER, FALLBACK, "a@b.de"}
    assert house.fallback == FALLBACK


STEPS = st.lists(
    st.tuples(
        st.floats(min_value=0.1, max_value=45).map(lambda step: round(step, 1)),
        st.sets(st.sampled_from(["late", "case"])),
        st.booleans().flatmap(lambda rare: st.booleans() if rare else st.just(False)),
    ),
    max_size=25,
)
WINDOWS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 120)).map(
        lambda window: Window(begins=minutes(window[0]), ends=minutes(sum(window)))
    ),
    max_size=3,
)


def seen(names: Sequence[str]) -> list[Symptom]:
    return [late(subject=name) for name in sorted(names)]


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, windows=WINDOWS)
def test_on_any_timeline_nobody_is_told_twice_in_maintenance_or_after_acknowledging(
    steps: list[tuple[float, set[str], bool]], windows: list[Window]
) -> None:
    watched = Watched(notices(maintenance=windows))
    now = NOW
    acknowledged: set[str] = set()
    for step, names, acknowledges in steps:
        now += timedelta(minutes=step)
        count = len(watched.told)
        open_before = dict(watched.episodes)
        watched.look(now, *seen(list(names)))
        new = watched.told[count:]
        assert not (new and is_in_maintenance(windows, now))
        assert not [one for one in new if one[1] == "begun" and one[0] in acknowledged]
        for identity, kind, _, owner, _ in new:
            if kind == NoticeKind.RESOLVED:
                assert (identity, owner) in {(one[0], one[3]) for one in watched.told[:count]}
                assert now - open_before[identity].last_seen_at >= OVER_AFTER
        assert watched.look(now, *seen(list(names))) == []  # a second look changes nothing
        if acknowledges:
            watched.acknowledge()
            acknowledged |= set(watched.episodes)
    keys = [one[:3] for one in watched.told]
    assert len(keys) == len(set(keys))
    for episode in watched.episodes.values():
        first = [one for one in episode.told if one.step == 0]
        seen_now = steps and episode.last_seen_at == now
        if seen_now and not episode.is_acknowledged and not is_in_maintenance(windows, now):
            assert first  # the owner of what is wrong now was told
