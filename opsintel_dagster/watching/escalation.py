"""Who has to be told what now: pure, from what is open, what is seen, and what is declared.

The owner is told at once, the fallback when nobody acknowledged in time, and whoever was told is
told once more when it is over. A symptom that is gone for a moment is not over. In a maintenance
window nothing is told; what stands when it ends is told then.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from opsintel_dagster.ledger.episodes import episode_id
from opsintel_dagster.ledger.notices import NoticeKind, notice_id
from opsintel_dagster.outcome import EnvValue, Notices
from opsintel_dagster.watching.symptoms import Symptom
from opsintel_dagster.watching.windows import is_in_maintenance

OVER_AFTER: Final = timedelta(minutes=5)
"""A symptom that comes back within this time was never gone."""
OTHERS_NAMED: Final = 10
OWNER_STEP: Final = 0
FALLBACK_STEP: Final = 1
_UNDECLARED: Final = Notices()

Declared = Mapping[str | None, Notices]
"""The notices of each outcome this code location watches; under None, of the installation."""


@dataclass(frozen=True)
class Told:
    """What was decided to be told to whom about an episode."""

    kind: NoticeKind
    step: int
    owner: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Episode:
    """A symptom from when it was first seen until it is over."""

    id: str
    key: str
    outcome: str | None
    owner: str
    began_at: datetime
    last_seen_at: datetime
    is_acknowledged: bool = False
    told: tuple[Told, ...] = ()

    @classmethod
    def begin(cls, symptom: Symptom, now: datetime) -> Self:
        """The episode of a symptom that is seen for the first time."""
        return cls(
            id=episode_id(symptom.key, now),
            key=symptom.key,
            outcome=symptom.outcome,
            owner=symptom.owner,
            began_at=now,
            last_seen_at=now,
        )

    def begun_told(self) -> list[Told]:
        """What was told before it was over."""
        return [one for one in self.told if one.kind is NoticeKind.BEGUN]


@dataclass(frozen=True, kw_only=True)
class Telling:
    """One notice to be put into the outbox; `symptom` is None if it is no longer seen."""

    episode: Episode
    kind: NoticeKind
    step: int
    owner: str
    symptom: Symptom | None

    @property
    def id(self) -> str:
        """The id of the notice, the same however often it is decided."""
        return notice_id(self.episode.id, self.kind, self.step, self.owner)


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What a look at the symptoms has to change."""

    begun: tuple[tuple[Episode, Symptom], ...]
    seen: tuple[tuple[Episode, Symptom], ...]
    over: tuple[Episode, ...]
    tellings: tuple[Telling, ...]


def installation_notices(declared: Iterable[Notices]) -> Notices:
    """Who is told of what concerns no single outcome: everybody's channels, the first fallback.

    The maintenance of one outcome is not that of the installation, so there is none.
    """
    channels: dict[str, tuple[str | EnvValue, ...]] = {}
    fallback = None
    for notices in declared:
        channels = {**notices.channels, **channels}
        fallback = fallback or notices.fallback
    return Notices(channels=channels, fallback=fallback)


def decide(
    episodes: Iterable[Episode],
    symptoms: Iterable[Symptom],
    declared: Declared,
    now: datetime,
) -> Decisions:
    """Decide which episodes begin and are over, and which notices are due.

    Args:
        episodes: The open ones.
        symptoms: What is wrong now.
        declared: What is declared for each outcome that was looked at. Episodes of any other are
            left alone: this code location cannot tell whether their symptom is gone.
        now: The time of the look.
    """
    known = {episode.key: episode for episode in episodes}
    seen_now: dict[str, dict[str | None, Symptom]] = {}
    for symptom in symptoms:
        seen_now.setdefault(symptom.key, {}).setdefault(symptom.outcome, symptom)
    begun, seen, over = [], [], []
    tellings: list[Telling] = []
    for key, same in seen_now.items():
        symptom = _as_one(same.values(), declared, now)
        episode = known.get(key)
        if episode is None:
            episode = Episode.begin(symptom, now)
            begun.append((episode, symptom))
        else:
            episode = replace(episode, outcome=symptom.outcome)
            seen.append((episode, symptom))
        tellings += _due(episode, symptom, declared.get(symptom.outcome, _UNDECLARED), now)
    for key, episode in known.items():
        if key in seen_now or episode.outcome not in declared:
            continue
        if now - episode.last_seen_at < OVER_AFTER:
            continue
        told = episode.begun_told()
        # Whoever was told is told the end, too; and a window is no time for telling.
        if told and is_in_maintenance(declared[episode.outcome].maintenance, now):
            continue
        over.append(episode)
        tellings += _resolved(episode, told)
    return Decisions(
        begun=tuple(begun), seen=tuple(seen), over=tuple(over), tellings=tuple(tellings)
    )


def _as_one(same: Collection[Symptom], declared: Declared, now: datetime) -> Symptom:
    """What several outcomes see is told once: by the first of them that is not in maintenance."""

    def may_be_told(one: Symptom) -> bool:
        notices = declared.get(one.outcome, _UNDECLARED)
        return not is_in_maintenance(notices.maintenance, now)

    first, *others = sorted(same, key=may_be_told, reverse=True)
    if not others:
        return first
    names = [str(one.outcome) for one in others]
    rest = f" and {len(names) - OTHERS_NAMED} more" if len(names) > OTHERS_NAMED else ""
    return replace(
        first,
        detail=f"{first.detail}\nIt holds back {', '.join(names[:OTHERS_NAMED])}{rest} too.",
        cost_per_hour=sum(one.cost_per_hour for one in same),
    )


def _due(episode: Episode, symptom: Symptom, notices: Notices, now: datetime) -> Iterator[Telling]:
    if episode.is_acknowledged or is_in_maintenance(notices.maintenance, now):
        return
    told = {one.step: one for one in episode.begun_told()}
    first = told.get(OWNER_STEP)
    if first is None:
        yield Telling(
            episode=episode,
            kind=NoticeKind.BEGUN,
            step=OWNER_STEP,
            owner=symptom.owner,
            symptom=symptom,
        )
    elif (
        notices.fallback not in (None, first.owner)
        and FALLBACK_STEP not in told
        and now - first.at >= notices.escalate_after
    ):
        yield Telling(
            episode=episode,
            kind=NoticeKind.BEGUN,
            step=FALLBACK_STEP,
            owner=str(notices.fallback),
            symptom=symptom,
        )


def _resolved(episode: Episode, told: Iterable[Told]) -> Iterator[Telling]:
    for one in told:
        yield Telling(
            episode=episode, kind=NoticeKind.RESOLVED, step=one.step, owner=one.owner, symptom=None
        )
