"""The gates that requests come in by: so many a turn of the loop, however many there are.

After a restart thousands of readers ask at once, and sources send what they kept. All of that
would be worked on in one turn, and whoever asks something else would wait for several such turns.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["ROOM", "TurnLimiter"]

ROOM = 8  # requests let in in one turn of the loop: 1 to 2 ms of work


class TurnLimiter:
    """Lets requests in, first come, first served. Used on one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._left = ROOM

    async def enter(self) -> None:
        """Go in at once while there is room in this turn; else wait for a turn that has some."""
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
