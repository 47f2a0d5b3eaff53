r"""Drain an outcome on files of your own, for your own CI.

It is the real drain, from reading the files to confirming what was delivered, in an installation
of its own: a SQLite ledger and a local store in a temporary folder. Receivers are replaced by
tables and folders in there, so no URL of yours is needed and nothing of yours is touched.

    files = {"day1.csv": "parcel,depot\nP1,HAM\n"}
    drained = drain(parcels, files, references={"depots": pl.DataFrame({"code": ["HAM"]})})
    assert drained.delivered["gate"]["parcel"].to_list() == ["P1"]
    assert drained.quarantine.is_empty() and drained.conservation.holds
"""

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

import polars as pl

from opsintel_dagster.errors import SettingsError
from opsintel_dagster.ingestion.folder import Pattern
from opsintel_dagster.ledger import arrivals, batches, bindings, case_listing
from opsintel_dagster.ledger.arrivals import ArrivalState, NewArrival
from opsintel_dagster.ledger.batches import BatchKind, Role
from opsintel_dagster.ledger.ids import stable_id
from opsintel_dagster.orchestration.compiled import Compiled, compile_outcomes
from opsintel_dagster.orchestration.drain import Drain, DrainReport
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.orchestration.quarantine_report import open_cases_of
from opsintel_dagster.orchestration.reading import closed_rows, read
from opsintel_dagster.orchestration.reports import Conservation, OpenCase
from opsintel_dagster.outcome import (
    NOWHERE,
    FilesSource,
    Outcome,
    ReceiverSpec,
    TableReceiver,
    resolve,
)
from opsintel_dagster.settings import Settings
from opsintel_dagster.verification import Contract

__all__ = ["Content", "Drained", "declared", "drain"]

Content: TypeAlias = str | bytes | Path | pl.DataFrame
"""What is in a file: text, bytes, a file to copy, or rows to write in the format of its name."""

LOCATION: Final = "opsintel_dagster.testing"
INBOX: Final = "inbox"
_WRITERS: Final[Mapping[str, Callable[[pl.DataFrame, Path], object]]] = {
    ".csv": pl.DataFrame.write_csv,
    ".parquet": pl.DataFrame.write_parquet,
    ".jsonl": pl.DataFrame.write_ndjson,
    ".ndjson": pl.DataFrame.write_ndjson,
}


def drain(
    outcome: Outcome | Compiled,
    files: Mapping[str, Content],
    *,
    references: Mapping[str, pl.DataFrame] | None = None,
    root: Path | None = None,
) -> "Drained":
    """Drain an outcome on these files, and look at what came of them.

    Args:
        outcome: The outcome, as declared. Its files need not settle; records of an upstream
            source are given as files, too, best as data frames under names like `one.parquet`.
        files: What arrives, by name; in this order.
        references: What each outcome that rules refer to has delivered.
        root: Where to do it; by default a temporary folder that goes away with the result.

    Raises:
        DeclarationError: the outcome is wrong.
        ValueError: a name that the outcome's source would never look at, or no reference for a
            rule that needs one.
    """
    drained = Drained(outcome, references or {}, root)
    drained.drop(files)
    drained.drain()
    return drained


def declared(name: str, *, module: str | None = None, root: Path | None = None) -> Compiled:
    """An outcome of your definitions, to drain it as it is declared, be it in YAML.

    Args:
        name: The outcome's name.
        module: The module with the definitions; by default that of `[tool.dagster]` in
            pyproject.toml, or `definitions`.
        root: The project's folder; by default the current one.

    Raises:
        UnknownName: the module declares no such outcome.
        DeclarationError: a declaration is wrong.
        SettingsError: there is no such module.
    """
    # Loading definitions imports Dagster; who has the outcome at hand need not wait for that.
    from opsintel_dagster.orchestration.declarations import load_outcome  # noqa: PLC0415

    return load_outcome((root or Path.cwd()).resolve(), name, module)


