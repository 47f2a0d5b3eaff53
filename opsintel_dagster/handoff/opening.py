"""From a receiver as declared to one that rows can be handed to."""

from pathlib import Path

from opsintel_dagster.handoff.database_receiver import DatabaseReceiver
from opsintel_dagster.handoff.folder_receiver import FolderReceiver
from opsintel_dagster.handoff.receiver import Receiver
from opsintel_dagster.outcome import ReceiverSpec, TableReceiver, resolve


def open_receiver(spec: ReceiverSpec, *, root: Path, outcome: str, route: str) -> Receiver:
    """Resolve environment variables and relative places; connects to nothing yet.

    Outcome and route are what errors call the declaration by.

    Raises:
        SettingsError: a variable is not set, or the URL is of no database or file system we know.
    """
    declared_at = f"{outcome}.handoff.{route}"
    if isinstance(spec, TableReceiver):
        return DatabaseReceiver(
            resolve(spec.url),
            spec.table,
            root=root,
            declared_at=declared_at,
            consumed=spec.consumed,
        )
    return FolderReceiver(resolve(spec.path), spec.format, root=root, declared_at=declared_at)
