"""Readers that wait for an event that they see.

Each reader awaits a future of its own: tasks that can be cancelled must not share one, or the
first that is cancelled takes the others with it. Those whose filter is equal form a group, so
that a published event costs one look a filter, not one a reader.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence

from floorcast.feeds.filters import Matcher
from floorcast.store.segment import Facets

__all__ = ["WAKE_SLICE", "Waiters", "Waker"]

WAKE_SLICE = 32  # readers woken in one turn of the loop: about 3 ms of answering

_Woken = asyncio.Future[None]


class Waker:
    """Wakes readers in slices. One serves all feeds of a process, so that slices do not add up."""

    def __init__(self) -> None:
        self._due: deque[_Woken] = deque()
        self.released = False

    def wake(self, readers: Collection[_Woken]) -> None:
        """Wake these, in order, as turns of the loop allow."""
        if readers and not self._due:
            asyncio.get_running_loop().call_soon(self._wake_slice)
        self._due.extend(readers)

    def _wake_slice(self) -> None:
        for _ in range(min(WAKE_SLICE, len(self._due))):
            reader = self._due.popleft()
            if not reader.done():
                reader.set_result(None)
        if self._due:
            asyncio.get_running_loop().call_soon(self._wake_slice)


class Waiters:
    """The readers that wait on one feed."""

    def __init__(self, waker: Waker) -> None:
        self._waker = waker
        self._groups: dict[Matcher, dict[_Woken, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    @property
    def some(self) -> bool:
        """Whether anybody waits."""
        return bool(self._groups)

    def notify(self, classes: Sequence[Facets]) -> None:
        """Wake the readers that see an event of one of these classes."""
        for matcher in [matcher for matcher in self._groups if matcher.any_of(classes)]:
            self._waker.wake(self._groups.pop(matcher))

    def release(self) -> None:
        """Wake every reader: the server stops."""
        for matcher in list(self._groups):
            self._waker.wake(self._groups.pop(matcher))

    async def wait(
        self, matcher: Matcher, seconds: float, gone: asyncio.Future[None] | None
    ) -> bool:
        """Wait for an event that ``matcher`` sees; True if none came in ``seconds``.

        True also says that nothing seen was published since the call: the reader is registered
        before anything else can run. ``gone`` ends the wait when it is done.
        """
        loop = asyncio.get_running_loop()
        reader: _Woken = loop.create_future()
        group = self._groups.setdefault(matcher, {})
        group[reader] = None
        timer = loop.call_later(seconds, _expire, reader)

        def leave(_gone: asyncio.Future[None]) -> None:
            _expire(reader)

        if gone is not None:
            gone.add_done_callback(leave)
        try:
            await reader
            return self._groups.get(matcher) is group
        finally:
            timer.cancel()
            if gone is not None:
                gone.remove_done_callback(leave)
            group.pop(reader, None)
            if not group and self._groups.get(matcher) is group:
                del self._groups[matcher]


def _expire(reader: _Woken) -> None:
    if not reader.done():
        reader.set_result(None)