class Drained:
    """An outcome with an installation of its own; `drop` more files and `drain` again at will.

    Attributes:
        outcome: The outcome, its source and receivers replaced.
        root: The folder it all lies in: `inbox/`, receivers, ledger and store.
        reports: One report a drain, in order.
    """

    def __init__(
        self,
        outcome: Outcome | Compiled,
        references: Mapping[str, pl.DataFrame],
        root: Path | None = None,
    ) -> None:
        if isinstance(outcome, Compiled):  # its decision table may have been read from a file
            outcome = outcome.outcome.model_copy(update={"routes": outcome.routes})
        self._pattern = _pattern_of(outcome)
        self.root = root or Path(tempfile.mkdtemp(prefix="opsintel-testing-"))
        if root is None:
            weakref.finalize(self, shutil.rmtree, self.root, ignore_errors=True)
        (self.root / INBOX).mkdir(parents=True, exist_ok=True)
        self.settings = Settings.below(self.root)
        _refuse_missing(outcome, references)
        self.outcome = _replaced(outcome, self._pattern)
        [self._compiled] = compile_outcomes(
            [self.outcome], location=LOCATION, produced_elsewhere=references.keys()
        )
        self.reports: list[DrainReport] = []
        self._given: dict[str, str] = {}
        self._clock_ns = 0
        for name, rows in references.items():
            self.refer(name, rows)

    def drop(self, files: Mapping[str, Content]) -> None:
        """Put files into the inbox, the first one first; a name may come again.

        Raises:
            ValueError: the outcome's source would never look at a file of that name.
        """
        matcher = self._pattern.matcher()
        for name, content in files.items():
            if not (matcher.matches(name) and all(map(matcher.is_open, name.split("/")))):
                looked_for = f"the source of {self.outcome.name} looks for `{self._pattern.text}`"
                raise ValueError(f"{looked_for}, and would never see a file called `{name}`")
            path = self.root / INBOX / name
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(content, path)
            # What came first is read first, also where the clock of the disk is coarse.
            self._clock_ns = max(time.time_ns(), self._clock_ns + 1_000_000)
            os.utime(path, ns=(self._clock_ns, self._clock_ns))

    def refer(self, name: str, rows: pl.DataFrame) -> None:
        """Let another outcome have delivered these rows, and only these, from now on."""
        with Installation.open(self.settings) as installation:
            installation.ledger.migrate()
            self._given[name] = _deliver_reference(installation, name, rows, self._given.get(name))

    def drain(self) -> DrainReport:
        """Do all stages once: claim, verify, route, deliver, judge the promise."""
        with Installation.open(self.settings) as installation:
            report = Drain(self._compiled, installation, actor=LOCATION).run()
        self.reports.append(report)
        return report

    @property
    def delivered(self) -> dict[str, pl.DataFrame]:
        """What each receiver confirmed, by route: the contract's columns, typed."""
        routes = dict.fromkeys(route.to for route in self._compiled.routes)
        return {route: self._routed(route) for route in routes if route != NOWHERE}

    @property
    def no_action(self) -> pl.DataFrame:
        """Records routed to nobody on purpose: the contract's columns, typed."""
        return self._routed(NOWHERE)

    @property
    def verified(self) -> pl.DataFrame:
        """Records that keep the contract: `_arrival`, `_row`, `_line`, the contract's columns."""
        return read(self.outcome.name, "verified", settings=self.settings).collect()

    @property
    def quarantine(self) -> pl.DataFrame:
        """Records in quarantine now: raw values, `_rules`, and `_cause`, the failure mode."""
        return read(self.outcome.name, "quarantine", settings=self.settings).collect()

    @property
    def cases(self) -> tuple[OpenCase, ...]:
        """Open cases, the one with most records first."""
        with Installation.open(self.settings) as one, one.ledger.read() as connection:
            return open_cases_of(case_listing.listing(connection, [self.outcome.name]))

    @property
    def conservation(self) -> Conservation:
        """Where every record is after the last drain; assert that it `holds`."""
        law = self.reports[-1].promise.conservation
        if law is None:
            raise ValueError(f"the drain was {self.reports[-1].skipped}")
        return law

    def _routed(self, route: str) -> pl.DataFrame:
        columns = self._compiled.contract.columns
        with Installation.open(self.settings) as one, one.ledger.read() as connection:
            rows = closed_rows(one, connection, self.outcome.name)
            if not rows.collect_schema():
                return pl.DataFrame(schema=columns)
            return rows.filter(pl.col("_route") == route).select(*columns).collect()


