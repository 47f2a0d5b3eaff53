"""Does each arrival bring the contract's columns? Judged before anything is typed.

A column that is missing, forbidden or out of order says something about the arrival, not about a
row: the arrival is held. Which columns an arrival brought is asked per arrival, because a batch of
several files has the columns of all of them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from opsintel_dagster.verification.schema_reading import SchemaFacts

CONTROL_COLUMNS: Final = frozenset(
    {"_arrival", "_row", "_line", "_line_end", "_problem", "_text", "_from", "_standing"}
)


@dataclass(frozen=True, slots=True)
class Presence:
    """What the arrivals of a batch brought, compared with the contract."""

    arrivals: tuple[str, ...]
    """Every arrival, those without a record too, in order."""
    held: Mapping[str, str]
    """Arrival to the sentence that names the offending columns."""
    absent: Mapping[str, frozenset[str]]
    """Arrival to the optional columns it does not have; only arrivals that lack one."""


def look_at_columns(
    raw: pl.DataFrame, facts: SchemaFacts, columns_of: Mapping[str, Collection[str]] | None
) -> Presence:
    """Compare each arrival's columns with the contract.

    Args:
        raw: The batch; names the arrivals that have records.
        facts: The contract.
        columns_of: The columns of each arrival; None if all have those of `raw`.
    """
    in_frame = [name for name in raw.columns if name not in CONTROL_COLUMNS]
    named = raw.get_column("_arrival").drop_nulls().unique(maintain_order=True).to_list()
    arrivals = tuple(dict.fromkeys([*named, *(columns_of or {})]))
    held: dict[str, str] = {}
    absent: dict[str, frozenset[str]] = {}
    for arrival in arrivals:
        brought = in_frame if columns_of is None else columns_of.get(arrival, in_frame)
        ordered = list(brought) if isinstance(brought, Sequence) else in_frame
        ordered = [name for name in ordered if name not in CONTROL_COLUMNS]
        there = set(brought) if arrival not in named else set(brought) & set(in_frame)
        complaints = _complaints(facts, there, set(brought) - CONTROL_COLUMNS, ordered)
        if complaints:
            held[arrival] = "; ".join(complaints)
        optional = frozenset(
            name
            for name, column in facts.columns.items()
            if name not in there and not column.is_required
        )
        if optional:
            absent[arrival] = optional
    return Presence(arrivals, held, absent)


def _complaints(
    facts: SchemaFacts, there: set[str], brought: set[str], ordered: list[str]
) -> list[str]:
    complaints = []
    missing = [
        name
        for name, column in facts.columns.items()
        if name not in there
        and column.is_required
        and not (facts.adds_missing and (column.is_nullable or column.default is not None))
    ]
    if missing:
        complaints.append(f"missing {', '.join(missing)}")
    extra = [name for name in ordered if name not in facts.columns]
    extra += sorted(brought - set(ordered) - set(facts.columns))
    if facts.is_strict and extra:
        complaints.append(f"not in the contract: {', '.join(extra)}")
    if facts.is_ordered:
        came = [name for name in ordered if name in facts.columns]
        declared = [name for name in facts.columns if name in came]
        if came != declared:
            complaints.append(f"out of order: {', '.join(came)} instead of {', '.join(declared)}")
    return complaints
