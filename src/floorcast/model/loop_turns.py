"""Shares an event loop between clients: long work runs in slices, and the clients take turns."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

__all__ = ["REST_TURNS", "SHORT_SECONDS", "SLICE_SECONDS", "ClientQueue", "LoopTurns", "take_turn"]

SLICE_SECONDS = 0.001  # of work, after which long work takes another turn
REST_TURNS = 4  # turns of the loop between two slices; a short request needs about five in all
SHORT_SECONDS = 0.0005  # of work in one turn of the loop, up to which no rest follows


class ClientQueue:
    """Waiting tasks by client.

    Clients take turns. A client's answers and its other tasks take turns, too, and both keep their
    order.
    """

    def __init__(self) -> None:
        # the next client is first, and its next kind of task
        self.waiting: dict[int, dict[bool, deque[asyncio.Future[None]]]] = {}

    async def wait(self, client: int, *, for_answer: bool = False) -> None:
        """Wait until this task is the one that ``grant`` wakes."""
        turn = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(client, {}).setdefault(for_answer, deque()).append(turn)
        await turn

    def grant(self) -> bool:
        """Wake the next task, and return whether there was one. Canceled tasks are skipped."""
        while self.waiting:
            client = next(iter(self.waiting))
            kinds = self.waiting.pop(client)
            kind = next(iter(kinds))
            queue = kinds.pop(kind)
            first = queue.popleft()
            if queue:
                kinds[kind] = queue  # after the client's other kind
            if kinds:
                self.waiting[client] = kinds  # after the other clients
            if not first.done():
                first.set_result(None)
                return True
        return False


class LoopTurns:
    """The turns of one event loop.

    In each turn of the loop, at most one slice of long work runs. The loop then turns
    ``REST_TURNS`` times for everything else. Without that rest, a short request would wait for a
    slice in each of the turns that it needs. Slices of one client run in the order of their calls,
    but its answers and its other work take turns. Otherwise, a client's events would wait for one
    slice of each answer that is being built for it.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._loop = loop
        self._clock = clock  # seconds
        self._queue = ClientQueue()
        self._slice_began: float | None = None  # when the last slice began; None after its rest
        self._rest = 0  # turns left

    async def take(self, client: int, *, for_answer: bool = False) -> None:
        """Wait for a turn. Returns at once if no slice is waiting and none ran just before."""
        if self._slice_began is None:
            self._begin()
            return
        if not self._queue.waiting and not self._rest and not self._was_long(self._slice_began):
            return
        await self._queue.wait(client, for_answer=for_answer)

    def _begin(self) -> None:
        self._slice_began = self._clock()
        self._loop.call_soon(self._turn)

    def _was_long(self, began: float) -> bool:
        return self._clock() - began > SHORT_SECONDS

    def _turn(self) -> None:
        if self._rest:
            self._rest -= 1
        elif self._slice_began is not None and self._was_long(self._slice_began):
            self._rest = REST_TURNS - 1
        if self._rest:
            self._loop.call_soon(self._turn)
            return
        self._slice_began = None
        if self._queue.grant():
            self._begin()


_turns_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopTurns] = WeakKeyDictionary()


async def take_turn(client: int, *, for_answer: bool = False) -> None:
    """Wait for the client's next turn on the running loop, before a slice of long work.

    ``for_answer`` says that the work builds an answer, and not that it takes events in.
    """
    loop = asyncio.get_running_loop()
    turns = _turns_by_loop.get(loop)
    if turns is None:
        turns = _turns_by_loop[loop] = LoopTurns(loop)
    await turns.take(client, for_answer=for_answer)
