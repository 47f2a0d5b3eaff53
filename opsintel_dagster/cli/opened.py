"""The ledger as commands find it: already there, or not yet."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row

from opsintel_dagster.errors import LedgerError
from opsintel_dagster.ledger import bindings
from opsintel_dagster.ledger.connection import Ledger
from opsintel_dagster.settings import LEDGER_VARIABLE, ROOT_VARIABLE, Settings


@contextmanager
def opened_ledger(settings: Settings) -> Iterator[Ledger]:
    """The ledger of these settings, for reading; never made by looking at it.

    Raises:
        LedgerError: there is none yet, or it cannot be reached.
    """
    with Ledger(settings.ledger_url) as ledger:
        if not ledger.exists():
            message = (
                f"there is no ledger at {ledger.address} yet; run `opsintel drain` or let Dagster "
                f"drain, or point {ROOT_VARIABLE} or {LEDGER_VARIABLE} to where it is"
            )
            raise LedgerError(message)
        yield ledger


def bound_outcomes(connection: Connection, names: Sequence[str]) -> list[Row[Any]]:
    """The outcomes with these names, in that order; all of them if no name is given.

    Raises:
        UnknownName: the ledger knows no outcome of one of the names.
    """
    if not names:
        return bindings.all_bound(connection)
    return [bindings.declared(connection, name) for name in dict.fromkeys(names)]
