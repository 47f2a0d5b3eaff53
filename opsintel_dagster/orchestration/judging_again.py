"""Judges rows that lie in quarantine as they would be judged now.

The same verdict decides what a healed cause releases, what a decision would do, and what it does.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from opsintel_dagster.errors import OpsintelError
from opsintel_dagster.ledger import arrivals
from opsintel_dagster.orchestration.amending import AmendedRows, with_marks
from opsintel_dagster.orchestration.causes import FAILURE_MODE, GROUP, TAIL, with_causes_now
from opsintel_dagster.orchestration.compiled import HOLDING_RULES, TOLERANCE, Compiled
from opsintel_dagster.orchestration.crashing import verdict_of
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.references import References
from opsintel_dagster.orchestration.symptoms import held_for
from opsintel_dagster.outcome import SYMPTOM_RULES
from opsintel_dagster.outcome.names import CRASHED, KEY_REPEAT, REFUSED_RULE, UNROUTED
from opsintel_dagster.verification import Verdict

RECORD: Final = ["_arrival", "_row"]
ACCEPTED: Final = "_accepted"
NOW: Final = "_now"
DRIFT: Final = SYMPTOM_RULES["drift"]
_RULES: Final = pl.List(pl.String)
_NO_RULES: Final = pl.lit([], dtype=_RULES)


@dataclass(frozen=True)
class JudgingAgain:
    """One look at rows of quarantine, by the declaration and the references of now."""

    compiled: Compiled
    installation: Installation
    references: Mapping[str, pl.DataFrame]
    broken: Mapping[str, int] | None = None
    """Of arrivals that are held by their share of bad rows: how many are bad, over all parts."""

    @classmethod
    def now(
        cls, compiled: Compiled, installation: Installation, references: References | None = None
    ) -> "JudgingAgain":
        """With the references as they are.

        Raises:
            ReferenceDown: one of them is not to be trusted now.
        """
        loaded = (references or References(installation)).of_contract(compiled)
        return cls(compiled, installation, {name: one.rows for name, one in loaded.items()})

    def judge(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add `_now`, the rules a row breaks now (none: it passes), and `_route`, where it goes."""
        return self._with_tolerance(self._judged(rows))

    def _judged(self, rows: pl.DataFrame) -> pl.DataFrame:
        raw = as_raw(self.compiled, rows)
        verdict, crashing, amended = self._verdict(raw)
        valid = with_marks(verdict.valid, amended.marks())
        routed = self.compiled.table.route(valid).select(*RECORD, "_route")
        broken = [
            verdict.quarantine.select(*RECORD, pl.col("_rules").alias(NOW)),
            _all_break(crashing, CRASHED),
            _all_break(routed.filter(pl.col("_route").is_null()), UNROUTED),
        ]
        judged = (
            rows.drop(NOW, "_route", strict=False)
            .join(pl.concat(broken), on=RECORD, how="left", maintain_order="left")
            .join(routed, on=RECORD, how="left", maintain_order="left")
            .with_columns(pl.col(NOW).fill_null(_NO_RULES))
        )
        return self._with_standing(judged)

    def over(self, parts: Iterable[pl.DataFrame]) -> "JudgingAgain":
        """The same, for rows that are judged in these parts: a share is one of all of them."""
        broken: Counter[str] = Counter()
        for rows in parts:
            held = rows.filter(pl.col("_rules").list.contains(TOLERANCE))
            if not held.is_empty():
                broken.update(_broken(self._judged(held)))
        return replace(self, broken=broken)

    def leaving(self, judged: pl.DataFrame, failure_mode: str) -> pl.DataFrame:
        """Those of the judged rows that are no longer this case's: they pass, or are another's."""
        files: Mapping[str, str] = {}
        if self.compiled.per_of(failure_mode) == "file":
            with self.installation.ledger.read() as connection:
                files = arrivals.names(connection, judged["_arrival"].unique().to_list())
        now = with_causes_now(self.compiled, judged, NOW, files)
        own = pl.col(GROUP).fill_null("") if GROUP in judged.columns else pl.lit("")
        was_held, is_held = (_among(name, HOLDING_RULES).list.len() > 0 for name in ("_rules", NOW))
        leaves = now.select(
            pl.col(FAILURE_MODE).is_null()
            | (pl.col(FAILURE_MODE) != failure_mode)
            | (pl.col(GROUP) != judged.select(own.alias(GROUP))[GROUP])
            | (was_held & ~is_held)
        ).to_series()
        return judged.filter(leaves)

    def _verdict(self, raw: pl.DataFrame) -> tuple[Verdict, pl.DataFrame, AmendedRows]:
        """The verdict over the rows that can be judged, and those over which it breaks down."""
        amended = self._amended(raw)

        def judge(some: pl.DataFrame) -> Verdict:
            return self.compiled.contract.verify(
                some, references=self.references, columns_of=amended.columns_of
            )

        try:
            return (*verdict_of(amended.rows, judge), amended)
        except OpsintelError:
            raise
        except Exception:  # noqa: BLE001  # it is about all of them: none can be judged
            return judge(amended.rows.clear()), raw, amended

    def amended(self, rows: pl.DataFrame) -> AmendedRows:
        """How rows of quarantine are amended before they are judged."""
        return self._amended(as_raw(self.compiled, rows))

    def _amended(self, raw: pl.DataFrame) -> AmendedRows:
        ids = raw["_arrival"].unique().to_list()
        with self.installation.ledger.read() as connection:
            brought = arrivals.columns_of(connection, ids)
        return self.compiled.amending.apply(raw, brought)

    def _with_standing(self, judged: pl.DataFrame) -> pl.DataFrame:
        """Add the rules that no verdict over rows repeats, where they still hold."""
        outcome = self.compiled.outcome
        standing = [*outcome.symptoms.holding().values()]
        standing += [KEY_REPEAT] if outcome.repeats == "hold" else []
        kept = _less_accepted(judged, _among("_rules", standing))
        explained = self._without_drift(judged)
        if explained:
            others = _less(kept, DRIFT)
            kept = pl.when(pl.col("_arrival").is_in(explained)).then(others).otherwise(kept)
        return judged.with_columns(pl.concat_list(kept, NOW).alias(NOW))

    def _with_tolerance(self, judged: pl.DataFrame) -> pl.DataFrame:
        """Hold the rows of arrivals of which still too large a share is bad."""
        broken = self.broken if self.broken is not None else _broken(judged)
        if not broken:
            return judged
        with self.installation.ledger.read() as connection:
            records = arrivals.records_of(connection, list(broken))
        limit = self.compiled.outcome.tolerance
        beyond = [
            arrival
            for arrival, count in broken.items()
            if records.get(arrival) and count / records[arrival] > limit
        ]
        is_held = pl.col("_arrival").is_in(beyond) & _is_held_by_tolerance(judged)
        named = pl.concat_list(pl.lit([TOLERANCE], dtype=_RULES), NOW)
        return judged.with_columns(pl.when(is_held).then(named).otherwise(pl.col(NOW)).alias(NOW))

    def _without_drift(self, judged: pl.DataFrame) -> list[str]:
        """Arrivals held for columns that have been renamed since."""
        renames = self.compiled.amending.renames
        if not renames:
            return []
        ids = judged.filter(pl.col("_rules").list.contains(DRIFT))["_arrival"].unique().to_list()
        with self.installation.ledger.read() as connection:
            found = arrivals.symptoms_of(connection, ids)
        return [one for one, said in found.items() if DRIFT not in held_for(said, renames)]


