"""The secret with which an installation's tokens hide their positions.

It is in the key-value store, so that all nodes of a cluster have the same one and every backup
includes it. Without it tokens are still valid, and resolved by their time.
"""

from __future__ import annotations

import secrets
from typing import Final

from floorcast.kv.port import Conflict, Item, KeyValueStore

__all__ = ["BUCKET", "token_secret"]

BUCKET: Final = "installation"
KEY: Final = "token-secret"
SECRET_BYTES = 32


async def token_secret(kv: KeyValueStore) -> bytes:
    """The installation's secret. It is created if there is none yet.

    Raises Unavailable if the store cannot be read or written.
    """
    while (found := kv.get(BUCKET, KEY)) is None:
        made = secrets.token_bytes(SECRET_BYTES)
        try:
            await kv.write([Item(BUCKET, KEY, made)], [Item(BUCKET, KEY, None)])
        except Conflict:  # another node was first
            continue
    return found
