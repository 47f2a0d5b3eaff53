"""Opens the receiver of a route, as the outcome declares it now."""

from opsintel_dagster.errors import ReceiverError
from opsintel_dagster.handoff import Receiver, open_receiver
from opsintel_dagster.orchestration.compiled import Compiled
from opsintel_dagster.orchestration.installation import Installation


def open_route(installation: Installation, compiled: Compiled, route: str) -> Receiver:
    """The receiver of a route.

    Raises:
        ReceiverError: the declaration has no receiver for it any more.
        SettingsError: its address comes from a variable that is not set.
    """
    spec = compiled.outcome.handoff.get(route)
    if spec is None:
        reason = (
            f"outcome {compiled.name} no longer declares a receiver `{route}` in its handoff; "
            "declare it again, route and receiver, until what was routed to it is delivered"
        )
        raise ReceiverError(route, reason)
    return open_receiver(spec, root=installation.settings.root, outcome=compiled.name, route=route)
