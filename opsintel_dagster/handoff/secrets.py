"""Keeps passwords out of everything that people or logs get to see."""

import re
from typing import Final

from sqlalchemy.engine import URL

SECRET_NAME: Final = re.compile(r"passw|secret|token|credential|(^|_)key$", re.IGNORECASE)
MASK: Final = "***"


def masked_url(url: URL) -> str:
    """A database URL without its password, whether that stands before the host or in the query."""
    query = {name: MASK if SECRET_NAME.search(name) else value for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def secrets_of(url: URL) -> tuple[str, ...]:
    """Every text in a database URL that must not be shown."""
    found = [str(url.password)] if url.password else []
    for name, value in url.query.items():
        if SECRET_NAME.search(name):
            found += [value] if isinstance(value, str) else value
    return tuple(secret for secret in found if secret)


def scrubbed(text: str, secrets: tuple[str, ...]) -> str:
    """`text` with every secret replaced."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
