"""All the streams of a process: whose turn it is, who is visited when, what is counted.

Readers are served in turns, so that intake and everybody else is served in between; one row
for all feeds, so that turns do not add up.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from floorcast.sse.wheel import Visited, Wheel

__all__ = ["TURN", "Counts", "Hub", "Kept", "Waiting"]

TURN = 0.002  # seconds of writing in one turn of the loop, so that intake is served in between
SLICE = 128  # readers that are told of the end in one turn of the loop

_RELEASED = "the server stops"


class Waiting(Protocol):
    """Readers that something waits for."""

    @property
    def busy(self) -> bool:
        """Whether there are any."""
        ...

    def advance(self) -> None:
        """Write to some of them: to few, and to more until ``Hub.turn_is_over``."""
        ...


class Kept(Visited, Protocol):
    """A reader, as far as all of them are treated alike."""

    def end(self, why: str) -> None:
        """Say why, and close."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


@dataclass(slots=True)
class Counts:
    """What happened in the streams of this process, for ``/metrics``."""

    opened: int = 0
    events: int = 0  # written, one for each reader
    bytes: int = 0  # written
    slow: int = 0  # readers closed because they took nothing


class Hub:
    """Every reader of every stream. Used from the event loop's thread only.

    ``clock`` tells the seconds of a turn: the loop's own time may stand still in one.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.counts = Counts()
        self.readers: set[Kept] = set()
        self._clock = clock
        self._until = 0.0
        self._wheel: Wheel[Kept] = Wheel()
        self._due: deque[Waiting] = deque()
        self._released = False
        self._empty = asyncio.Event()

    def enter(self, reader: Kept, first_visit: float) -> None:
        """Take a reader in; it is visited at ``first_visit``, in the loop's time."""
        self.counts.opened += 1
        self.readers.add(reader)
        self._empty.clear()
        self._wheel.add(reader, first_visit)
        if self._released:
            asyncio.get_running_loop().call_soon(reader.end, _RELEASED)

    def leave(self, reader: Kept) -> None:
        """Its connection is gone."""
        self.readers.discard(reader)
        if not self.readers:
            self._empty.set()

    def wake(self, waiting: Waiting) -> None:
        """Give ``waiting``, which is not in the row, its turns."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._turn)
        self._due.append(waiting)

    def turn_is_over(self) -> bool:
        """Whether others are to have their turn now."""
        return self._clock() >= self._until

    def release(self) -> None:
        """End every stream: the server stops."""
        self._released = True
        self._end_slice(list(self.readers))

    async def ended(self, seconds: float) -> None:
        """Wait, after a release, until everybody is gone; in the end whoever is not is cut off."""
        if self.readers:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        for reader in list(self.readers):
            reader.abort()

    def _end_slice(self, readers: list[Kept]) -> None:
        for reader in readers[-SLICE:]:
            reader.end(_RELEASED)
        del readers[-SLICE:]
        if readers:
            asyncio.get_running_loop().call_soon(self._end_slice, readers)

    def _turn(self) -> None:
        self._until = self._clock() + TURN
        try:
            while self._due:
                waiting = self._due.popleft()
                try:
                    waiting.advance()
                finally:
                    if waiting.busy:
                        self._due.append(waiting)
                if self.turn_is_over():
                    break
        finally:  # or one that falls over would hold all the others up for ever
            if self._due:
                asyncio.get_running_loop().call_soon(self._turn)
