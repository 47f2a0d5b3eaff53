"""How well contracts written from documented rules find what is wrong in real dirty data.

Two tables of which a clean twin is known. The contracts say the formats of the columns and the
functional dependencies that come with the data (`A` decides `B`: the value most rows of equal `A`
have). A cell counts as quarantined if a rule about it sent its row there.
"""

import re
from pathlib import Path

import pandera.polars as pa
import polars as pl

from opsintel_dagster.verification import Contract

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DIGITS = {"ProviderNumber": r"^\d{5,6}$", "ZipCode": r"^\d{5}$", "PhoneNumber": r"^\d{10}$"}
HOSPITAL = {**DIGITS, "State": r"^[a-z]{2}$", "EmergencyService": "^(yes|no)$"}
HOSPITAL |= {"Score": r"^(\d+%|empty)$", "Sample": r"^(\d+ patients|empty)$"}
BEERS = {"ounces": pl.Float64, "abv": pl.Float64, "ibu": pl.Float64, "brewery_id": pl.Int64}


def dependencies(path: Path) -> list[tuple[tuple[str, ...], str]]:
    """The columns that decide, and the one decided, of each line."""
    found = []
    for line in path.read_text(encoding="utf-8").split():
        decides = tuple(re.findall(r"&EQ\(t1\.(\w+),", line))
        found += [(decides, name) for name in re.findall(r"&IQ\(t1\.(\w+),", line)]
    return found


def decided(by: tuple[str, ...], name: str) -> pa.Check:
    """Each value is the one most rows have that agree in `by`."""
    usual = pl.col(name).mode().sort().first().over(by)
    return pa.Check(
        lambda data: data.lazyframe.select(pl.col(name) == usual), name=f"{'+'.join(by)}_{name}"
    )


def contract(folder: Path, header: list[str]) -> Contract:
    """The documented rules of one of the two tables."""
    checks: dict[str, list[pa.Check]] = {name: [] for name in header}
    for by, name in dependencies(folder / "dc_rules_holoclean.txt"):
        checks[name].append(decided(by, name))
    is_beers = "beer_name" in header
    for name, pattern in ({} if is_beers else HOSPITAL).items():
        checks[name].append(pa.Check.str_matches(pattern))
    columns = {
        name: pa.Column(
            BEERS.get(name, pl.String),
            checks[name],
            nullable=name not in {"id", "state", "brewery_id"},
        )
        for name in header
    }
    return Contract.compile(pa.DataFrameSchema(columns, name=folder.name))


def cells(folder: Path) -> tuple[set[tuple[int, str]], set[tuple[int, str]]]:
    """The cells that are wrong, and those that were quarantined."""
    dirty, clean = (
        pl.read_csv(folder / f"{kind}.csv", infer_schema=False).with_row_index("_row", offset=1)
        for kind in ("dirty", "clean")
    )
    header = [name for name in dirty.columns if name != "_row"]
    wrong = {
        (row, name)
        for name in header
        for row in (dirty[name].ne_missing(clean[name])).arg_true() + 1
    }
    compiled = contract(folder, header)
    judged = {rule.id: rule.columns[0] for rule in compiled.rules}
    verdict = compiled.verify(dirty.drop("_row"))
    found = {
        (row, judged[rule])
        for row, rules in verdict.quarantine.select("_row", "_rules").iter_rows()
        for rule in rules
    }
    return wrong, found


def quality() -> list[str]:
    """Precision and recall in Markdown; says so where the data is not there."""
    lines = ["## Real dirty data", "", "| | wrong cells | quarantined | precision | recall |"]
    lines.append("|---|---|---|---|---|")
    for name in ("clean_hospital", "clean_beers"):
        if not (DATA / name / "dirty.csv").exists():
            lines.append(f"| {name} | not here | | | |")
            continue
        wrong, found = cells(DATA / name)
        hit = len(wrong & found)
        lines.append(
            f"| {name} | {len(wrong):,} | {len(found):,} | {hit / max(len(found), 1):.2f} | "
            f"{hit / max(len(wrong), 1):.2f} |"
        )
    return [*lines, ""]


if __name__ == "__main__":
    print("\n".join(quality()))
