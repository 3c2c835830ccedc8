"""A client's feed, which takes events, returns pages, and lets readers wait for events.

A reader holds only a cursor. Its events come from the ring. A reader whose cursor is before the
ring reads from the store until it has caught up. The ring and the store have the same blocks in the
same order, so there is neither a gap nor an overlap between them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Protocol

from floorcast.feeds.blocks import MAX_PAGE_BYTES, Block, Page, PageBuilder, Record, Tail
from floorcast.feeds.filters import Matcher
from floorcast.feeds.ring import Ring, Rings, Waiters
from floorcast.model.loop_turns import SLICE_SECONDS, take_turn
from floorcast.site.configuration import FeedName
from floorcast.store.segment import Facets, SegmentHead

__all__ = ["POLL_SECONDS", "Feed", "Listener"]

POLL_SECONDS = 10.0  # how long a poll waits for its first event, from the reference
_HEADS = 32  # heads of segments that are read together if a filter may skip segments
_NEVER = 1 << 63


class Listener(Protocol):
    """A listener, such as a stream, that is called when ``matcher`` selects a published event."""

    matcher: Matcher

    def notify(self, before: int) -> None:
        """Note that a matching event follows the cursor ``before``. Must be quick and not raise."""
        ...


class Feed:
    """A feed. It must be used only from the event loop's thread.

    ``after`` is the cursor up to which the feed is initially complete: the position of a snapshot.
    The store may have later events. Events that are published again at or before that position are
    ignored, so it is harmless to fold entries again.
    """

    def __init__(self, client: int, name: FeedName, rings: Rings, after: int = 0) -> None:
        self.client = client
        self.name = name
        self.switched_on = False
        self.through = max(after, rings.store.covered(client, name))
        self._rings = rings
        self._ring = Ring(self.through)
        self._tail = Tail()
        self._notified_through = 0
        self._waiters = Waiters(rings.waker)
        self.listeners: dict[Hashable, Listener] = {}
        rings.join(self)

    @property
    def waiting(self) -> int:
        """The number of readers that wait for an event."""
        return len(self._waiters)

    @property
    def tail_bytes(self) -> int:
        """The number of bytes of events that are not sealed yet."""
        return self._tail.size

    @property
    def oldest_unsealed(self) -> int:
        """When the oldest unsealed event was recorded, in ticks; far in the future if none is."""
        return self._tail.first_recorded_at if self._tail else _NEVER

    def restart(self) -> None:
        """Forget all events, because they are published again from the start of the log.

        Readers keep their cursors. They are woken only after the feed has passed its old position.
        """
        self._notified_through = max(self._notified_through, self.through)
        self.through = 0
        self._ring = Ring(0)
        self._tail = Tail()

    def publish(self, records: Sequence[Record], through: int, ticks: int) -> None:
        """Add the events of an entry, or of a slice of one, and wake the readers that see them.

        ``through`` is the cursor up to which the feed is now complete. ``ticks`` is when the entry
        was recorded.
        """
        if records and records[0][0] <= self.through:
            records = [record for record in records if record[0] > self.through]
        before = self.through
        self.through = max(before, through)
        if not records:
            return
        self._rings.counts.published += len(records)
        added = 0
        while added < len(records):
            added += self._tail.add(records[added:], ticks)
            if self._tail.is_full:
                self.seal()
        if self.through > self._notified_through and (self._waiters.any_waiting or self.listeners):
            self._notify(
                list({facets for _, facets, _ in records}), max(before, self._notified_through)
            )

    def _notify(self, classes: Sequence[Facets], before: int) -> None:
        self._waiters.notify(classes)
        for listener in self.listeners.values():
            matcher = listener.matcher
            if matcher.matches_all or matcher.any_of(classes):
                listener.notify(before)

    def seal(self) -> None:
        """Seal the tail and hand it to the store."""
        if not self._tail:
            return
        segment = self._tail.seal()
        self._rings.store.write_segment(self.client, self.name, segment)
        self._tail = Tail()
        self._rings.add_sealed(self._ring, Block(segment))

    async def page(
        self, cursor: int, matcher: Matcher, count: int, space: int = MAX_PAGE_BYTES
    ) -> Page:
        """Return up to ``count`` events after ``cursor`` that ``matcher`` selects.

        The page may be empty, because this does not wait for events. It has at most ``space``
        bytes, unless a single event has more. Raises Unavailable if the store cannot be read.
        """
        builder = PageBuilder(cursor, matcher, count, space)
        page = self._cached_page(builder)
        while page is None:
            if self._search(builder):
                page = self._build_page(builder, at_head=not builder.full)
            else:
                await take_turn(self.client, for_answer=True)
        return page

    def peek(self, cursor: int, matcher: Matcher, count: int, space: int) -> Page:
        """Return a page like ``page``, but within one turn of the event loop.

        A page that was not finished in that time is neither full nor at the head. The caller can
        continue from its cursor. Raises Unavailable if the store cannot be read.
        """
        builder = PageBuilder(cursor, matcher, count, space)
        page = self._cached_page(builder)
        if page is None:
            looked = self._search(builder)
            page = self._build_page(builder, at_head=looked and not builder.full)
        return page

    async def wait(
        self,
        page: Page,
        matcher: Matcher,
        seconds: float,
        disconnected: asyncio.Future[None] | None = None,
    ) -> Page | None:
        """Wait after an empty page for an event that ``matcher`` selects.

        Returns None as soon as there may be such an event. Returns an empty page after ``seconds``,
        or when ``disconnected`` is done or the server stops.
        """
        if page.cursor < self.through:
            return None
        released = self._rings.waker.released
        if not released and not await self._waiters.wait(matcher, seconds, disconnected):
            return None
        return replace(page, cursor=max(page.cursor, self.through), built={})

    async def poll(
        self, page: Page, matcher: Matcher, count: int, disconnected: asyncio.Future[None]
    ) -> Page:
        """Wait after an empty page. Return the first page with events, or an empty one after 10 s.

        The wait ends when ``disconnected`` is done, which means that the reader has disconnected.
        Raises Unavailable if the store cannot be read.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + POLL_SECONDS
        while not page.count and (left := deadline - loop.time()) > 0:
            quiet = await self.wait(page, matcher, left, disconnected)
            if quiet is not None:
                return quiet
            page = await self.page(page.cursor, matcher, count)
        return page

    def release(self) -> None:
        """Let the waiting readers respond immediately."""
        self._waiters.release()

    def _cached_page(self, builder: PageBuilder) -> Page | None:
        """Return the page that another reader got for the same arguments, unless it is stale."""
        page = self._rings.pages.get((self.client, self.name, *builder.arguments))
        stale = page is not None and page.at_head and page.cursor < self.through
        return None if stale else page

    def _build_page(self, builder: PageBuilder, *, at_head: bool) -> Page:
        lines = builder.pieces[0] if len(builder.pieces) == 1 else b"\n".join(builder.pieces)
        end = max(builder.cursor, self.through) if at_head else builder.cursor
        page = Page(lines, builder.count, end, at_head, tuple(builder.positions))
        if page.count:
            counts = self._rings.counts
            counts.pages += 1
            counts.given += page.count
            # twice the lines, for the bodies built from them; the key keeps the matcher alive
            size = 2 * len(lines) + 8 * page.count + builder.matcher.size
            self._rings.pages.put((self.client, self.name, *builder.arguments), page, size)
        return page

    def _search(self, builder: PageBuilder) -> bool:
        """Advance ``builder`` during this turn. Return True if there is nothing more for it."""
        until = time.perf_counter() + SLICE_SECONDS
        while not builder.full:
            if builder.cursor < self._ring.after:
                self._search_store(builder, until)
            elif (block := self._ring.next_block(builder.cursor)) is not None:
                block.add_to(builder)
            else:
                self._tail.add_to(builder)
                return True
            if time.perf_counter() > until:
                return False
        return True

    def _search_store(self, builder: PageBuilder, until: float) -> None:
        """Search some segments that have left the ring, within the time limit of a turn."""
        reach = self._ring.after
        limit = 2 if builder.matcher.matches_all else _HEADS
        heads = self._rings.store.segments(self.client, self.name, builder.cursor, limit)
        if not heads or heads[0].first > reach:
            builder.cursor = reach
        for head in heads:
            if builder.full or head.first > reach:
                break
            block = self._open(head) if builder.matcher.any_of(head.table) else None
            if block is None:
                builder.cursor = head.last
            else:
                block.add_to(builder)
            if time.perf_counter() > until:
                break

    def _open(self, head: SegmentHead) -> Block | None:
        rings = self._rings
        key = (self.client, self.name, head.last)
        block = rings.blocks.get(key)
        if block is None:
            segment = rings.store.segment(self.client, self.name, head)
            if segment is None:
                return None
            rings.counts.store_reads += 1
            block = Block(segment)
            rings.blocks.put(key, block, block.size)
        return block
