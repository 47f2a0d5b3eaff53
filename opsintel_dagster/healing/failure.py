"""A failure as it is classified, and the links of the chain of exceptions it was read from."""

from dataclasses import dataclass
from datetime import timedelta

from opsintel_dagster.healing.message_facts import facts_of
from opsintel_dagster.outcome.healing import FailureClass
from opsintel_dagster.outcome.masking import mask

LONGEST_REASON = 500


@dataclass(frozen=True)
class Link:
    """One exception of a chain.

    Attributes:
        paths: Its class path and those of its ancestors, as in its MRO; builtins without a
            prefix. A text knows the first of them only; empty where no exception is known.
        message: What it says.
        status: The HTTP status it carries or names, from 400 on.
        retry_after: How long the other side asked to wait.
        errno: The number the operating system gave.
        sqlstate: The code a database gave.
        is_final: It says of itself that trying again changes nothing, as
            `dagster.Failure(allow_retries=False)` does.
    """

    paths: tuple[str, ...]
    message: str
    status: int | None = None
    retry_after: timedelta | None = None
    errno: int | None = None
    sqlstate: str | None = None
    is_final: bool = False

    @property
    def name(self) -> str:
        """The bare name of its class; empty where no exception is known."""
        return self.paths[0].rpartition(".")[2] if self.paths else ""


@dataclass(frozen=True)
class Failure:
    """What a failure is.

    Attributes:
        failure_class: Decides whether and when it is tried again.
        reason: One line for people: the class name, the message; passwords of URLs masked.
        rule: Which rule decided, and where it stands.
        retry_after: How long the other side asked to wait.
    """

    failure_class: FailureClass
    reason: str
    rule: str
    retry_after: timedelta | None = None


def link_of_text(path: str | None, message: str) -> Link:
    """A link of which only the class path, if any, and the message are known."""
    facts = facts_of(message)
    return Link(
        (path,) if path else (),
        message,
        status=facts.status,
        retry_after=facts.retry_after,
        errno=facts.errno,
    )


def reason_of(link: Link) -> str:
    """The link in one line: its class name and the first line of what it says."""
    lines = mask(link.message).strip().splitlines()
    said = lines[0].strip() if lines else ""
    text = ": ".join(part for part in (link.name, said) if part)
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 1]}…"
