"""Does an arrival look like those before it? Judged at its claim, from the ledger's own history.

What is found is registered with the arrival, so that the verdict of a batch never depends on what
came later, nor on how arrivals were grouped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from opsintel_dagster.errors import StoreError
from opsintel_dagster.ledger import arrivals, batches
from opsintel_dagster.ledger.arrivals import NewArrival
from opsintel_dagster.ledger.batches import Role
from opsintel_dagster.orchestration.reading_arrivals import ReadArrival
from opsintel_dagster.orchestration.renaming import NO_RENAMES, Renames
from opsintel_dagster.orchestration.reports import ArrivalSymptoms
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.outcome import SYMPTOM_RULES
from opsintel_dagster.store import as_text
from opsintel_dagster.verification.baselines import (
    HISTORY,
    Bounds,
    null_rate_bounds,
    volume_bounds,
)
from opsintel_dagster.verification.drift import Drift, find_drift, gone_and_new
from opsintel_dagster.verification.profiles import SAMPLE_ROWS, Profile

Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Earlier:
    """An arrival of before, as far as a new one is compared with it."""

    id: str
    records: int
    available_at: datetime
    profile: Profile
    is_let_in: bool
    """Whether its columns are what later ones are compared with."""
    sample: pl.DataFrame | None = None
    """Its first records, where they are at hand."""


@dataclass
class History:
    """The last arrivals of an outcome, newest first; what is judged joins them."""

    work: Work
    _earlier: list[Earlier] = field(default_factory=list)

    @classmethod
    def load(cls, work: Work) -> "History":
        """What the ledger knows, in one query."""
        with work.installation.ledger.read() as connection:
            rows = arrivals.recent(connection, work.name, HISTORY)
        renames = work.compiled.amending.renames
        earlier = [
            Earlier(
                row.id,
                row.records,
                row.available_at,
                renames.profile(Profile.from_json(row.profile)),
                SYMPTOM_RULES["drift"] not in held_for(row.symptoms, renames)
                and _has_required(work, renames.names(row.columns)),
            )
            for row in rows
        ]
        return cls(work, earlier)

    def judge(self, new: NewArrival, read: ReadArrival) -> ArrivalSymptoms:
        """Compare one arrival with those before it, and remember it for the next one.

        A correction is not compared with what it corrects.
        """
        renames = self.work.compiled.amending.renames
        if renames:
            read = replace(
                read,
                columns=renames.names(read.columns),
                profile=renames.profile(read.profile),
                sample=renames.sample(read.sample),
            )
        before = [one for one in self._earlier if one.id != new.supersedes]
        holding = self.work.compiled.outcome.symptoms.holding()
        volume = volume_bounds(
            read.records,
            new.available_at.weekday(),
            [(one.available_at.weekday(), one.records) for one in before],
        )
        rates = self._null_rates(before, read.profile)
        symptoms = ArrivalSymptoms(new.name, self._drift(before, read), volume, rates)
        found = symptoms.found()
        held = tuple(rule for name, rule in holding.items() if name in found)
        symptoms = replace(symptoms, held=held)
        is_let_in = SYMPTOM_RULES["drift"] not in held and _has_required(self.work, read.columns)
        self._earlier.insert(
            0,
            Earlier(new.id, read.records, new.available_at, read.profile, is_let_in, read.sample),
        )
        del self._earlier[HISTORY:]
        return symptoms

    def _drift(self, before: Sequence[Earlier], read: ReadArrival) -> tuple[Drift, ...]:
        if not read.columns:
            return ()
        contract = self.work.compiled.contract
        last = next((one for one in before if one.is_let_in), None)
        profile = None if last is None else last.profile
        declared = contract.known_among(read.columns) | {*contract.required}
        gone, new = gone_and_new(contract.required, declared, profile, read.columns)
        is_renamed = bool(gone and new)
        return find_drift(
            contract.required,
            declared,
            profile,
            read.profile,
            values_before=self._values_of(last, gone) if is_renamed and last is not None else {},
            values_now=_texts(read.sample, new) if is_renamed else {},
        )

    def _values_of(self, earlier: Earlier, columns: Sequence[str]) -> Values:
        """Some values of an arrival of before; none where its rows can no longer be read."""
        if earlier.sample is not None:
            return _texts(earlier.sample, columns)
        with self.work.installation.ledger.read() as connection:
            first = arrivals.batches_of(connection, [earlier.id])[:1]
            files = [file for one in first for file in batches.files_of(connection, one, Role.RAW)]
        try:
            rows = self.work.installation.store.scan([file.path for file in files])
            if "_arrival" in rows.collect_schema():
                rows = rows.filter(pl.col("_arrival") == earlier.id)
            sample = rows.head(SAMPLE_ROWS).collect()
            return _texts(self.work.compiled.amending.renames.sample(sample), columns)
        except (StoreError, pl.exceptions.PolarsError):
            return {}

    def _null_rates(self, before: Sequence[Earlier], now: Profile) -> dict[str, Bounds]:
        """Bounds of each column of the contract that was ever empty, here or before."""
        columns = [name for name in self.work.compiled.contract.columns if name in now.empty]
        rates = {}
        for name in columns:
            past = [
                (one.profile.empty[name], one.profile.records)
                for one in before
                if name in one.profile.empty
            ]
            if now.empty[name] or any(empty for empty, _ in past):
                bounds = null_rate_bounds(now.empty[name], now.records, past, len(columns))
                if bounds is not None:
                    rates[name] = bounds
        return rates


def to_json(symptoms: ArrivalSymptoms) -> dict[str, Any] | None:
    """What is kept of it with the arrival: what was found, and for what it is held."""
    kept: dict[str, Any] = {}
    if symptoms.drifts:
        kept["drift"] = [one.to_json() for one in symptoms.drifts]
    if symptoms.volume is not None and symptoms.volume.is_outside:
        kept["volume"] = asdict(symptoms.volume)
    rates = {name: asdict(one) for name, one in symptoms.unusual_rates.items()}
    if rates:
        kept["null_rate"] = rates
    if symptoms.held:
        kept["held"] = list(symptoms.held)
    return {**kept, "says": symptoms.says()} if kept else None


def held_for(symptoms: Mapping[str, Any] | None, renames: Renames = NO_RENAMES) -> tuple[str, ...]:
    """The rules because of which an arrival is held, as its claim decided.

    Drift is none where it is explained by columns that have been renamed since.
    """
    held = tuple((symptoms or {}).get("held", ()))
    drifted = SYMPTOM_RULES["drift"]
    if drifted not in held or not renames or symptoms is None:
        return held
    left = renames.left_of([Drift.from_json(one) for one in symptoms.get("drift", ())])
    return held if left else tuple(rule for rule in held if rule != drifted)


def _has_required(work: Work, columns: Sequence[str]) -> bool:
    return set(work.compiled.contract.required) <= set(columns)


def _texts(sample: pl.DataFrame, columns: Sequence[str]) -> Values:
    there = [name for name in columns if name in sample.columns]
    texts = sample.select(as_text(name, sample.schema[name]).alias(name) for name in there)
    return {name: [text for text in texts[name].drop_nulls() if text] for name in there}
