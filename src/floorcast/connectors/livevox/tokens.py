"""Converts tokens to times, and times to tokens.

A token is a version 1 UUID. The token of a time is the smallest UUID with that time.
"""

from __future__ import annotations

import uuid

__all__ = ["token_for_time", "token_time"]

_GREGORIAN = 0x01B21DD213814000  # ticks from 1582-10-15, where UUIDs begin, to 1970-01-01
_TICKS = 10_000_000  # per second; a tick is 100 ns
_SMALLEST = 0x8080_808080808080  # as in the API's own tokens


def token_time(token: str) -> float | None:
    """Return the time of a token or of an event's id, or None if it has none."""
    try:
        found = uuid.UUID(token.partition("+")[0])
    except ValueError:
        return None
    return (found.time - _GREGORIAN) / _TICKS if found.version == 1 else None


def token_for_time(moment: float) -> str:
    """Return the token of a time in epoch seconds."""
    ticks = round(moment * _TICKS) + _GREGORIAN
    low, mid, high = ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0x0FFF | 0x1000
    return str(uuid.UUID(int=low << 96 | mid << 80 | high << 64 | _SMALLEST))
