"""Replays: rows whose cause is gone leave quarantine as a batch and take the one path again."""

from collections.abc import MutableMapping
from typing import Any

import polars as pl
from sqlalchemy import Row

from opsintel_dagster.crashpoints import reached
from opsintel_dagster.errors import LeaseLost, OpsintelError, ReferenceDown
from opsintel_dagster.ledger import arrivals, batches, cases, entries
from opsintel_dagster.ledger.batches import BatchKind, Role
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.orchestration import quarantine
from opsintel_dagster.orchestration.work import Work
from opsintel_dagster.store import together


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
        parts = quarantine.open_parts(work.installation, connection, work.name)
    mine = [part.filter(pl.col("_cause") == case.failure_mode) for part in parts]
    healed = [_healed(work, rows, case.failure_mode) for rows in mine if not rows.is_empty()]
    replayed = {_batch_id(work, case, version, rows): rows for rows in healed if rows.height}
    stored = {
        batch_id: [work.write(batch_id, Role.RAW, _as_raw(work, rows))]
        for batch_id, rows in replayed.items()
    }
    if stored:
        reached("replay.written")
    closed_by = f"reference {reference} changed (version {version})"
    with work.lease.write() as connection:
        new = [batch_id for batch_id in replayed if not batches.exists(connection, batch_id)]
        for batch_id in new:
            rows = replayed[batch_id]
            _register(work, connection, batch_id, case, rows, stored[batch_id])
            reason = f"{rows.height} rows of {case.failure_mode}: {closed_by}"
            entries.append(connection, work.name, work.actor, "replayed", batch_id, reason)
        if new:
            gone = together([replayed[batch_id].lazy() for batch_id in new]).collect()
            everything = together([rows.lazy() for rows in mine]).collect()
            left = everything.join(gone, on=quarantine.ROW, how="anti", maintain_order="left")
            quarantine.resolve(work.compiled, connection, gone, left, closed_by)
        cases.tried(connection, case.id, reference, version)
    if stored:
        reached("replay.registered")
    return sum(rows.height for rows in replayed.values())


def _batch_id(work: Work, case: Row[Any], version: str, rows: pl.DataFrame) -> str:
    """One batch for each set of types that the sources have brought the columns in."""
    types = {name: str(dtype) for name, dtype in rows.schema.items()}
    about = (case.id, case.episode, version, work.compiled.fingerprint, types)
    return stable_id("batch", work.name, "replay", *about)


def _healed(work: Work, rows: pl.DataFrame, failure_mode: str) -> pl.DataFrame:
    """The rows that break no rule of this failure mode today."""
    references = {name: ref.rows for name, ref in work.load_references().items()}
    with work.installation.ledger.read() as connection:
        columns = arrivals.columns_of(connection, rows["_arrival"].unique().to_list())
    raw = _as_raw(work, rows)
    verdict = work.compiled.contract.verify(raw, references=references, columns_of=columns)
    rules = list(work.compiled.rules_of(failure_mode))
    is_broken = pl.col("_rules").list.eval(pl.element().is_in(rules)).list.any()
    broken = verdict.quarantine.filter(is_broken)
    return rows.join(broken, on=quarantine.ROW, how="anti", maintain_order="left")


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
