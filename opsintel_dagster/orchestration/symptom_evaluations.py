"""What `drift`, `volume` and `null_rate` say of the arrivals that a drain has claimed.

Their numbers are those of the arrival least like those before it, so that the UI plots them.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Final

from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.evaluations import ERROR, WARN, Evaluation, sentence
from opsintel_dagster.orchestration.metadata import MetadataDict, reason_table
from opsintel_dagster.orchestration.reports import ArrivalsReport, ArrivalSymptoms
from opsintel_dagster.outcome import SYMPTOM_RULES
from opsintel_dagster.verification.baselines import LEAST_ARRIVALS, Bounds
from opsintel_dagster.verification.drift import Drift, DriftKind

_TOLD: Final = 3
_SILENT: Final = f"Too little history to tell: it takes {LEAST_ARRIVALS} arrivals"
_GONE: Final = frozenset({DriftKind.REMOVED, DriftKind.RENAMED})


def symptom_evaluations(
    compiled: Compiled, report: ArrivalsReport, downstream: MetadataDict
) -> list[Evaluation]:
    """The three checks; `downstream` says what waits where an arrival is held."""
    symptoms = report.symptoms
    required = set(compiled.contract.required)
    drifted, unusual, odd = (
        [one for one in symptoms if name in one.found()]
        for name in ("drift", "volume", "null_rate")
    )
    is_lacking = any(_is_lack(drift, required) for one in drifted for drift in one.drifts)
    changed = sum(len(one.drifts) for one in symptoms)
    return [
        _evaluation(
            "drift",
            symptoms,
            drifted,
            sentence(
                (changed, "columns that changed: {:,}"),
                (_told(drifted, _drifts), "{}"),
                otherwise="The arrivals have the columns of the contract and of those before them",
            ),
            {
                "value": changed,
                "baseline": 0,
                "sample_size": len(symptoms),
                **reason_table("changes", "arrival", {one.name: _drifts(one) for one in drifted}),
            },
            downstream,
            is_error=is_lacking,
        ),
        _evaluation(
            "volume",
            symptoms,
            unusual,
            sentence(
                (len(unusual), "arrivals with far more or fewer records than usual: {:,}"),
                (_told(unusual, _volume), "{}"),
                otherwise=_quiet(symptoms, "The arrivals are as large as usual"),
            ),
            _bounds_of([one.volume for one in symptoms if one.volume is not None]),
            downstream,
        ),
        _evaluation(
            "null_rate",
            symptoms,
            odd,
            sentence(
                (len(odd), "arrivals with columns that are empty more or less than usual: {:,}"),
                (_told(odd, _rates), "{}"),
                otherwise=_quiet(symptoms, "No column is empty more or less than usual"),
            ),
            {
                **_bounds_of([rate for one in symptoms for rate in one.null_rates.values()]),
                **reason_table("columns", "arrival", {one.name: _rates(one) for one in odd}),
            },
            downstream,
        ),
    ]


def _evaluation(
    name: str,
    symptoms: Sequence[ArrivalSymptoms],
    found: Sequence[ArrivalSymptoms],
    description: str,
    metadata: MetadataDict,
    downstream: MetadataDict,
    *,
    is_error: bool = False,
) -> Evaluation:
    held = sum(SYMPTOM_RULES[name] in one.held for one in symptoms)
    if held:
        description = f"{description.removesuffix('.')}; held: {held:,}."
    return Evaluation(
        name,
        passed=not found,
        severity=ERROR if held or is_error else WARN,
        open=len(found),
        description=description,
        metadata={"held": held, **metadata, **(downstream if held or is_error else {})},
    )


def _is_lack(drift: Drift, required: set[str]) -> bool:
    return drift.kind in _GONE and drift.column in required


def _bounds_of(bounds: Sequence[Bounds]) -> MetadataDict:
    """The numbers of the value least like those before it."""
    if not bounds:
        return {"sample_size": 0}
    numbers = asdict(max(bounds, key=_unlikeness))
    return {name: round(number, 6) for name, number in numbers.items()}


def _unlikeness(one: Bounds) -> float:
    """How far a value lies from the middle, in units of what was allowed for."""
    width = one.upper - one.baseline if one.value > one.baseline else one.baseline - one.lower
    return abs(one.value - one.baseline) / width if width else 0.0


def _quiet(symptoms: Sequence[ArrivalSymptoms], text: str) -> str:
    is_silent = bool(symptoms) and all(one.volume is None for one in symptoms)
    return _SILENT if is_silent else text


def _told(found: Sequence[ArrivalSymptoms], about: Callable[[ArrivalSymptoms], str]) -> str:
    """What is to be said of some arrivals, each sentence once; a check's text is one line."""
    said = list(dict.fromkeys(map(about, found)))
    return "; ".join(said[:_TOLD]) + ("; …" if len(said) > _TOLD else "")


def _drifts(one: ArrivalSymptoms) -> str:
    return "; ".join(map(str, one.drifts))


def _volume(one: ArrivalSymptoms) -> str:
    return f"{one.name}: {replace(one, drifts=(), null_rates={}).says()[0]}"


def _rates(one: ArrivalSymptoms) -> str:
    return "; ".join(replace(one, drifts=(), volume=None).says())
