"""Hiding passwords in texts that people, logs and the UI may see."""

import re

_CREDENTIALS = re.compile(r"(?<=://)(?P<user>[^/?#@:\s]*):[^/?#\s]*@")
_SECRET_OPTION = re.compile(r"(?i)([?&][^=&\s]*(?:passw|secret|token|key|sig)[^=&\s]*=)[^&#\s]*")

_HOSTED = re.compile(
    r"(?i)(?P<shown>(?:form|https?|json|xml)s?://[a-z0-9.-]+(?::[0-9]+)?)(?:[/?#][^@]*)?"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def mask(text: str) -> str:
    """Hide the password of every URL in a text, and URL options that are named like a secret."""
    return _SECRET_OPTION.sub(r"\1***", _CREDENTIALS.sub(r"\g<user>:***@", text))


def mask_url(url: str) -> str:
    """Show a URL of which any part may be a secret: its scheme, and its host if it surely is one.

    Webhooks and dead-man switches carry their secret in the path, many Apprise URLs in what looks
    like the host.
    """
    hosted = _HOSTED.fullmatch(url.strip())
    if hosted:
        return f"{hosted['shown']}/***"
    scheme = _SCHEME.match(url.strip())
    return f"{scheme[0] if scheme else ''}***"
