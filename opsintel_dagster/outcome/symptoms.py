"""Batch symptoms: what happens to an arrival that as a whole does not look like those before it."""

from typing import Final, Literal, TypeAlias

from opsintel_dagster.outcome.declared import Declared

Consequence: TypeAlias = Literal["warn", "hold"]

SYMPTOM_RULES: Final = {
    "drift": "arrival.drift",
    "volume": "arrival.volume",
    "null_rate": "arrival.null_rate",
}
"""Each symptom and the rule that rows of an arrival break which is held for it."""


class Symptoms(Declared):
    """Whether an arrival with a symptom goes on with a warning, or is held as a whole.

    Attributes:
        drift: Its columns are not those of the contract and of the arrival before.
        volume: It has far more or fewer records than arrivals have.
        null_rate: A column of the contract is empty far more or less often than it is.
    """

    drift: Consequence = "warn"
    volume: Consequence = "warn"
    null_rate: Consequence = "warn"

    def holding(self) -> dict[str, str]:
        """The symptoms for which an arrival is held, each with its rule."""
        return {name: rule for name, rule in SYMPTOM_RULES.items() if getattr(self, name) == "hold"}
