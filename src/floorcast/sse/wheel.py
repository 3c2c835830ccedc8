"""One timer for all readers: each is visited about when it asked to be.

A timer of asyncio's for each of ten thousand readers would cost more memory than the readers,
and one that is moved at each event more time than the events.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, Protocol, TypeVar

__all__ = ["TICK", "VISITS", "Visited", "Wheel"]

TICK = 0.25  # seconds by which a visit may be late
VISITS = 128  # in one turn of the loop: a whole floor may have connected in one second


class Visited(Protocol):
    """What can be visited."""

    def visit(self, now: float) -> float | None:
        """Do what is due at ``now``, the loop's time; when to come again, None for never."""
        ...


T = TypeVar("T", bound=Visited)


class Wheel(Generic[T]):
    """Visits; its clock runs while there is anybody to visit."""

    def __init__(self) -> None:
        self._slots: dict[int, list[T]] = {}
        self._due: deque[T] = deque()
        self._next = 0  # the slot that comes next
        self._running = False

    def add(self, one: T, at: float) -> None:
        """Visit at, or up to a ``TICK`` after, ``at`` in the loop's time."""
        if not self._running:
            loop = asyncio.get_running_loop()
            self._running = True
            self._next = int(loop.time() / TICK) + 1
            loop.call_at(self._next * TICK, self._turn)
        # rounded up, but for the noise of floating point
        slot = max(self._next, int((at - 1e-6) / TICK) + 1)
        try:
            self._slots[slot].append(one)
        except KeyError:
            self._slots[slot] = [one]

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._next * TICK <= now + 1e-6:
            self._due.extend(self._slots.pop(self._next, ()))
            self._next += 1
        for _ in range(min(VISITS, len(self._due))):
            one = self._due.popleft()
            again = one.visit(now)
            if again is not None:
                self.add(one, again)
        if self._due:
            loop.call_soon(self._turn)
        elif self._slots:
            loop.call_at(self._next * TICK, self._turn)
        else:
            self._running = False
