"""Hands rows to those who act on them, and makes sure that they are there."""

from opsintel_dagster.handoff.database_receiver import DatabaseReceiver
from opsintel_dagster.handoff.folder_receiver import FolderReceiver
from opsintel_dagster.handoff.opening import open_receiver
from opsintel_dagster.handoff.receiver import (
    Confirmation,
    Delivery,
    Guarantee,
    Json,
    Receipt,
    Receiver,
)

__all__ = [
    "Confirmation",
    "DatabaseReceiver",
    "Delivery",
    "FolderReceiver",
    "Guarantee",
    "Json",
    "Receipt",
    "Receiver",
    "open_receiver",
]
