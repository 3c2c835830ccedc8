"""The secret that an installation's tokens use to hide their positions.

It is stored in the key-value store, so all nodes of a cluster have the same secret and every backup
includes it. Without the secret, tokens are still valid and are resolved by their time.
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
    """Return the installation's secret, creating it if there is none yet.

    Raises Unavailable if the store cannot be read or written.
    """
    while (secret := kv.get(BUCKET, KEY)) is None:
        new_secret = secrets.token_bytes(SECRET_BYTES)
        try:
            await kv.write([Item(BUCKET, KEY, new_secret)], [Item(BUCKET, KEY, None)])
        except Conflict:  # another node was first
            continue
    return secret
