"""The account of what happened: who changed which state, and why."""

from scenario import Operation
from sqlalchemy import select

from opsintel_dagster.ledger.tables import entry


def test_every_change_of_state_has_an_entry_that_says_who_and_why(operation: Operation) -> None:
    operation.begin()
    operation.drop("parcels", "again.csv", b"")
    operation.drain(actor="somebody")
    with operation.installation.ledger.read() as connection:
        rows = connection.execute(select(entry).where(entry.c.outcome == "parcels")).all()
    kinds = {row.kind for row in rows}
    assert {"claimed", "verified", "case", "routed", "intent", "closed", "unreadable"} <= kinds
    assert all(row.subject and row.reason for row in rows)
    assert {row.actor for row in rows if row.kind == "unreadable"} == {"somebody"}
