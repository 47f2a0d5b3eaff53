"""How a message gets to people: one URL of Apprise, one answer."""

import threading
from dataclasses import dataclass
from typing import Final, Protocol

from opsintel_dagster.watching.quiet import overhearing, without_secrets

SEND_WITHIN_SECONDS: Final = 10.0


class Sender(Protocol):
    """Sends one message through one channel."""

    @property
    def within_seconds(self) -> float:
        """After how long a send is given up at the latest."""
        ...

    def send(self, url: str, title: str, body: str) -> str | None:
        """Send it; None if it was accepted, else why not, in words without secrets."""
        ...


@dataclass(frozen=True)
class AppriseSender:
    """Sends through whatever Apprise knows: Slack, e-mail, PagerDuty, Teams and many more.

    The timeouts of Apprise are for one connection; a service that makes several of them, or
    answers a byte at a time, is given up after `within_seconds`. Then it may have arrived.
    """

    within_seconds: float = SEND_WITHIN_SECONDS

    def send(self, url: str, title: str, body: str) -> str | None:
        """Send it; None if it was accepted, else why not, in words without secrets."""
        answers: list[str | None] = []
        thread = threading.Thread(
            target=lambda: answers.append(_through_apprise(url, title, body)),
            name="opsintel-notice",
            daemon=True,
        )
        thread.start()
        thread.join(self.within_seconds)
        if answers:
            return answers[0]
        return f"no answer within {self.within_seconds:g} s; it may have arrived"


def _through_apprise(url: str, title: str, body: str) -> str | None:
    with overhearing() as overheard:
        try:
            # Apprise takes a third of a second to import: only who sends pays it.
            from apprise import Apprise, NotifyFormat  # noqa: PLC0415

            channel = Apprise.instantiate(url)
            if channel is None:
                return "Apprise cannot use this URL; look its form up at appriseit.com"
            apprise = Apprise()
            apprise.add(channel)
            if apprise.notify(body=body, title=title, body_format=NotifyFormat.MARKDOWN):
                return None
        except Exception as error:  # noqa: BLE001  # plugins raise what they like
            return without_secrets(f"{type(error).__name__}: {error}", url)
    reason = overheard.said[-1] if overheard.said else "the channel did not accept it"
    return without_secrets(reason, url)
