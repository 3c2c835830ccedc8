"""Signs webhook requests according to version 1 of the Standard Webhooks specification.

The signature is the HMAC-SHA256 of ``{id}.{timestamp}.{body}``. If a webhook has two secrets, the
header has one signature for each secret.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from hashlib import blake2b, sha256

from floorcast.model.token import TICKS_PER_SECOND

__all__ = ["message_id", "signature", "signature_headers", "signing_key"]

WHSEC_PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """Return the key in a secret, which is ``whsec_`` followed by base64. Raises ValueError."""
    if not secret.startswith(WHSEC_PREFIX):
        raise ValueError(f"a secret must start with {WHSEC_PREFIX}")
    text = secret.removeprefix(WHSEC_PREFIX)
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def signature(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``. ``timestamp`` is in seconds since the epoch."""
    head = f"{message_id}.{timestamp}.".encode()
    signatures = []
    for key in keys:
        mac = hmac.new(key, head, sha256)
        mac.update(body)
        signatures.append("v1," + base64.b64encode(mac.digest()).decode())
    return " ".join(signatures)


def message_id(client: int, name: str, first: str, last: str) -> str:
    """Return the ``webhook-id`` of a batch from ``first`` to ``last``.

    It is the same for every attempt to send the batch.
    """
    text = f"{client} {name} {first} {last}".encode()
    return "msg_" + blake2b(text, digest_size=16).hexdigest()


def signature_headers(keys: list[bytes], message: str, now: int, body: bytes) -> dict[str, str]:
    """Return the Standard Webhooks headers of a request sent at ``now``, in ticks."""
    timestamp = now // TICKS_PER_SECOND
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(keys, message, timestamp, body),
    }
