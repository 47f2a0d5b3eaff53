"""`opsintel cases export`: the records of a case in a file for a spreadsheet."""

import shlex
from pathlib import Path

from opsintel_dagster.cli.casebook import find_case
from opsintel_dagster.cli.console import answers, write_json
from opsintel_dagster.cli.opened import opened_ledger
from opsintel_dagster.cli.wording import counted
from opsintel_dagster.errors import DecisionRefused
from opsintel_dagster.ledger import cases
from opsintel_dagster.ledger.cases import typed_name
from opsintel_dagster.orchestration import exports
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.settings import Settings


def export(name: str, file: Path, *, shows_personal_data: bool, as_json: bool) -> None:
    """Write all open records of a case, personal data masked.

    Raises:
        DecisionRefused: the file is there already: somebody may have edited it.
        LedgerError: there is no ledger yet.
        UnknownName: there is no such case.
        StoreError: a file the ledger names is missing.
    """
    settings = Settings.from_env()
    with opened_ledger(settings) as ledger, ledger.read() as connection:
        one = find_case(connection, name)
        case = cases.find(connection, one.case)
    if case is None or file.exists():
        why = f"{file} is there already, and somebody may have edited it; name another"
        raise DecisionRefused(one.name, why)
    hidden = () if shows_personal_data else one.pii
    with Installation.open(settings) as installation:
        try:
            count = exports.export(installation, case, file, hidden=hidden)
        except OSError as error:
            why = f"{file} cannot be written: {error.strerror or error}"
            raise DecisionRefused(one.name, why) from error
    if as_json:
        write_json({"case": one.case, "file": str(file), "records": count})
    else:
        command = f"opsintel cases resolve {typed_name(one.name, one.case)}"
        answers().print(
            f"{counted(count, 'record')} of {one.name} in {file}. Edit their cells, then: "
            f"{command} --file {shlex.quote(str(file))}",
            soft_wrap=True,
        )
