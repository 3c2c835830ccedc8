"""How FreeSWITCH's calls are named in events."""

from __future__ import annotations

import hashlib
from datetime import date

from msgspec import structs

from floorcast.connectors.pbx.config import Dialect

__all__ = ["FREESWITCH", "transaction_id"]


def transaction_id(caller: str) -> int:
    """The first 52 bits of a hash of a session's UUID: a number that JavaScript keeps."""
    digest = hashlib.sha256(caller.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8]) >> 12


FREESWITCH = Dialect(kind="freeswitch", transaction_id=transaction_id, ids_are_global=True)


def on_day(day: date | None) -> Dialect:
    """For a recording that is played back: on another day, its calls are other calls."""
    return structs.replace(FREESWITCH, ids_are_global=day is None)
