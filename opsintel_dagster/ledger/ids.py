"""Deterministic ids: hashes of what a thing is about, so that doing it twice names it the same."""

import hashlib
import json


def stable_id(kind: str, *parts: object) -> str:
    """32 hex digits (128 bits) of the SHA-256 over `kind` and the JSON of `parts`."""
    text = json.dumps([kind, *parts], ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
