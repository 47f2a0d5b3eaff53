"""Records that lie in quarantine, with the file each came in."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from opsintel_dagster.ledger import arrivals, cases
from opsintel_dagster.orchestration.case_rows import CaseRows
from opsintel_dagster.orchestration.installation import Installation
from opsintel_dagster.settings import Settings


def open_records(settings: Settings, case_id: str, most: int) -> Iterator[dict[str, Any]]:
    """The first open rows of a case, each with the name of its file (`_file`).

    Raises:
        StoreError: a file the ledger names is missing.
    """
    with Installation.open(settings) as installation:
        with installation.ledger.read() as connection:
            case = cases.find(connection, case_id)
            if case is None:
                return
            parts = CaseRows.of(installation, connection, case)
        each = (row for part in parts for row in part.head(most).iter_rows(named=True))
        rows = list(islice(each, most))
        with installation.ledger.read() as connection:
            names = arrivals.names(connection, list({row["_arrival"] for row in rows}))
    for row in rows:
        yield {**row, "_file": names[row["_arrival"]]}
