"""Limits how many requests begin in one turn of the event loop.

After a restart thousands of readers reconnect at once, and sources send what they have buffered. If
all of those requests began in one turn, every other request would wait for that turn to end.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["ROOM", "TurnLimiter"]

ROOM = 8  # requests that begin in one turn of the loop: 1 to 2 ms of work


class TurnLimiter:
    """Admits requests in the order in which they came. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._left = ROOM

    async def enter(self) -> None:
        """Return at once while this turn has room; otherwise wait for a turn that has."""
        loop = asyncio.get_running_loop()
        if self._left == ROOM:
            loop.call_soon(self._turn)
        if self._left:
            self._left -= 1
            return
        mine = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _turn(self) -> None:
        self._left = ROOM
        while self._waiting and self._left:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(None)
                self._left -= 1
        if self._left < ROOM:
            asyncio.get_running_loop().call_soon(self._turn)
