"""What verifying a table in its engine found: two expressions, and how to write them there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import ibis

from opsintel_dagster.verification.verdict import Counted, WrittenVerdict, most_frequent_first

RULES: Final = "_rules"
_ROWS: Final = "rows"


@dataclass(frozen=True, slots=True)
class EngineVerdict(Counted):
    """Every row of the table, in one of two expressions over it.

    Nothing has been computed yet: each expression, and each count, is one query when it is asked
    for. `into` computes both sides from one look at the table.
    """

    flagged: ibis.Table
    """The rows with `_rules`, null where none is broken; what else is in it is internal."""
    raw: tuple[str, ...]
    typed: Mapping[str, str]
    """Columns of the valid side to those of `flagged`."""
    warns: Mapping[str, str]
    """Warning rules to the columns of `flagged` that say who breaks them."""
    held: tuple[str, ...]
    """The rules because of which the table as a whole is in quarantine."""
    hold_reasons: tuple[str, ...]
    references: Mapping[str, str]

    @property
    def valid(self) -> ibis.Table:
        """`_row` and `_line`, where the table has them, and the contract's columns, typed."""
        return self._valid_of(self.flagged)

    @property
    def quarantine(self) -> ibis.Table:
        """The columns of the table and `_rules`: the rules broken, in the contract's order."""
        return self._quarantine_of(self.flagged)

    def warnings(self) -> dict[str, int]:
        """How many rows go on although they break a warning rule; one query."""
        return self._warned_in(self.flagged)

    def cooccurrence_counts(self) -> dict[tuple[str, ...], int]:
        """How many quarantined rows break exactly this set of rules; one query."""
        sets = self._sets_of(self.flagged)
        sets.pop((), None)
        return most_frequent_first(sets)

    def into(
        self, valid: str, quarantine: str, *, overwrite: bool = False
    ) -> WrittenVerdict[ibis.Table]:
        """Write both sides as tables of the engine; only counts leave it.

        The table is read once, into a temporary table that both sides and all counts are taken
        from: so each row is on one side even if somebody writes to the table meanwhile.

        Args:
            valid: The name of the table for rows that keep the contract.
            quarantine: The name of the one for those that do not.
            overwrite: Replace tables of those names; otherwise the engine refuses.
        """
        engine: Any = self.flagged.get_backend()
        name = f"opsintel_{uuid4().hex}"
        written: list[str] = []
        once = engine.create_table(name, self.flagged, temp=True)
        try:
            good = engine.create_table(valid, self._valid_of(once), overwrite=overwrite)
            written.append(valid)
            bad = engine.create_table(quarantine, self._quarantine_of(once), overwrite=overwrite)
            written.append(quarantine)
            sets = self._sets_of(once)
            warned = self._warned_in(once)
        except BaseException:
            for each in written:  # one side alone would look like all rows
                engine.drop_table(each, force=True)
            raise
        finally:
            engine.drop_table(name, force=True)
        valid_rows = sets.pop((), 0)
        return WrittenVerdict(
            valid=good,
            quarantine=bad,
            valid_rows=valid_rows,
            quarantine_rows=sum(sets.values()),
            held=self.held,
            hold_reasons=self.hold_reasons,
            warned=warned,
            references=self.references,
            _sets=most_frequent_first(sets),
        )

    def _valid_of(self, flagged: ibis.Table) -> ibis.Table:
        good = flagged.filter(flagged[RULES].isnull())
        return good.select(**{name: good[at] for name, at in self.typed.items()})

    def _quarantine_of(self, flagged: ibis.Table) -> ibis.Table:
        bad = flagged.filter(flagged[RULES].notnull())
        return bad.select(*self.raw, RULES)

    @staticmethod
    def _sets_of(flagged: ibis.Table) -> dict[tuple[str, ...], int]:
        counted = flagged.group_by(RULES).aggregate(flagged.count().name(_ROWS))
        rows = counted.to_pyarrow().to_pylist()
        return {tuple(row[RULES] or ()): int(row[_ROWS]) for row in rows}

    def _warned_in(self, flagged: ibis.Table) -> dict[str, int]:
        if not self.warns:
            return {}
        good = flagged.filter(flagged[RULES].isnull())
        sums = good.aggregate(**{at: good[at].sum() for at in self.warns.values()})
        found = sums.to_pyarrow().to_pylist()[0]
        counts = {rule: int(found[at] or 0) for rule, at in self.warns.items()}
        return {rule: count for rule, count in counts.items() if count}
