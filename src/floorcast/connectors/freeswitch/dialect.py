"""Creates the ids that events use for FreeSWITCH calls."""

from __future__ import annotations

import hashlib
from datetime import date

from msgspec import structs

from floorcast.connectors.pbx.config import Dialect

__all__ = ["FREESWITCH", "transaction_id"]


def transaction_id(caller: str) -> int:
    """Return the first 52 bits of a hash of a session's UUID.

    JavaScript can represent every such number exactly.
    """
    digest = hashlib.sha256(caller.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8]) >> 12


FREESWITCH = Dialect(kind="freeswitch", transaction_id=transaction_id, ids_are_global=True)


def dialect_for_replay(day: date | None) -> Dialect:
    """Return the dialect for a recording that is replayed on ``day``.

    If ``day`` is given, the replayed calls have other ids than the original calls.
    """
    return structs.replace(FREESWITCH, ids_are_global=day is None)
