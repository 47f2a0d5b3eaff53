"""Values that come from the environment when an outcome drains, never when it loads."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag

from opsintel_dagster.errors import SettingsError
from opsintel_dagster.outcome.declared import Declared
from opsintel_dagster.outcome.findings import refusal
from opsintel_dagster.outcome.masking import mask


def _checked_variable(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return name
    raise refusal(
        "this is not the name of an environment variable",
        "write the name alone, such as `DESK_URL`",
    )


class EnvValue(Declared):
    """A value read from an environment variable at the moment it is used.

    Only the name is ever shown: neither the value nor the default appears in texts or errors,
    because either may hold a password.
    """

    env: Annotated[str, AfterValidator(_checked_variable)]
    default: str | None = Field(default=None, repr=False)

    def resolve(self) -> str:
        """Read the variable now; an empty one counts as not set.

        Raises:
            SettingsError: It is not set and there is no default.
        """
        value = os.environ.get(self.env) or self.default
        if not value:
            state = "is empty" if self.env in os.environ else "is not set"
            raise SettingsError(
                self.env,
                f"the environment variable {state}",
                f"Set {self.env} where the outcome drains, or declare a `default`",
            )
        return value

    def __str__(self) -> str:
        return f"${self.env}"


def _text_or_variable(value: Any) -> str:
    return "<env>" if isinstance(value, Mapping | EnvValue) else "<text>"


def _checked_text(text: str) -> str:
    if not text.strip():
        raise refusal("this is empty", "write a value, or name a variable: `{env: NAME}`")
    return text


Resolvable: TypeAlias = Annotated[
    Annotated[str, AfterValidator(_checked_text), Tag("<text>")]
    | Annotated[EnvValue, Tag("<env>")],
    Discriminator(_text_or_variable),
]
"""A text, or `{env: NAME}`."""


def resolve(value: str | EnvValue) -> str:
    """Give the text of a value that may come from the environment.

    Raises:
        SettingsError: It comes from there and is not set.
    """
    return value.resolve() if isinstance(value, EnvValue) else value


def shown(value: str | EnvValue) -> str:
    """Give the text of a value that may be shown to anybody: a variable by name, URLs masked."""
    if isinstance(value, EnvValue):
        return str(value)
    return mask(value)
