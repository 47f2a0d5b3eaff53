"""`opsintel release`: free an outcome's name for another code location."""

import getpass

from opsintel_dagster.cli.console import answers, write_json
from opsintel_dagster.cli.opened import opened_ledger
from opsintel_dagster.ledger import bindings
from opsintel_dagster.settings import Settings


def release(outcome: str, *, as_json: bool) -> None:
    """Unbind the name; arrivals, batches and cases stay, and belong to whoever claims it next.

    Raises:
        LedgerError: there is no ledger yet.
        UnknownName: nobody has the name.
    """
    with opened_ledger(Settings.from_env()) as ledger, ledger.write() as connection:
        location = bindings.declared(connection, outcome).location
        bindings.release(connection, outcome, f"opsintel release ({user()})")
    if as_json:
        write_json({"outcome": outcome, "released_from": location})
    else:
        answers().print(
            f"{outcome} no longer belongs to {location}; the next code location that drains it "
            "has it",
            soft_wrap=True,
        )


def user() -> str:
    """Who is at the keyboard, for the ledger."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user often has no name
        return "a user without a name"
