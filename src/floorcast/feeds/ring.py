"""The rings of all feeds of a process, which share one memory budget and one waker.

Each waiting reader awaits a separate future. Tasks that can be cancelled must not share a future,
because cancelling one task would cancel the others. Readers with the same filter form a group, so a
published event costs one check per filter instead of one per reader.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog

from floorcast.feeds.blocks import Block, Page
from floorcast.feeds.filters import Matcher
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.store.projection_store import ProjectionStore
from floorcast.store.segment import Facets

__all__ = ["WAKE_SLICE", "ByteCache", "FeedCounts", "Ring", "RingFeed", "Rings", "Waiters", "Waker"]

_log = structlog.stdlib.get_logger(__name__)

SEAL_AGE = 5 * TICKS_PER_SECOND  # ticks after which events are sealed, however few they are


class RingFeed(Protocol):
    """The interface of a feed that the rings use."""

    @property
    def waiting(self) -> int:
        """The number of readers that wait for an event."""
        ...

    @property
    def tail_bytes(self) -> int:
        """The number of bytes of events that are not sealed yet."""
        ...

    @property
    def oldest_unsealed(self) -> int:
        """When the oldest unsealed event was recorded, in ticks."""
        ...

    def seal(self) -> None:
        """Seal the tail."""
        ...

    def release(self) -> None:
        """Let the waiting readers respond immediately."""
        ...


@dataclass(slots=True)
class FeedCounts:
    """The counts of all feeds in this process, for ``/metrics``."""

    published: int = 0  # events
    given: int = 0  # events
    pages: int = 0
    store_reads: int = 0  # segments
    seals: int = 0


T = TypeVar("T")


class ByteCache(Generic[T]):
    """Keeps the most recently used values, up to ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.bytes = 0
        self._limit = limit
        self._values: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> T | None:
        """Return the value and mark it as used. Return None if it is not in the cache."""
        kept = self._values.get(key)
        if kept is None:
            return None
        self._values.move_to_end(key)
        return kept[0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Cache a value of ``size`` bytes, unless it is larger than the whole cache."""
        self.drop(key)
        if size > self._limit:
            return
        self._values[key] = (value, size)
        self.bytes += size
        while self.bytes > self._limit:
            _, (_, dropped) = self._values.popitem(last=False)
            self.bytes -= dropped

    def drop(self, key: Hashable) -> None:
        """Remove a value if it is in the cache."""
        kept = self._values.pop(key, None)
        if kept is not None:
            self.bytes -= kept[1]


class Ring:
    """A feed's newest blocks. They contain every sealed event after ``after``."""

    def __init__(self, after: int) -> None:
        self.after = after
        self._blocks: deque[Block] = deque()

    def add(self, block: Block) -> None:
        """Append the feed's next block."""
        self._blocks.append(block)

    def drop_oldest(self) -> None:
        """Drop the oldest block. It remains in the store."""
        self.after = self._blocks.popleft().last

    def next_block(self, cursor: int) -> Block | None:
        """Return the block with the first sealed event after ``cursor``, if there is one."""
        index = bisect_right(self._blocks, cursor, key=_last)
        return self._blocks[index] if index < len(self._blocks) else None


def _last(block: Block) -> int:
    return block.last


class Rings:
    """All feeds of a process, and the memory that they share.

    ``limit`` is in bytes. Half of it is for the rings. One quarter is for blocks that were read
    back from the store, and one quarter is for pages that several readers may request. If the rings
    exceed their share, the oldest blocks of any ring are dropped. They remain in the store.
    """

    def __init__(self, store: ProjectionStore, limit: int) -> None:
        self.store = store
        self.waker = Waker()
        self.counts = FeedCounts()
        self.blocks: ByteCache[Block] = ByteCache(limit // 4)
        self.pages: ByteCache[Page] = ByteCache(limit // 4)
        self._feeds: list[RingFeed] = []
        self._limit = limit // 2
        self._sealed_bytes = 0
        self._oldest: deque[tuple[Ring, int]] = deque()  # the ring and size of every block

    def join(self, feed: RingFeed) -> None:
        """Add a feed."""
        self._feeds.append(feed)

    @property
    def bytes(self) -> int:
        """The memory that the feeds use, in bytes."""
        tails = sum(feed.tail_bytes for feed in self._feeds)
        return self._sealed_bytes + tails + self.blocks.bytes + self.pages.bytes

    @property
    def waiting(self) -> int:
        """The number of readers that wait for an event."""
        return sum(feed.waiting for feed in self._feeds)

    def add_sealed(self, ring: Ring, block: Block) -> None:
        """Add a block that is already in the store to a ring. Drop old blocks beyond the limit."""
        self.counts.seals += 1
        ring.add(block)
        self._oldest.append((ring, block.size))
        self._sealed_bytes += block.size
        while self._sealed_bytes > self._limit:
            dropped, size = self._oldest.popleft()
            dropped.drop_oldest()
            self._sealed_bytes -= size

    def seal(self, *, before: int | None = None) -> None:
        """Seal the tails whose oldest event was recorded before ``before``, or all if it is None.

        This must be called every second with the time ``SEAL_AGE`` ago, so that the events of a
        quiet feed also count toward the limit.
        """
        for feed in self._feeds:
            if before is None or feed.oldest_unsealed < before:
                try:
                    feed.seal()
                except Exception:  # noqa: BLE001 — the other feeds must still be sealed
                    _log.exception("seal_failed")

    def release(self) -> None:
        """Let all readers that are waiting, or that start waiting later, respond immediately."""
        self.waker.released = True
        for feed in self._feeds:
            feed.release()


WAKE_SLICE = 32  # readers woken in one turn of the loop; their responses take about 3 ms

_WaitFuture = asyncio.Future[None]


class Waker:
    """Wakes readers in slices. All feeds of a process share one, so that slices do not add up."""

    def __init__(self) -> None:
        self._due: deque[_WaitFuture] = deque()
        self.released = False

    def wake(self, readers: Collection[_WaitFuture]) -> None:
        """Wake these readers in order, one slice per turn of the loop."""
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
        self._groups: dict[Matcher, dict[_WaitFuture, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    @property
    def any_waiting(self) -> bool:
        """Whether any reader waits."""
        return bool(self._groups)

    def notify(self, classes: Sequence[Facets]) -> None:
        """Wake the readers that see an event of one of these classes."""
        groups = self._groups
        for matcher in [one for one in groups if one.matches_all or one.any_of(classes)]:
            self._waker.wake(self._groups.pop(matcher))

    def release(self) -> None:
        """Wake every reader, because the server is stopping."""
        for matcher in list(self._groups):
            self._waker.wake(self._groups.pop(matcher))

    async def wait(
        self, matcher: Matcher, seconds: float, disconnected: asyncio.Future[None] | None
    ) -> bool:
        """Wait for an event that ``matcher`` selects. Return True if none arrived in ``seconds``.

        True also means that nothing visible was published since the call, because the reader is
        registered before anything else can run. ``disconnected`` ends the wait when it is done.
        """
        loop = asyncio.get_running_loop()
        reader: _WaitFuture = loop.create_future()
        group = self._groups.setdefault(matcher, {})
        group[reader] = None
        timer = loop.call_later(seconds, _expire, reader)

        def leave(_gone: asyncio.Future[None]) -> None:
            _expire(reader)

        if disconnected is not None:
            disconnected.add_done_callback(leave)
        try:
            await reader
            return self._groups.get(matcher) is group
        finally:
            timer.cancel()
            if disconnected is not None:
                disconnected.remove_done_callback(leave)
            group.pop(reader, None)
            if not group and self._groups.get(matcher) is group:
                del self._groups[matcher]


def _expire(reader: _WaitFuture) -> None:
    if not reader.done():
        reader.set_result(None)
