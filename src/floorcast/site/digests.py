"""Creates, hashes and names API tokens, ingest keys and session ids.

They are long and random, so a plain SHA-256 is enough. Passwords are neither long nor random, so
``floorcast.auth.passwords`` hashes them.
"""

from __future__ import annotations

import secrets
from hashlib import sha256

__all__ = ["FINGERPRINT_DIGITS", "digest", "fingerprint", "new_key"]

FINGERPRINT_DIGITS = 12  # hexadecimal digits; enough to distinguish keys, too few to reveal one


def new_key() -> str:
    """Return a new API token or ingest key of 256 random bits."""
    return secrets.token_hex(32)


def digest(key: str) -> str:
    """Return the digest of a key or session id, which is its SHA-256 in hexadecimal."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(key_digest: str) -> str:
    """Return a key's fingerprint, which is the first digits of its digest."""
    return key_digest[:FINGERPRINT_DIGITS]
