"""Does each arrival bring the contract's columns? Judged before anything is typed.

A column that is missing, forbidden or out of order says something about the arrival, not about a
row: the arrival is held. Which columns an arrival brought is asked per arrival, because a batch of
several files has the columns of all of them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from opsintel_dagster.verification.lossless import are_of_one_kind, is_text
from opsintel_dagster.verification.membership import Membership
from opsintel_dagster.verification.patterns import governed, matching
from opsintel_dagster.verification.schema_reading import ContractColumn, SchemaFacts
from opsintel_dagster.verification.text_forms import reads_every_text

CONTROL_COLUMNS: Final = frozenset(
    {"_arrival", "_row", "_line", "_line_end", "_problem", "_text", "_from", "_standing"}
    | {"_accepted", "_amended", "_amended_by", "_sent_to"}
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
    raw: pl.DataFrame,
    members: Membership,
    facts: SchemaFacts,
    columns: Mapping[str, ContractColumn],
    columns_of: Mapping[str, Collection[str]] | None,
) -> Presence:
    """Compare each arrival's columns with the contract.

    Args:
        raw: The batch.
        members: The arrivals that have records in it.
        facts: The contract.
        columns: Its columns in this batch, those found by a pattern too.
        columns_of: The columns of each arrival; None if all have those of `raw`.
    """
    in_frame = [name for name in raw.columns if name not in CONTROL_COLUMNS]
    arrivals = tuple(dict.fromkeys([*members.names, *(columns_of or {})]))
    unreadable = _unreadable(raw, members, columns)
    held: dict[str, str] = {}
    absent: dict[str, frozenset[str]] = {}
    for arrival in arrivals:
        brought = in_frame if columns_of is None else columns_of.get(arrival, in_frame)
        ordered = list(brought) if isinstance(brought, Sequence) else in_frame
        ordered = [name for name in ordered if name not in CONTROL_COLUMNS]
        there = set(brought)
        if arrival in members.names:
            there &= set(in_frame)
        ordered += sorted(set(brought) - set(ordered) - CONTROL_COLUMNS)
        complaints = _complaints(facts, columns, there, ordered) + unreadable.get(arrival, [])
        if complaints:
            held[arrival] = "; ".join(complaints)
        optional = frozenset(
            name for name, column in columns.items() if name not in there and not column.is_required
        )
        if optional:
            absent[arrival] = optional
    return Presence(arrivals, held, absent)


def _unreadable(
    raw: pl.DataFrame, members: Membership, columns: Mapping[str, ContractColumn]
) -> dict[str, list[str]]:
    """Arrivals with values of a kind that can be no value of a column that takes every text.

    Such a column has no `coerce` rule, because nothing a file says can break it. A list or a
    binary value can, so the arrival is held before it would become an empty cell.
    """
    complaints: dict[str, list[str]] = {}
    for name in of_another_kind(raw.schema, columns):
        for arrival in members.names_at(raw.get_column(name).is_not_null()):
            said = f"{name} is {raw.schema[name]}, of which no value is a {columns[name].dtype}"
            complaints.setdefault(arrival, []).append(said)
    return complaints


def of_another_kind(
    sources: Mapping[str, pl.DataType], columns: Mapping[str, ContractColumn]
) -> list[str]:
    """Columns that take every text and come with a dtype of which no value has a text."""
    return [
        name
        for name, column in columns.items()
        if name in sources
        and reads_every_text(column.dtype)
        and sources[name] != column.dtype
        and not is_text(sources[name])
        and not are_of_one_kind(sources[name], column.dtype)
    ]


def _complaints(
    facts: SchemaFacts,
    columns: Mapping[str, ContractColumn],
    there: set[str],
    ordered: Sequence[str],
) -> list[str]:
    complaints = []
    missing = [
        name for name, column in columns.items() if name not in there and facts.is_needed(column)
    ]
    came = [name for name in ordered if name in there]
    for called, names in governed(facts, came).items():
        pattern = facts.patterns[called]
        if pattern.is_required and not names:
            missing.append(f"any column that matches {called}")
        complaints += [
            f"{name} matches {called} and another pattern, and is to be {columns[name].dtype} and "
            f"{pattern.dtype}"
            for name in names
            if columns[name].dtype != pattern.dtype
        ]
    if missing:
        complaints.insert(0, f"missing {', '.join(missing)}")
    extra = [name for name in ordered if name not in columns]
    if facts.is_strict and extra:
        complaints.append(f"not in the contract: {', '.join(extra)}")
    if facts.is_ordered:
        known = [name for name in ordered if name in columns]
        declared = _declared_order(facts, known)
        if known != declared:
            said = f"out of order: {', '.join(known)} instead of {', '.join(declared)}"
            complaints.append(said)
    return complaints


def _declared_order(facts: SchemaFacts, known: Sequence[str]) -> list[str]:
    """Pandera's order: a pattern stands for all it matches, those declared by name too."""
    order: list[str] = []
    for called in facts.order:
        if called in facts.patterns:
            order += matching(str(facts.patterns[called].pattern), known)
        elif called in known:
            order.append(called)
    return list(dict.fromkeys(order))
