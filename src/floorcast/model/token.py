"""Positions in the log, and the tokens that contain them.

A *position* names one event in a client's stream. It consists of the entry's number (44 bits,
counted from 1 without gaps) and the event's index in the entry (18 bits), packed into one integer,
so that positions compare in the order of the events. As a cursor, a position means "everything up
to and including this event".

A *token* is a version 1 UUID. Its 60 time bits are the token's time, and the other 62 bits are the
masked position. The mask is derived from the client's id, the token's time and the installation's
secret (older releases used only the client's id), so two tokens do not reveal the number of entries
between them. Every node can decode a token without a table, and anyone can read its time. A token
from another client or program decodes to a position that no log has reached, so only its time is
used.

Times are *ticks*: whole 100 ns since the Unix epoch, which is the resolution of a version 1 UUID
(RFC 9562, section 5.1).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

__all__ = [
    "INDEX_BITS",
    "MAX_INDEX",
    "TICKS_PER_MS",
    "TICKS_PER_SECOND",
    "Now",
    "Token",
    "boot_seconds",
    "decode",
    "encode",
    "end_of_entry",
    "entry_of",
    "event_id_maker",
    "monotonic_now",
    "position",
    "system_now",
    "to_ms",
]

INDEX_BITS = 18
MAX_INDEX = (1 << INDEX_BITS) - 1
_ENTRY_BITS = 44
_POSITION_BITS = _ENTRY_BITS + INDEX_BITS
_NODE_MASK = (1 << 48) - 1

TICKS_PER_MS = 10_000
TICKS_PER_SECOND = 10_000_000
_GREGORIAN = 0x01B21DD213814000  # ticks from 1582-10-15, where UUIDs begin, to 1970-01-01

Now = Callable[[], int]
"""A clock, which returns the current time in ticks. Tests use their own clocks."""


def system_now() -> int:
    """Return the machine's time in ticks."""
    return time.time_ns() // 100


_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # macOS has no CLOCK_BOOTTIME


def boot_seconds() -> float:
    """Return the seconds since the machine started, including those for which it was suspended."""
    return time.clock_gettime(_MONOTONIC)


def monotonic_now() -> int:
    """Return ticks that never jump, from an arbitrary zero, for waits and limits per minute.

    The wall clock can be set back or ahead by hours, which would make waits last or end as much.
    The time for which the machine was suspended counts.
    """
    return time.clock_gettime_ns(_MONOTONIC) // 100


def to_ms(ticks: int) -> int:
    """Convert ticks to whole epoch milliseconds, rounded down."""
    return ticks // TICKS_PER_MS


def position(entry: int, index: int) -> int:
    """Return the position of the event at ``index`` in ``entry``."""
    return entry << INDEX_BITS | index


def entry_of(position: int) -> int:
    """Return the number of the entry that contains a position."""
    return position >> INDEX_BITS


def end_of_entry(entry: int) -> int:
    """Return the cursor after all of ``entry``."""
    return entry << INDEX_BITS | MAX_INDEX


class Token(NamedTuple):
    """A decoded token: a time in ticks, and a position (meaningless in a foreign token)."""

    ticks: int
    position: int


@lru_cache(maxsize=4096)
def _mask(client: int, ticks: int, secret: bytes) -> int:
    text = f"{client} {ticks}" if secret else str(client)
    digest = blake2b(text.encode(), digest_size=8, key=secret, person=b"floorcast-token").digest()
    return int.from_bytes(digest, "big") >> (64 - _POSITION_BITS)


def _time_fields(ticks: int) -> str:
    stamp = ticks + _GREGORIAN
    low, mid, high = stamp & 0xFFFFFFFF, stamp >> 32 & 0xFFFF, stamp >> 48 & 0x0FFF | 0x1000
    return f"{low:08x}-{mid:04x}-{high:04x}"


def _position_fields(masked: int) -> str:
    return f"{masked >> 48 | 0x8000:04x}-{masked & _NODE_MASK:012x}"


def encode(client: int, ticks: int, position: int, secret: bytes = b"") -> str:
    """Return a client's token for a time and position. Without ``secret``, it has the old form."""
    return f"{_time_fields(ticks)}-{_position_fields(position ^ _mask(client, ticks, secret))}"


def event_id_maker(
    client: int, ticks: int, entry: int, secret: bytes = b""
) -> Callable[[int], str]:
    """Return a function that turns an index in the entry into an event id (a fast ``encode``)."""
    masked = (entry << INDEX_BITS) ^ _mask(client, ticks, secret)
    head = f"{_time_fields(ticks)}-{masked >> 48 | 0x8000:04x}-"
    node = masked & _NODE_MASK

    def event_id(index: int) -> str:
        return f"{head}{node ^ index:012x}"

    return event_id


def decode(client: int, text: str, secret: bytes = b"") -> Token:
    """Decode a token of ``client``. Without ``secret``, the token must have the old form.

    Raises ValueError if ``text`` is not a version 1 UUID.
    """
    parsed = uuid.UUID(text)
    if parsed.variant != uuid.RFC_4122 or parsed.version != 1:
        raise ValueError(f"{text!r} is not a version 1 UUID")
    masked = parsed.int & ((1 << _POSITION_BITS) - 1)
    ticks = parsed.time - _GREGORIAN
    return Token(ticks, masked ^ _mask(client, ticks, secret))