def _pattern_of(outcome: Outcome) -> Pattern:
    """Which names the source looks at; of an upstream source, or a path not known here, all."""
    source = outcome.source
    if not isinstance(source, FilesSource):
        return Pattern("*")
    try:
        return Pattern.cut(resolve(source.path))[1]
    except SettingsError:
        return Pattern("*")


def _replaced(outcome: Outcome, pattern: Pattern) -> Outcome:
    """The outcome with its source and its receivers in the installation's folder."""
    place = {"path": f"{INBOX}/{pattern.text}", "settle": timedelta()}
    source = outcome.source
    if isinstance(source, FilesSource):
        source = source.model_copy(update=place)
    else:
        source = FilesSource(path=f"{INBOX}/{pattern.text}", settle=timedelta())
    handoff = {route: _receiver(route, spec) for route, spec in outcome.handoff.items()}
    return outcome.model_copy(update={"source": source, "handoff": handoff})


def _receiver(route: str, spec: ReceiverSpec) -> ReceiverSpec:
    """The same kind of receiver in the folder; databases that differ stay different ones."""
    if isinstance(spec, TableReceiver):
        database = stable_id("database", str(spec.url))[:8]
        url = f"sqlite:///receivers/{database}.db"
        return spec.model_copy(update={"url": url, "table": spec.table.replace(".", "_")})
    return spec.model_copy(update={"path": f"receivers/{route}"})


def _refuse_missing(outcome: Outcome, references: Mapping[str, pl.DataFrame]) -> None:
    uses = Contract.compile(outcome.contract, key=outcome.key).references
    missing = [use for use in uses if use.outcome not in references]
    if missing:
        example = f"{{{missing[0].outcome!r}: a data frame with {', '.join(missing[0].columns)}}}"
        named = ", ".join(dict.fromkeys(use.outcome for use in missing))
        raise ValueError(f"rules of {outcome.name} refer to {named}; give references={example}")


def _write(content: Content, path: Path) -> None:
    if isinstance(content, pl.DataFrame):
        writer = _WRITERS.get(path.suffix)
        if writer is None:
            raise ValueError(f"`{path.name}`: rows can be written to {', '.join(_WRITERS)} files")
        writer(content, path)
    elif isinstance(content, Path):
        shutil.copyfile(content, path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def _deliver_reference(
    installation: Installation, name: str, rows: pl.DataFrame, before: str | None
) -> str:
    """Write what an outcome has delivered: one closed batch, which corrects the one before."""
    now = datetime.now(UTC)
    arrival_id = stable_id("reference", name, now.isoformat())
    batch_id = stable_id("batch", name, arrival_id)
    number = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    routed = rows.with_columns(
        pl.lit(arrival_id).alias("_arrival"),
        number.alias("_row"),
        number.alias("_line"),
        pl.lit("given").alias("_route"),
        pl.lit("given").alias("_route_rule"),
    )
    stored = installation.store.write(name, batch_id, Role.ROUTED, routed)
    arrival = NewArrival(
        id=arrival_id,
        name=f"{name}.given",
        identity=arrival_id,
        state=ArrivalState.BATCHED,
        content=stored.sha256,
        size=stored.bytes,
        mark=arrival_id,
        records=rows.height,
        columns=tuple(rows.columns),
        available_at=now,
        supersedes=before,
    )
    with installation.ledger.write() as connection:
        bindings.bind(connection, name, LOCATION, "given", _facts(rows))
        arrivals.register(connection, name, [arrival], None)
        batches.pin_declaration(connection, name, "given", [])
        batches.create(
            connection,
            name,
            batch_id,
            kind=BatchKind.ARRIVALS,
            declaration_id="given",
            arrivals={arrival_id: rows.height},
            available_at=now,
            files=[],
        )
        batches.add_files(connection, batch_id, Role.ROUTED, [stored])
        batches.close(connection, name, batch_id, now)
        if before is not None:
            arrivals.settle(connection, [before], arrival_id)
    return arrival_id


def _facts(rows: pl.DataFrame) -> dict[str, object]:
    """What a declared outcome would have told the ledger about itself."""
    return {
        "promise": "Given to a test.",
        "owner": "team:testing",
        "within_seconds": timedelta(days=1).total_seconds(),
        "cost_per_hour": 0.0,
        "key": [],
        "pii": [],
        "columns": rows.columns,
        "routes": ["given"],
        "failure_modes": {},
        "references": [],
        "takes_corrections": True,
    }
