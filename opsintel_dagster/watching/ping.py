"""Calls a dead-man URL: whoever stops hearing from us knows that nobody watches any more."""

from opsintel_dagster.watching.quiet import overhearing

PING_WITHIN_SECONDS = 5.0


def ping(url: str, timeout: float = PING_WITHIN_SECONDS) -> str | None:
    """Call the URL; None if it answered well, else why not, in words without secrets.

    Never raises: that nobody outside listens must not keep us from watching.
    """
    with overhearing():
        try:
            import requests  # noqa: PLC0415  # a tick that pings nobody does not pay for it

            with requests.get(url, timeout=timeout, stream=True) as answer:
                if answer.status_code >= 400:
                    return f"it answered {answer.status_code}"
        except Exception as error:  # noqa: BLE001  # the text of any of them may hold the URL
            return f"{type(error).__name__}, no answer within {timeout:g} s or none at all"
    return None
