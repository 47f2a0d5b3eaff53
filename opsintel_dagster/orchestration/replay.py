"""Replays: rows whose cause is gone leave quarantine as a batch and take the one path again."""

from collections.abc import MutableMapping
from typing import Any

import polars as pl
from sqlalchemy import Row

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.errors import LeaseLost, OpsintelError, ReferenceDown
from opsintel_dagster.ledger import batches, cases, entries
from opsintel_dagster.ledger.batches import BatchKind, Role
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.orchestration import quarantine
from opsintel_dagster.orchestration.work import Work


def replay_healed(
    work: Work, waiting: MutableMapping[str, str], failures: MutableMapping[str, str]
) -> int:
    """Judge the open rows of cases whose reference has a new version; replay what is healed.

    Returns how many rows were taken out of quarantine. A reference that is down is noted in
    `waiting`, a quarantine file that is gone in `failures`: neither may keep what has arrived
    from being judged.

    Raises:
        LeaseLost: another drain has taken over.
    """
    replayed = 0
    for failure_mode, reference in work.compiled.replayed_when().items():
        identity = cases.case_id(work.name, failure_mode)
        with work.installation.ledger.read() as connection:
            case = cases.find(connection, identity)
            is_open = case is not None and cases.open_rows(connection, identity) > 0
        version = work.references.version(reference)
        if case is None or not is_open or case.tried_version.get(reference) == version:
            continue
        try:
            replayed += _replay(work, case, reference, version)
        except LeaseLost:
            raise
        except ReferenceDown as error:
            waiting[f"replay of {failure_mode}"] = str(error)
        except (OpsintelError, pl.exceptions.PolarsError) as error:
            failures[f"replay of {failure_mode}"] = str(error)
    return replayed


def _replay(work: Work, case: Row[Any], reference: str, version: str) -> int:
    reached("replay.begun")
    with work.installation.ledger.read() as connection:
        everything = quarantine.open_rows(work.installation, connection, work.name)
    mine = everything.filter(pl.col("_cause") == case.failure_mode)
    healed = mine.join(
        _still_broken(work, mine, case.failure_mode),
        on=quarantine.ROW,
        how="anti",
        maintain_order="left",
    )
    batch_id = stable_id(
        "batch", work.name, "replay", case.id, case.episode, version, work.compiled.fingerprint
    )
    stored = []
    if not healed.is_empty():
        stored = [work.write(batch_id, Role.RAW, _as_raw(work, healed))]
        reached("replay.written")
    closed_by = f"reference {reference} changed (version {version})"
    left = mine.join(healed, on=quarantine.ROW, how="anti", maintain_order="left")
    with work.lease.write() as connection:
        if stored and not batches.exists(connection, batch_id):
            _register(work, connection, batch_id, case, healed, stored)
            quarantine.resolve(work.compiled, connection, healed, left, closed_by)
            reason = f"{healed.height} rows of {case.failure_mode}: {closed_by}"
            entries.append(connection, work.name, work.actor, "replayed", batch_id, reason)
        cases.tried(connection, case.id, reference, version)
    if stored:
        reached("replay.registered")
    return healed.height


def _still_broken(work: Work, rows: pl.DataFrame, failure_mode: str) -> pl.DataFrame:
    """The rows that break a rule of this failure mode today as well."""
    references = {name: ref.rows for name, ref in work.load_references().items()}
    raw = _as_raw(work, rows)
    verdict = work.compiled.contract.verify(raw, references=references, columns_of=None)
    rules = list(work.compiled.rules_of(failure_mode))
    is_broken = pl.col("_rules").list.eval(pl.element().is_in(rules)).list.any()
    return verdict.quarantine.filter(is_broken).select(quarantine.ROW)


def _as_raw(work: Work, rows: pl.DataFrame) -> pl.DataFrame:
    """Quarantined rows as they came in; rules over a whole arrival keep their verdict."""
    standing = [rule.id for rule in work.compiled.contract.rules if rule.is_about_arrival]
    kept = pl.col("_rules").list.eval(pl.element().filter(pl.element().is_in(standing)))
    return rows.with_columns(kept.alias("_standing")).drop("_rules", "_cause")


def _register(
    work: Work, connection: Any, batch_id: str, case: Row[Any], healed: pl.DataFrame, stored: Any
) -> None:
    compiled = work.compiled
    counts = dict(healed.group_by("_arrival", maintain_order=True).len().iter_rows())
    batches.pin_declaration(connection, work.name, compiled.fingerprint, compiled.pinned_routes())
    batches.create(
        connection,
        work.name,
        batch_id,
        kind=BatchKind.REPLAY,
        declaration_id=compiled.fingerprint,
        arrivals=counts,
        available_at=work.clock(),
        files=stored,
        case_id=case.id,
    )
