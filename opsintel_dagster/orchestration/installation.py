"""One installation: its settings, its ledger and its store, opened together and closed together."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from opsintel_dagster.ledger import Ledger
from opsintel_dagster.settings import Settings
from opsintel_dagster.store import Store


@dataclass(frozen=True)
class Installation:
    """What all outcomes of one operation share.

    Opening touches nothing; the ledger is connected to and migrated when a drain begins.
    """

    settings: Settings
    ledger: Ledger
    store: Store

    @classmethod
    def open(cls, settings: Settings | None = None) -> Self:
        """The installation that `settings` describe; by default those of the environment.

        Raises:
            SettingsError: the environment is garbled.
        """
        settings = settings or Settings.from_env()
        return cls(settings, Ledger(settings.ledger_url), Store(settings.store_url))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ledger.close()
