"""The way of an append through the event loop: checked, planned, handed over, told.

What is planned counts on everything planned before it, so that when one group fails all that
is under way fails with it: nothing of it is stored, its keys are withdrawn, and the next
append goes on from what is durable.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from floorcast.errors import Unavailable
from floorcast.eventlog.batches import entries_of, news_of
from floorcast.eventlog.groups import GroupWriter, Outcome, Row, Write
from floorcast.eventlog.identities import keys_of
from floorcast.eventlog.logfile import KINDS, StreamRow, first_id
from floorcast.eventlog.port import Appended, Batch, Entry
from floorcast.eventlog.seen import Seen, Wave
from floorcast.eventlog.streams import Stream
from floorcast.token import Now

__all__ = ["MAX_BYTES", "MAX_EVENTS", "Appender", "NumberedStream", "Observe"]

MAX_EVENTS = 100_000  # under way at once: ten of the largest requests
MAX_BYTES = 64 << 20  # of them

Observe = Callable[[float, int], None]
"""Told of every commit: the seconds that the disk took, and the events in it."""


class NumberedStream(Stream):
    """A stream with the ordinal that its rows carry; not ``stored`` until it has an entry."""

    def __init__(self, row: StreamRow, *, stored: bool) -> None:
        super().__init__(row.client, row.head)
        self.ordinal = row.ordinal
        self.stored = stored

    def row(self) -> StreamRow:
        """The stream as a reader wants it: as far as it is durable."""
        return StreamRow(self.ordinal, self.client, self.head)


class _Plan(NamedTuple):
    """An append that is under way."""

    stream: NumberedStream
    entries: Sequence[Entry]
    keys: Sequence[bytes]
    wave: Wave | None
    future: asyncio.Future[None]


class Appender:
    """Puts batches into streams. Used on one event loop; ``tell`` is for the writer's thread."""

    def __init__(self, writer: GroupWriter, seen: Seen, now: Now, observe: Observe | None) -> None:
        self._writer = writer
        self._seen = seen
        self._now = now
        self._observe = observe
        self._gate = asyncio.Lock()
        self._plans: deque[_Plan] = deque()
        self._epoch = 0
        self._events = 0
        self._bytes = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def append(self, stream: NumberedStream, batch: Batch) -> Appended:
        """See ``EventLog.append``."""
        size = sum(map(len, batch.lines))
        self._admit(len(batch.lines), size)
        self._events += len(batch.lines)
        self._bytes += size
        try:
            return await self._append(stream, batch)
        finally:
            self._events -= len(batch.lines)
            self._bytes -= size

    async def append_site(self, stream: NumberedStream, payload: bytes) -> int:
        """See ``EventLog.append_site``."""
        self._admit(0, len(payload))
        number, taken = stream.next(self._now())
        entry = Entry(stream.client, number, taken, "site", 0, payload)
        await asyncio.shield(self._submit(stream, [entry], ()))
        return number

    def tell(self, outcome: Outcome) -> None:
        """Hear of an outcome, from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._hear, outcome)

    def close(self) -> None:
        """Take nothing any more; what is under way goes on."""
        self._closed = True

    def _admit(self, events: int, size: int) -> None:
        if self._closed:
            raise Unavailable("the log is closed")
        busy = self._events + events > MAX_EVENTS or self._bytes + size > MAX_BYTES
        if busy and self._events:
            raise Unavailable("too many events are on their way to the log")
        if self._seen.full:
            raise Unavailable("the keys of events taken in before wait for the disk")

    async def _append(self, stream: NumberedStream, batch: Batch) -> Appended:
        # A look at the disk may have to wait: until it is done, nobody else asks or reserves.
        async with self._gate:
            keys = keys_of(stream.client, batch.events)
            news = news_of(batch, keys, await self._seen.held(set(keys)))
            if self._closed:
                raise Unavailable("the log is closed")
            entries = entries_of(stream.client, news, lambda: stream.next(self._now()))
            number = stream.planned.number
            if entries:
                future = self._submit(stream, entries, news.keys)
            elif self._plans:
                # the first copies may be under way: a duplicate is as durable as they are
                future = self._plans[-1].future
            else:
                return Appended(number, news.duplicates)
        await asyncio.shield(future)
        return Appended(number, news.duplicates)

    def _submit(
        self,
        stream: NumberedStream,
        entries: Sequence[Entry],
        keys: Sequence[bytes],
    ) -> asyncio.Future[None]:
        self._loop = asyncio.get_running_loop()
        future = self._loop.create_future()
        wave = self._seen.reserve(keys, entries[-1].taken) if keys else None
        self._plans.append(_Plan(stream, entries, keys, wave, future))
        start = first_id(stream.ordinal)
        rows = [
            Row(start + e.number, e.taken, KINDS.index(e.kind), e.count, e.payload) for e in entries
        ]
        size = sum(len(row.payload) for row in rows)
        may_be_new = None if stream.stored else (stream.ordinal, stream.client)
        self._writer.submit(Write(self._epoch, rows, size, may_be_new))
        return future

    def _hear(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            if outcome.writes[0].epoch == self._epoch:
                self._fail()
            return
        events = 0
        for _ in outcome.writes:
            plan = self._plans.popleft()
            events += self._publish(plan)
        if self._observe is not None:
            self._observe(outcome.seconds, events)

    def _publish(self, plan: _Plan) -> int:
        stream = plan.stream
        stream.stored = True
        events = 0
        for entry in plan.entries:
            stream.publish(entry)
            events += entry.count
        if plan.wave is not None:
            self._seen.confirm(plan.wave, stream.client, *stream.head)
        if not plan.future.done():
            plan.future.set_result(None)
        return events

    def _fail(self) -> None:
        self._epoch += 1
        for plan in self._plans:
            plan.stream.withdraw()
            if plan.wave is not None:
                self._seen.withdraw(plan.wave, plan.keys)
            if not plan.future.done():
                plan.future.set_exception(Unavailable("the log cannot be written"))
                plan.future.exception()  # nobody may be waiting any more
        self._plans.clear()
