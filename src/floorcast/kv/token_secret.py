"""The secret of an installation under which tokens hide their positions.

It lies in the key-value store, so that all nodes of a cluster have the same one, and so that it is
in every backup. Without it tokens are still good: they are then taken by their time.
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
    """The installation's secret, which is created if there is none yet.

    Raises Unavailable when the store cannot be read or written.
    """
    while (found := kv.get(BUCKET, KEY)) is None:
        made = secrets.token_bytes(SECRET_BYTES)
        try:
            await kv.write([Item(BUCKET, KEY, made)], [Item(BUCKET, KEY, None)])
        except Conflict:  # another node was first
            continue
    return found
