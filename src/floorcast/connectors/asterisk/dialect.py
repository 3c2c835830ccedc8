"""Creates the ids that events use for Asterisk calls."""

from __future__ import annotations

import zlib

from floorcast.connectors.pbx.config import Dialect

__all__ = ["ASTERISK", "transaction_id"]


def transaction_id(caller: str) -> int:
    """Return a caller's Uniqueid as a number below 2**53: epoch x 10**6 + counter mod 10**6.

    The Uniqueid may begin with a system name (``host-1530022819.2433``). Any other text is hashed.
    """
    seconds, _, counter = caller.rpartition("-")[2].partition(".")
    if all(part.isascii() and part.isdigit() and len(part) <= 10 for part in (seconds, counter)):
        found = int(seconds) * 1_000_000 + int(counter) % 1_000_000
        if found < 2**53:
            return found
    data = caller.encode("utf-8", "replace")
    return zlib.crc32(data) << 20 | zlib.adler32(data) & 0xFFFFF


ASTERISK = Dialect(kind="asterisk", transaction_id=transaction_id, asks_leave_reason=True)
