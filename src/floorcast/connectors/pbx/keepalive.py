"""Reads from a connection and detects when it is dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["CONNECT_SECONDS", "READ_BYTES", "read_with_keepalive"]

CONNECT_SECONDS = 5.0
PING_SECONDS = 10.0  # without data before a ping, and then until the connection counts as dead
READ_BYTES = 1 << 18


async def read_with_keepalive(reader: asyncio.StreamReader, ping: Callable[[], None]) -> bytes:
    """Return the next bytes, or empty bytes if the connection is lost or dead.

    ``ping`` must request a response from the other side. Raises OSError.
    """
    try:
        async with asyncio.timeout(PING_SECONDS):
            return await reader.read(READ_BYTES)
    except TimeoutError:
        ping()
    try:
        async with asyncio.timeout(PING_SECONDS):
            return await reader.read(READ_BYTES)
    except TimeoutError:
        return b""
