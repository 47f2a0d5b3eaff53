"""Hiding passwords in texts that people, logs and the UI may see."""

import re

_CREDENTIALS = re.compile(r"(?<=://)(?P<user>[^/?#@:\s]*):[^/?#\s]*@")
_SECRET_OPTION = re.compile(r"(?i)([?&][^=&\s]*(?:passw|secret|token|key|sig)[^=&\s]*=)[^&#\s]*")


def mask(text: str) -> str:
    """Hide the password of every URL in a text, and URL options that are named like a secret."""
    return _SECRET_OPTION.sub(r"\1***", _CREDENTIALS.sub(r"\g<user>:***@", text))
