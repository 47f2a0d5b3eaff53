"""Equal rows of an input that is read in parts.

Before anything is split the compared columns are read, and each row's hash is kept: eight bytes.
Rows whose hash is not theirs alone are suspects, and presumed to be equal. While the input is split
the values of the suspects are kept; at its end those decide. Should they say otherwise (two
different rows had one hash), the input is split once more, by what is then known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO

import polars as pl

from opsintel_dagster.verification.batch_verification import Prepared
from opsintel_dagster.verification.compiled import Compared
from opsintel_dagster.verification.judging import Judge
from opsintel_dagster.verification.uniqueness import HashRows, exactly_repeated, shared


@dataclass(slots=True)
class Suspects:
    """The rows that share the hash of some columns with another row, by position."""

    columns: tuple[str, ...]
    report: str
    at: pl.Series
    numbers: pl.Series
    """Their record numbers, or what has the same order."""
    repeated: pl.Series
    """Those of `at` that are condemned."""
    is_confirmed: bool = False
    _seen: list[bytes] = field(default_factory=list)

    def see(self, prepared: Prepared, mask: pl.Series) -> None:
        """Keep the values of the suspects among the judged rows of a part."""
        if not self.is_confirmed and mask.any():
            # A few texts kept as a frame would keep all texts of the part in memory.
            self._seen.append(_values(prepared, self.columns).filter(mask).serialize())

    def forget(self) -> None:
        """Whatever was seen, all will be seen again."""
        self._seen.clear()

    def confirm(self) -> bool:
        """Let the values decide; returns whether the presumption was right."""
        presumed = self.repeated
        if not self.is_confirmed and self._seen:
            values = pl.concat(pl.DataFrame.deserialize(BytesIO(part)) for part in self._seen)
            mask = exactly_repeated(values, self.numbers, self.report)
            self.repeated = self.at.filter(mask)
        self.is_confirmed = True
        self.forget()
        return len(self.repeated) == len(presumed)


class Hashes:
    """The hashes of some columns, part after part."""

    def __init__(self, compared: Mapping[Compared, tuple[str, ...]], hashed: HashRows) -> None:
        self.compared = compared
        self._hashed = hashed
        self._hashes: dict[Compared, list[pl.Series]] = {key: [] for key in compared}
        self._numbers: list[pl.Series] = []

    def add(self, prepared: Prepared) -> None:
        """Hash the rows of the next part."""
        for key, columns in self.compared.items():
            self._hashes[key].append(self._of(prepared, columns))
        if any(report != "all" for _, report in self.compared):
            self._numbers.append(prepared.raw.get_column("_row"))

    def _of(self, prepared: Prepared, columns: tuple[str, ...]) -> pl.Series:
        """One hash for each row of the part, null for rows that are not compared."""
        values = _values(prepared, columns)
        mask = Judge(prepared.rows, {}).taking_part(columns)
        at = None if prepared.unjudged is None else prepared.unjudged.is_null().arg_true()
        if mask is not None:
            values = values.filter(mask)
            at = mask.arg_true() if at is None else at.filter(mask)
        hashes = self._hashed(values)
        if at is None:
            return hashes
        nothing = pl.Series([None], dtype=hashes.dtype).new_from_index(0, prepared.raw.height)
        return nothing.scatter(at, hashes)

    def suspects(self) -> dict[Compared, Suspects]:
        """The rows that share a hash; the hashes are given up."""
        order = pl.concat(self._numbers, rechunk=False) if self._numbers else None
        found = {}
        for key, columns in self.compared.items():
            hashes = pl.concat(self._hashes.pop(key), rechunk=False)
            at = hashes.is_in(shared(hashes).implode()).arg_true()
            numbers = at if order is None else order.gather(at)
            mask = exactly_repeated(hashes.gather(at).to_frame(), numbers, key[1])
            found[key] = Suspects(columns, key[1], at, numbers, at.filter(mask))
        return found


def _values(prepared: Prepared, columns: tuple[str, ...]) -> pl.DataFrame:
    frame = prepared.rows.frame[list(columns)]
    # Categories are numbered by each part on its own.
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.Categorical]
    return frame.with_columns(pl.col(texts).cast(pl.String)) if texts else frame
