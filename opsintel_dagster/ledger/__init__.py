"""What happened: arrivals, batches, cases, receipts, decisions and touches, in one database."""

from opsintel_dagster.ledger.connection import Ledger
from opsintel_dagster.ledger.lease import HeldBy, Lease, hold

__all__ = ["HeldBy", "Lease", "Ledger", "hold"]