def _is_held_by_tolerance(rows: pl.DataFrame) -> pl.Expr:
    is_accepted = _accepted_of(rows).list.contains(TOLERANCE)
    return pl.col("_rules").list.contains(TOLERANCE) & ~is_accepted


def _broken(judged: pl.DataFrame) -> dict[str, int]:
    """How many rows are bad of each arrival that is held by their share."""
    held = judged.filter(_is_held_by_tolerance(judged))
    is_bad = pl.col(NOW).list.len() > 0
    return dict(held.group_by("_arrival").agg(is_bad.sum()).iter_rows())


def as_raw(compiled: Compiled, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of quarantine as they came in; rules over a whole arrival keep their verdict.

    What a receiver or a check that broke down said of them is no property of the rows.
    """
    standing = [rule.id for rule in compiled.contract.rules if rule.is_about_arrival]
    kept = _less_accepted(rows, _among("_rules", standing))
    raw = rows.with_columns(kept.alias("_standing"))
    if "_problem" in raw.columns:
        said = pl.col("_rules").list.contains(REFUSED_RULE)
        said |= pl.col("_rules").list.contains(CRASHED)
        raw = raw.with_columns(pl.when(~said).then("_problem").alias("_problem"))
    return raw.drop("_rules", FAILURE_MODE, GROUP, TAIL, NOW, "_route", strict=False)


def accepted_in(raw: pl.DataFrame, rule: str) -> pl.DataFrame:
    """The rows, by `_arrival` and `_row`, that somebody has accepted in spite of the rule."""
    if ACCEPTED not in raw.columns:  # Polars 2.1 fails on a filter of many rows by a mere literal
        return raw.clear().select(RECORD)
    return raw.filter(_accepted_of(raw).list.contains(rule)).select(RECORD)


def _all_break(rows: pl.DataFrame, rule: str) -> pl.DataFrame:
    return rows.select(*RECORD, pl.lit([rule], dtype=_RULES).alias(NOW))


def _among(column: str, rules: Collection[str]) -> pl.Expr:
    return pl.col(column).list.eval(pl.element().filter(pl.element().is_in(list(rules))))


def _less(rules: pl.Expr, rule: str) -> pl.Expr:
    return rules.list.set_difference(pl.lit([rule], dtype=_RULES))


def _accepted_of(rows: pl.DataFrame) -> pl.Expr:
    return pl.col(ACCEPTED).fill_null(_NO_RULES) if ACCEPTED in rows.columns else _NO_RULES


def _less_accepted(rows: pl.DataFrame, rules: pl.Expr) -> pl.Expr:
    if ACCEPTED not in rows.columns:
        return rules
    return rules.list.set_difference(_accepted_of(rows))
