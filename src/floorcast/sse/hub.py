"""The hub of all streams of a process, with their turns, their timer and their counts.

Readers are served in short turns, so that ingest can run in between. All feeds share one queue of
turns, so that turns do not add up. They also share one timer, because one asyncio timer for each of
ten thousand readers would take more memory than the readers.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog

__all__ = [
    "TICK_SECONDS",
    "TURN_SECONDS",
    "Hub",
    "HubReader",
    "ReaderGroup",
    "StreamCounts",
    "Wheel",
]

TURN_SECONDS = 0.002  # writing time per turn of the loop, so that ingest can run in between
TICK_SECONDS = 0.25  # how late a visit may be
SLICE_READERS = 128  # readers visited or ended in one turn of the loop

_RELEASED = "the server stops"
_log = structlog.stdlib.get_logger(__name__)


class ReaderGroup(Protocol):
    """A group of readers that have something to read."""

    @property
    def busy(self) -> bool:
        """Whether any reader is due."""
        ...

    def advance(self) -> None:
        """Write to a few readers, and to more of them until ``Hub.turn_is_over``."""
        ...


class HubReader(Protocol):
    """The interface of a reader that the hub uses."""

    def visit(self, now: float) -> float | None:
        """Do the work that is due at ``now``, in the loop's time.

        Returns the time of the next visit, or None if there is none.
        """
        ...

    def end(self, why: str) -> None:
        """Send the reason and close the connection."""
        ...

    def abort(self) -> None:
        """Close the connection immediately."""
        ...


@dataclass(slots=True)
class StreamCounts:
    """The counts of all streams in this process, for ``/metrics``."""

    opened: int = 0
    events: int = 0  # written, counted once per reader
    bytes: int = 0  # written
    slow: int = 0  # readers closed because they read nothing


K = TypeVar("K", bound=HubReader)


class Wheel(Generic[K]):
    """One timer for all readers, which runs while there are readers to visit."""

    def __init__(self) -> None:
        self._slots: dict[int, list[K]] = {}
        self._due: deque[K] = deque()
        self._next = 0  # the next slot
        self._running = False

    def add(self, one: K, at: float) -> None:
        """Visit a reader at ``at``, in the loop's time, or up to ``TICK_SECONDS`` later."""
        if not self._running:
            loop = asyncio.get_running_loop()
            self._running = True
            self._next = int(loop.time() / TICK_SECONDS) + 1
            loop.call_at(self._next * TICK_SECONDS, self._run_turn)
        # rounded up, except for floating-point errors
        slot = max(self._next, int((at - 1e-6) / TICK_SECONDS) + 1)
        try:
            self._slots[slot].append(one)
        except KeyError:
            self._slots[slot] = [one]

    def _run_turn(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._next * TICK_SECONDS <= now + 1e-6:
            self._due.extend(self._slots.pop(self._next, ()))
            self._next += 1
        for _ in range(min(SLICE_READERS, len(self._due))):
            self._visit(self._due.popleft(), now)
        if self._due:
            loop.call_soon(self._run_turn)
        elif self._slots:
            loop.call_at(self._next * TICK_SECONDS, self._run_turn)
        else:
            self._running = False

    def _visit(self, one: K, now: float) -> None:
        try:
            again = one.visit(now)
        except Exception:  # noqa: BLE001 — one reader's fault must not stop the timer for all
            _log.exception("stream_failed")
            _abort(one)
            return
        if again is not None:
            self.add(one, again)


def _abort(reader: HubReader) -> None:
    try:
        reader.abort()
    except Exception:  # noqa: BLE001 — nothing more can be done for this reader
        _log.exception("stream_failed")


class Hub:
    """All readers of all streams. It must be used only from the event loop's thread.

    ``clock`` measures turns in seconds, because the loop's time can stand still during a turn.
    ``epoch`` changes whenever a reader may have lost its right to read. Readers are then checked
    before the next write.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        epoch: Callable[[], int] = lambda: 0,
    ) -> None:
        self.epoch = epoch
        self.counts = StreamCounts()
        self.readers: set[HubReader] = set()
        self._clock = clock
        self._until = 0.0
        self._wheel: Wheel[HubReader] = Wheel()
        self._due: deque[ReaderGroup] = deque()
        self._released = False
        self._empty = asyncio.Event()

    def enter(self, reader: HubReader, first_visit: float) -> None:
        """Add a reader, and visit it first at ``first_visit``, in the loop's time."""
        self.counts.opened += 1
        self.readers.add(reader)
        self._empty.clear()
        self._wheel.add(reader, first_visit)
        if self._released:
            asyncio.get_running_loop().call_soon(reader.end, _RELEASED)

    def leave(self, reader: HubReader) -> None:
        """Remove a reader whose connection is gone."""
        self.readers.discard(reader)
        if not self.readers:
            self._empty.set()

    def enqueue(self, group: ReaderGroup) -> None:
        """Add ``group`` to the queue of turns. It must not be in the queue already."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._run_turn)
        self._due.append(group)

    def turn_is_over(self) -> bool:
        """Return whether the current turn is over."""
        return self._clock() >= self._until

    def release(self) -> None:
        """End every stream, because the server is stopping."""
        self._released = True
        self._end_slice(list(self.readers))

    async def drain(self, seconds: float) -> None:
        """After a release, wait up to ``seconds`` for the readers to go, and abort the rest."""
        if self.readers:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        for reader in list(self.readers):
            _abort(reader)

    def _end_slice(self, readers: list[HubReader]) -> None:
        for reader in readers[-SLICE_READERS:]:
            try:
                reader.end(_RELEASED)
            except Exception:  # noqa: BLE001 — a failing reader must not stop the others
                _log.exception("stream_failed")
                _abort(reader)
        del readers[-SLICE_READERS:]
        if readers:
            asyncio.get_running_loop().call_soon(self._end_slice, readers)

    def _run_turn(self) -> None:
        self._until = self._clock() + TURN_SECONDS
        try:
            while self._due:
                group = self._due.popleft()
                try:
                    group.advance()
                finally:
                    if group.busy:
                        self._due.append(group)
                if self.turn_is_over():
                    break
        finally:  # otherwise, one failure would block all others forever
            if self._due:
                asyncio.get_running_loop().call_soon(self._run_turn)
