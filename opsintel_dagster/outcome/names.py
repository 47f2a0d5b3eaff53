"""Names and owners: what may stand in an identifier of a declaration, and which are taken."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

from opsintel_dagster.outcome.findings import refusal

NOWHERE: Final = "nowhere"
"""The route that is delivered to nobody, on purpose."""

UNMAPPED: Final = "unmapped"
"""The failure mode of rules no declared failure mode names."""

CONTROL_PREFIX: Final = "_"
"""Columns that begin so belong to the package; a contract has none of them."""

RESERVED_OUTCOMES: Final = frozenset({"opsintel"})

READABLE: Final = "readable"
REFUSED_RULE: Final = "refused"
IN_DOUBT: Final = "in_doubt"
CRASHED: Final = "crashed"
STOPPED: Final = "stopped"
KEY_UNIQUE: Final = "key.unique"
KEY_REPEAT: Final = "key.repeat"
UNROUTED: Final = "route.none"

RESERVED_RULES: Final = frozenset(
    {
        READABLE,
        "arrival.columns",
        "arrival.drift",
        "arrival.null_rate",
        "arrival.tolerance",
        "arrival.volume",
        KEY_UNIQUE,
        KEY_REPEAT,
        UNROUTED,
        REFUSED_RULE,
        IN_DOUBT,
        CRASHED,
        STOPPED,
    }
)
"""Rules every outcome has without writing them; failure modes may name them."""

OWN_MODES: Final = frozenset({REFUSED_RULE, IN_DOUBT, CRASHED, STOPPED})
"""Rules that are a failure mode of their own name, where no declared one names them."""

LONGEST_NAME: Final = 100
"""Names become asset keys, tags, file names and columns of the ledger."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TEAM = re.compile(r"team:[A-Za-z0-9_.-]+")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")


def _suggested_name(text: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text.strip())
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_").lstrip("0123456789_")


def _checked_name(text: str) -> str:
    if len(text) > LONGEST_NAME:
        raise refusal(
            f"`{text[:20]}…` has {len(text)} characters",
            f"write a name of at most {LONGEST_NAME}",
        )
    if _NAME.fullmatch(text):
        return text
    suggestion = _suggested_name(text)
    fix = "begin with a letter a-z, then use a-z, 0-9 and _"
    raise refusal(
        f"`{text}` is not a name",
        f"write `{suggestion}`" if suggestion else fix,
    )


def _checked_owner(text: str) -> str:
    if len(text) > LONGEST_NAME:
        raise refusal(
            f"`{text[:20]}…` has {len(text)} characters",
            f"write an owner of at most {LONGEST_NAME}",
        )
    if _TEAM.fullmatch(text) or _EMAIL.fullmatch(text):
        return text
    suggestion = re.sub(r"[^A-Za-z0-9_.-]+", "-", text.removeprefix("team:").strip()).strip("-")
    raise refusal(
        f"`{text}` is neither a team nor an e-mail address",
        f"write `team:{suggestion}` or an address such as `ops@example.com`"
        if suggestion
        else "write `team:<name>` or an address such as `ops@example.com`",
    )


Name = Annotated[str, AfterValidator(_checked_name)]
"""An identifier: `[a-z][a-z0-9_]*`."""

Owner = Annotated[str, AfterValidator(_checked_owner)]
"""Who answers for it: `team:<name>` or an e-mail address, as Dagster wants owners."""
