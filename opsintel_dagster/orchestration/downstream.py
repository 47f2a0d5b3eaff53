"""What waits for an outcome: the outcomes that build on it, receivers and their owners.

It is asked of the ledger, which knows the outcomes of every code location, each by the facts its
last drain has left there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from opsintel_dagster.ledger import bindings


@dataclass(frozen=True)
class Downstream:
    """Everything that a record of an outcome would have reached.

    `outcomes` begin with the outcome itself and are in the order of the flow; `receivers` are the
    places that its own and their routes deliver to, as `outcome.route`.
    """

    outcomes: tuple[str, ...] = ()
    receivers: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[str, ...] = ()

    def described(self) -> dict[str, str]:
        """The same in words, for tables."""
        said = {
            "outcomes": ", ".join(self.outcomes),
            "receivers": "; ".join(f"{name}: {place}" for name, place in self.receivers.items()),
            "owners": ", ".join(self.owners),
        }
        return {name: text for name, text in said.items() if text}


def downstream_of(connection: Connection, name: str) -> Downstream:
    """The outcome and all that follow it or look something up in what it delivers."""
    facts = {row.name: row.facts for row in bindings.all_bound(connection)}
    found = [name] if name in facts else []
    for known in found:  # grows while it is walked
        found += [one for one in facts if one not in found and _builds_on(facts[one], known)]
    receivers = {
        f"{outcome}.{route}": place
        for outcome in found
        for route, place in facts[outcome].get("receivers", {}).items()
    }
    owners = dict.fromkeys(facts[outcome]["owner"] for outcome in found)
    return Downstream(tuple(found), receivers, tuple(owners))


def _builds_on(facts: Mapping[str, object], name: str) -> bool:
    references = facts.get("references", ())
    return facts.get("follows") == name or (isinstance(references, list) and name in references)
